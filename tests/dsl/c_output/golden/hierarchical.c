/* ---- The mapper: before each statement stands its line and its text ---- */

HELPER int32_t fn_blocked(mapper_policy *p, value v_p, value v_s, value v_q, int32_t v_i, int32_t v_j);
HELPER int32_t fn_cyclic(mapper_policy *p, value v_p, value v_q, int32_t v_i, int32_t v_j);
HELPER value fn_hier(mapper_policy *p);

/* 4: def blocked(IPoint p, ISpace s, MSpace q, int i, int j) */
HELPER int32_t fn_blocked(mapper_policy *p, value v_p, value v_s, value v_q, int32_t v_i, int32_t v_j)
{
    enter(p, AT(4, 1), 1);
    /* 4: return p[i] * q.size[j] / s[i]; */
    int32_t t1 = ints_item(p, AT(4, 66), v_p, v_i);
    int32_t t2 = int_multiply(p, AT(4, 66), t1, ints_item(p, AT(4, 73), size_of(p, AT(4, 73), v_q), v_j));
    int32_t result = int_divide(p, AT(4, 66), t2, ints_item(p, AT(4, 85), v_s, v_i));
    leave(p);
    return result;
}

/* 5: def cyclic(IPoint p, MSpace q, int i, int j) */
HELPER int32_t fn_cyclic(mapper_policy *p, value v_p, value v_q, int32_t v_i, int32_t v_j)
{
    enter(p, AT(5, 1), 1);
    /* 5: return p[i] % q.size[j]; */
    int32_t t1 = ints_item(p, AT(5, 55), v_p, v_i);
    int32_t result = int_modulo(p, AT(5, 55), t1, ints_item(p, AT(5, 62), size_of(p, AT(5, 62), v_q), v_j));
    leave(p);
    return result;
}

/* 7: def hier(Task t) */
HELPER value fn_hier(mapper_policy *p)
{
    value v_t = of_tag(TASK, 0);
    enter(p, AT(7, 1), 1);
    /* 8: a = m.auto_split(0, t.ispace); */
    value t1 = task_ispace(p, AT(8, 23), v_t);
    value v_a = space_auto_split(p, AT(8, 7), as_space(p, AT(8, 7), p->globals[GLOBAL_m], "auto_split"), 0, t1);
    /* 9: b = a.auto_split(2, t.ispace / a[:-1]); */
    value t2 = task_ispace(p, AT(9, 23), v_t);
    value t3 = operate(p, AT(9, 23), t2, '/', slice(p, AT(9, 34), v_a, 0, (-1)));
    value v_b = space_auto_split(p, AT(9, 7), as_space(p, AT(9, 7), v_a, "auto_split"), 2, t3);
    /* 10: hi = tuple(blocked(t.ipoint, t.ispace, b, i, i) for i in (0, 1)); */
    list t4 = new_list(p, AT(10, 8), 2);
    static const int32_t t5[] = {0, 1};
    for (int32_t t6 = 0; t6 < 2; t6++) {
        int32_t x_i = t5[t6];
        (void)x_i;
        take_steps(p, AT(10, 8), 1);
        value t7 = task_ipoint(p, AT(10, 22), v_t);
        int32_t t8 = fn_blocked(p, t7, task_ispace(p, AT(10, 32), v_t), v_b, x_i, x_i);
        append(p, AT(10, 8), &t4, of_int(t8));
    }
    value v_hi = tuple_of(p, AT(10, 8), t4);
    /* 11: lo = tuple(cyclic(t.ipoint, b, i, i + 2) for i in (0, 1)); */
    list t9 = new_list(p, AT(11, 8), 2);
    static const int32_t t10[] = {0, 1};
    for (int32_t t11 = 0; t11 < 2; t11++) {
        int32_t x_i = t10[t11];
        (void)x_i;
        take_steps(p, AT(11, 8), 1);
        value t12 = task_ipoint(p, AT(11, 21), v_t);
        append(p, AT(11, 8), &t9, of_int(fn_cyclic(p, t12, v_b, x_i, int_add(p, AT(11, 37), x_i, 2))));
    }
    value v_lo = tuple_of(p, AT(11, 8), t9);
    /* 12: return b[*hi, *lo]; */
    list t13 = new_list(p, AT(12, 10), 2);
    push(p, AT(12, 10), &t13, unpack(p, AT(12, 12), v_hi));
    push(p, AT(12, 10), &t13, unpack(p, AT(12, 17), v_lo));
    value result = index_list(p, AT(12, 10), v_b, t13);
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
    {"work", MAPPER_ANY_KIND, fn_hier, AT(12, 3)}, /* line 15 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

