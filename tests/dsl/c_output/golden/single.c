/* ---- The mapper: before each statement stands its line and its text ---- */

HELPER value fn_same(mapper_policy *p);
HELPER value fn_anywhere(mapper_policy *p);

/* 5: def same(Task t) */
HELPER value fn_same(mapper_policy *p)
{
    value v_t = of_tag(TASK, 0);
    enter(p, AT(5, 1), 1);
    /* 6: k = t.parent.processor(flat)[0]; */
    value t1 = task_parent(p, AT(6, 7), v_t);
    int32_t v_k = ints_item(p, AT(6, 7), task_processor(p, AT(6, 7), t1, p->globals[GLOBAL_flat]), 0);
    /* 7: print("parent at {} of {}", k, flat.volume); */
    int32_t t2 = volume_of(p, AT(7, 34), p->globals[GLOBAL_flat]);
    say(p, "parent at ");
    say_value(p, of_int(v_k));
    say(p, " of ");
    say_value(p, of_int(t2));
    say(p, "\n");
    /* 8: return flat[k]; */
    value result = index_one(p, AT(8, 10), p->globals[GLOBAL_flat], v_k);
    leave(p);
    return result;
}

/* 11: def anywhere(Task t) */
HELPER value fn_anywhere(mapper_policy *p)
{
    value v_t = of_tag(TASK, 0);
    enter(p, AT(11, 1), 1);
    /* 11: return m[t.ipoint[0] % m.size[0], *]; */
    list t1 = new_list(p, AT(11, 31), 2);
    int32_t t2 = ints_item(p, AT(11, 33), task_ipoint(p, AT(11, 33), v_t), 0);
    int32_t t3 = ints_item(p, AT(11, 47), size_of(p, AT(11, 47), p->globals[GLOBAL_m]), 0);
    append(p, AT(11, 31), &t1, of_int(int_modulo(p, AT(11, 33), t2, t3)));
    append(p, AT(11, 31), &t1, of_tag(STAR, 0));
    value result = index_list(p, AT(11, 31), p->globals[GLOBAL_m], t1);
    leave(p);
    return result;
}

HELPER void run_top_level(mapper_policy *p)
{
    /* 2: m = Machine(GPU); */
    p->globals[GLOBAL_m] = whole_machine(p, AT(2, 5), MAPPER_GPU);
    /* 3: flat = m.merge(0, 1).reverse(0); */
    value t1 = space_merge(p, AT(3, 8), as_space(p, AT(3, 8), p->globals[GLOBAL_m], "merge"), 0, 1);
    p->globals[GLOBAL_flat] = space_reverse(p, AT(3, 8), as_space(p, AT(3, 8), t1, "reverse"), 0);
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
    {"leaves", MAPPER_ANY_KIND, fn_anywhere, AT(11, 24)}, /* line 14 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {"leaf", MAPPER_ANY_KIND, fn_same, AT(8, 3)}, /* line 13 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

