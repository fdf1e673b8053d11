/* ---- The mapper: before each statement stands its line and its text ---- */

HELPER int32_t fn_linear(mapper_policy *p, value v_point, value v_space);
HELPER int32_t fn_gcd(mapper_policy *p, int32_t v_a, int32_t v_b);
HELPER value fn_spread(mapper_policy *p);

/* 5: def linear(IPoint point, ISpace space) */
HELPER int32_t fn_linear(mapper_policy *p, value v_point, value v_space)
{
    enter(p, AT(5, 1), 1);
    /* 6: return point.len == 1 ? point[0] : point[0] * space[1] + point[1]; */
    int32_t t3;
    if ((len_of(p, AT(6, 10), v_point) == 1)) {
        t3 = ints_item(p, AT(6, 27), v_point, 0);
    } else {
        int32_t t1 = ints_item(p, AT(6, 38), v_point, 0);
        int32_t t2 = int_multiply(p, AT(6, 38), t1, ints_item(p, AT(6, 49), v_space, 1));
        t3 = int_add(p, AT(6, 38), t2, ints_item(p, AT(6, 60), v_point, 1));
    }
    int32_t result = t3;
    leave(p);
    return result;
}

/* 9: def gcd(int a, int b) */
HELPER int32_t fn_gcd(mapper_policy *p, int32_t v_a, int32_t v_b)
{
    enter(p, AT(9, 1), 1);
    /* 10: return b == 0 ? a : gcd(b, a % b); */
    int32_t result = ((v_b == 0) ? v_a : fn_gcd(p, v_b, int_modulo(p, AT(10, 30), v_a, v_b)));
    leave(p);
    return result;
}

/* 13: def spread(Task task) */
HELPER value fn_spread(mapper_policy *p)
{
    value v_task = of_tag(TASK, 0);
    enter(p, AT(13, 1), 1);
    /* 14: k = linear(task.ipoint, task.ispace); */
    value t1 = task_ipoint(p, AT(14, 14), v_task);
    int32_t v_k = fn_linear(p, t1, task_ispace(p, AT(14, 27), v_task));
    /* 15: stride = gcd(k, 12); */
    int32_t v_stride = fn_gcd(p, v_k, 12);
    /* 16: return mgpu[k / stride % nodes, k % mgpu.size[1]]; */
    int32_t t2 = int_divide(p, AT(16, 15), v_k, v_stride);
    int32_t t3 = int_modulo(p, AT(16, 15), t2, p->globals[GLOBAL_nodes].as.i);
    int32_t t4 = ints_item(p, AT(16, 39), size_of(p, AT(16, 39), p->globals[GLOBAL_mgpu]), 1);
    int32_t t5 = int_modulo(p, AT(16, 35), v_k, t4);
    value result = index_many(p, AT(16, 10), p->globals[GLOBAL_mgpu], 2, (const int32_t[]){t3, t5});
    leave(p);
    return result;
}

HELPER void run_top_level(mapper_policy *p)
{
    /* 2: mgpu = Machine(GPU); */
    p->globals[GLOBAL_mgpu] = whole_machine(p, AT(2, 8), MAPPER_GPU);
    /* 3: nodes = mgpu.size[0]; */
    p->globals[GLOBAL_nodes] = of_int(ints_item(p, AT(3, 9), size_of(p, AT(3, 9), p->globals[GLOBAL_mgpu]), 0));
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
    {NULL, MAPPER_GPU, fn_spread, AT(16, 3)}, /* line 19 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

