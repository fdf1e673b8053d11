/* ---- Indices, members, calls (sections 3 to 9) ---- */

/* base[i] */
HELPER value index_one(mapper_policy *p, source_location at, value base, int32_t i)
{
    if (base.tag == SPACE) return space_index(p, at, base.as.space, 1, &i, false);
    if (!is_tuple(base))
        fail(p, at, MAPPER_BAD_INDEX, "%s cannot be indexed", type_name(base));
    return tuple_item(p, at, base, i);
}

/* base[i, j, ...] */
HELPER value index_many(mapper_policy *p, source_location at, value base, int32_t n,
                        const int32_t *indices)
{
    if (base.tag == SPACE) return space_index(p, at, base.as.space, n, indices, false);
    if (!is_tuple(base))
        fail(p, at, MAPPER_BAD_INDEX, "%s cannot be indexed", type_name(base));
    return fail(p, at, MAPPER_BAD_INDEX, "a tuple is indexed by one int, not by %d", n);
}

/* base[...], of whatever the list holds. */
HELPER value index_list(mapper_policy *p, source_location at, value base, list l)
{
    if (base.tag != SPACE) {
        if (l.n == 1 && l.items[0].tag == INT) return index_one(p, at, base, l.items[0].as.i);
        return fail(p, at, MAPPER_BAD_INDEX, "a tuple is indexed by one int, not by %d values",
                    l.n);
    }
    value indices = new_ints(p, at, l.n);
    with_kind(p, at, base.as.space);
    for (int32_t i = 0; i < l.n; i++) {
        if (l.items[i].tag != INT && l.items[i].tag != STAR)
            fail(p, at, MAPPER_BAD_INDEX, "a machine is indexed by ints, not by %s",
                 type_name(l.items[i]));
        indices.as.room[i] = l.items[i].tag == STAR ? -1 : l.items[i].as.i;
    }
    bool star = l.n == 1 && l.items[0].tag == STAR;
    return space_index(p, at, base.as.space, l.n, indices.as.ints, star);
}

/* base[*t] */
HELPER value index_spread(mapper_policy *p, source_location at, value base, value t)
{
    if (base.tag == SPACE && t.tag == INTS)
        return space_index(p, at, base.as.space, t.n, t.as.ints, false);
    list l = new_list(p, at, 2);
    push(p, at, &l, unpack(p, at, t));
    return index_list(p, at, base, l);
}

HELPER value sizes_of(mapper_policy *p, source_location at, const space *s)
{
    with_kind(p, at, s);
    return (value){.tag = INTS, .n = s->n, .as.ints = s->sizes};
}

HELPER value slice(mapper_policy *p, source_location at, value base, int32_t lower, int32_t upper)
{
    if (base.tag == SPACE) base = sizes_of(p, at, base.as.space);
    if (!is_tuple(base)) fail(p, at, MAPPER_BAD_INDEX, "%s cannot be sliced", type_name(base));
    return tuple_slice(p, at, base, lower, upper);
}

/* v.size: the sizes of a machine, or the tuple itself; `name` is the member that asks. */
HELPER value extents_of(mapper_policy *p, source_location at, value v, const char *name)
{
    if (v.tag == SPACE) return sizes_of(p, at, v.as.space);
    if (!is_tuple(v)) fail(p, at, MAPPER_BAD_MEMBER, "%s has no %s", type_name(v), name);
    value ints = as_ints(p, at, MAPPER_BAD_MEMBER, v);
    ints.kind = 0;
    return ints;
}

HELPER value size_of(mapper_policy *p, source_location at, value v)
{
    return extents_of(p, at, v, "size");
}

HELPER int32_t volume_of(mapper_policy *p, source_location at, value v)
{
    value ints = extents_of(p, at, v, "volume");
    int32_t volume = 1;
    take_steps(p, at, ints.n);
    for (int32_t i = 0; i < ints.n; i++)
        volume = int_multiply(p, at, volume, ints.as.ints[i]);
    return volume;
}

HELPER int32_t len_of(mapper_policy *p, source_location at, value v)
{
    return extents_of(p, at, v, "len").n;
}

HELPER const launch *launch_of(mapper_policy *p, source_location at, value v, const char *name)
{
    if (v.tag != TASK)
        fail(p, at, MAPPER_BAD_MEMBER, "%s has no %s: only a task has", type_name(v), name);
    return p->launch;
}

HELPER value of_index_launch(mapper_policy *p, source_location at, value v, const char *name)
{
    const launch *l = launch_of(p, at, v, name);
    if (l->single) fail(p, at, MAPPER_NO_IPOINT_ON_SINGLE, "a single task has no %s", name);
    return (value){.tag = INTS, .n = l->dimensions};
}

