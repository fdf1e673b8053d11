/* ---- print (section 2) ---- */

#define INDEX_LAUNCH_WARNING                                                              \
    "Warning: index launch task does not support getting node index or processor index " \
    "for now\n"

HELPER void say(mapper_policy *p, const char *text)
{
    p->printed += (int64_t)strlen(text);
    if (p->printed > MAX_PRINTED) return;
    if (p->machine.print)
        p->machine.print(p->machine.print_context, text);
    else
        fputs(text, stdout);
}

HELPER void say_int(mapper_policy *p, int32_t i, const char *after)
{
    char text[32];
    snprintf(text, sizeof text, "%d%s", i, after);
    say(p, text);
}

HELPER void require_printable(mapper_policy *p, source_location at, value v)
{
    if (v.tag == TUPLE)
        for (int32_t i = 0; i < v.n; i++)
            require_printable(p, at, v.as.items[i]);
    else if (v.tag != INT && v.tag != BOOL && v.tag != INTS && v.tag != SPACE && v.tag != POINTS)
        fail(p, at, MAPPER_PRINT_ARGS, "print cannot print %s", type_name(v));
}

HELPER void say_value(mapper_policy *p, value v)
{
    switch (v.tag) {
    case INT: say_int(p, v.as.i, ""); break;
    case BOOL: say(p, v.as.i ? "BoolValNode: true\n" : "BoolValNode: false\n"); break;
    case INTS:
        for (int32_t i = 0; i < v.n; i++)
            say_int(p, v.as.ints[i], i < v.n - 1 ? "," : "");
        break;
    case TUPLE:
        for (int32_t i = 0; i < v.n; i++) {
            if (i > 0) say(p, ",");
            say_value(p, v.as.items[i]);
        }
        break;
    case POINTS:
        for (int32_t i = 0; i < v.n; i++) {
            say_int(p, v.as.ints[2 * i], ",");
            say_int(p, v.as.ints[2 * i + 1], "\n");
        }
        break;
    default:
        say(p, "Processor ");
        say(p, v.as.space->kind ? KIND_NAMES[v.as.space->kind - 1] : "None");
        say(p, ": ");
        for (int32_t d = 0; d < v.as.space->n; d++)
            say_int(p, v.as.space->sizes[d], " ");
        say(p, "\n");
    }
}
