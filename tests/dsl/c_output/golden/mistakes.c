/* ---- The mapper: before each statement stands its line and its text ---- */

HELPER value fn_first(mapper_policy *p);
HELPER value fn_second(mapper_policy *p);

/* 4: def first(Task t) */
HELPER value fn_first(mapper_policy *p)
{
    value v_t = of_tag(TASK, 0);
    (void)v_t;
    enter(p, AT(4, 1), 1);
    /* 5: x = 1 + True; */
    int32_t v_x = int_add(p, AT(5, 7), 1, as_int(p, AT(5, 7), MAPPER_TYPE_MISMATCH, of_bool(true)));
    /* 6: x = 2; */
    (void)2;
    /* 7: return mgpu[x, nowhere(x)]; */
    (void)v_x;
    value t1 = fail(p, AT(7, 18), MAPPER_UNDEFINED_FUNCTION, "the function nowhere is not defined");
    value t2 = fail(p, AT(7, 10), MAPPER_UNDEFINED_NAME, "mgpu is not defined");
    value result = index_many(p, AT(7, 10), t2, 2, (const int32_t[]){v_x, as_int(p, AT(7, 18), MAPPER_BAD_INDEX, t1)});
    leave(p);
    return result;
}

/* 10: def second(Task t) */
HELPER value fn_second(mapper_policy *p)
{
    value v_t = of_tag(TASK, 0);
    enter(p, AT(10, 1), 1);
    /* 11: r = tuple(i for i in (t.ipoint[0], t.ispace)); */
    list t1 = new_list(p, AT(11, 7), 2);
    append(p, AT(11, 7), &t1, of_int(ints_item(p, AT(11, 25), task_ipoint(p, AT(11, 25), v_t), 0)));
    append(p, AT(11, 7), &t1, task_ispace(p, AT(11, 38), v_t));
    value v_r = tuple_of(p, AT(11, 7), t1);
    /* 12: return r[0] > 0 && r[1] ? m[-t.ipoint, 1] : (0, 1); */
    bool t2 = (order(p, AT(12, 11), index_one(p, AT(12, 11), v_r, 0), ">", of_int(0)) > 0);
    bool t3 = both(t2, as_bool(p, AT(12, 11), MAPPER_TYPE_MISMATCH, index_one(p, AT(12, 23), v_r, 1)));
    value t5;
    if (t3) {
        value t4 = negate(p, AT(12, 33), task_ipoint(p, AT(12, 34), v_t));
        t5 = index_many(p, AT(12, 31), p->globals[GLOBAL_m], 2, (const int32_t[]){as_int(p, AT(12, 33), MAPPER_BAD_INDEX, t4), 1});
    } else {
        t5 = copy_ints(p, AT(12, 49), 2, (const int32_t[]){0, 1});
    }
    value result = returnable(p, AT(12, 3), t5);
    leave(p);
    return result;
}

HELPER void run_top_level(mapper_policy *p)
{
    /* 2: m = Machine(GPU); */
    p->globals[GLOBAL_m] = whole_machine(p, AT(2, 5), MAPPER_GPU);
}

static const task_rule TASK_RULES[] = {
    {NULL, 0, NULL}};

static const region_rule REGION_RULES[] = {
    {NULL, NULL, MAPPER_ANY_KIND, 0, NULL}};

static const layout_rule LAYOUT_RULES[] = {
    {NULL, NULL, MAPPER_ANY_MEMORY, MAPPER_ANY_KIND, {0, 0, 0, 0, 0, "", 0}}};

static const limit_rule LIMIT_RULES[] = {
    {NULL, 0}};

static const collect_rule COLLECT_RULES[] = {
    {NULL, NULL}};

static const replicate_rule REPLICATE_RULES[] = {
    {NULL}};

static const map_rule INDEX_MAPS[] = {
    {"a", MAPPER_ANY_KIND, fn_first, AT(7, 3)}, /* line 15 */
    {"b", MAPPER_ANY_KIND, fn_second, AT(12, 3)}, /* line 16 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