HELPER value task_ipoint(mapper_policy *p, source_location at, value v)
{
    value t = of_index_launch(p, at, v, "ipoint");
    t.as.ints = p->launch->point;
    return t;
}

HELPER value task_ispace(mapper_policy *p, source_location at, value v)
{
    value t = of_index_launch(p, at, v, "ispace");
    t.as.ints = p->launch->extents;
    return t;
}

HELPER value task_ilower(mapper_policy *p, source_location at, value v)
{
    value t = of_index_launch(p, at, v, "ilower");
    t.as.ints = p->launch->lower;
    if (!t.as.ints) {
        t = new_ints(p, at, t.n);
        memset(t.as.room, 0, (size_t)t.n * sizeof(int32_t));
    }
    return t;
}

HELPER value task_parent(mapper_policy *p, source_location at, value v)
{
    const launch *l = launch_of(p, at, v, "parent");
    if (!l->has_parent || v.as.i == 1)
        fail(p, at, MAPPER_NO_PARENT, "this task has no parent that a mapper can ask");
    return of_tag(TASK, 1);
}

/* t.processor(m): where in m the task's processor lies. */
HELPER value task_processor(mapper_policy *p, source_location at, value task, value m)
{
    if (task.tag != TASK)
        fail(p, at, MAPPER_METHOD_ON_NON_MACHINE, "%s has no processor: only a task has",
             type_name(task));
    if (m.tag != SPACE || !m.as.space->kind)
        fail(p, at, MAPPER_ARG_TYPE, "processor takes a machine space, not %s", type_name(m));
    if (!p->launch->single) {
        value point = space_locate(p, at, m.as.space, (mapper_point){0, 0});
        say(p, INDEX_LAUNCH_WARNING);
        return point;
    }
    int32_t kind = p->launch->at_kind;
    bool known = kind == MAPPER_ANY_KIND || kind == MAPPER_CPU || kind == MAPPER_GPU ||
                 kind == MAPPER_OMP;
    if (p->launch->has_parent && !known)
        fail(p, at, MAPPER_PROCESSOR_OUTSIDE_MACHINE,
             "the language knows the places of CPU, GPU and OMP processors only");
    return space_locate(p, at, m.as.space, p->launch->at);
}

/* Machine(...), of whatever the list holds. */
HELPER value machine_of(mapper_policy *p, source_location at, list arguments)
{
    if (arguments.n != 1)
        fail(p, at, MAPPER_METHOD_ARITY, "Machine takes one processor kind, not %d arguments",
             arguments.n);
    if (arguments.items[0].tag != KIND)
        fail(p, at, MAPPER_MACHINE_ARG, "Machine takes a processor kind, not %s",
             type_name(arguments.items[0]));
    return whole_machine(p, at, arguments.items[0].as.i);
}

HELPER void require_count(mapper_policy *p, source_location at, int32_t code, list arguments,
                          int32_t count, const char *name)
{
    if (arguments.n != count)
        fail(p, at, code, "%s takes %d arguments, not %d", name, count, arguments.n);
}

/* A function whose definition is a later statement than the one that runs is not defined yet. */
HELPER void require_function(mapper_policy *p, source_location at, int32_t statement,
                             const char *name)
{
    if (p->statement <= statement)
        fail(p, at, MAPPER_UNDEFINED_FUNCTION, "the function %s is not defined", name);
}

HELPER value function_value(mapper_policy *p, source_location at, int32_t statement,
                            const char *name)
{
    if (p->statement <= statement) fail(p, at, MAPPER_UNDEFINED_NAME, "%s is not defined", name);
    return of_tag(FUNCTION, 0);
}

/* An argument for a parameter of type IPoint or ISpace (INTS) or MSpace (SPACE). */
HELPER value passed(mapper_policy *p, source_location at, enum tag tag, value v)
{
    if (v.tag != tag)
        fail(p, at, MAPPER_ARG_TYPE, "an argument is %s where %s is wanted", type_name(v),
             type_name((value){.tag = (uint8_t)tag}));
    return v;
}

HELPER value assignable(mapper_policy *p, source_location at, value v)
{
    if (v.tag >= POINTS)
        fail(p, at, MAPPER_BAD_ASSIGN, "a variable cannot be assigned %s", type_name(v));
    return v;
}

HELPER value returnable(mapper_policy *p, source_location at, value v)
{
    if (v.tag == SPACE || v.tag == TASK || v.tag > POINTS)
        fail(p, at, MAPPER_BAD_RETURN_TYPE, "a function cannot return %s", type_name(v));
    return v;
}
