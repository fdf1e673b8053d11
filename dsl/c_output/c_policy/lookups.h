/* ---- Questions that the rules answer (section 10) ---- */

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool bad_call(const char *task, const char *const *regions, int32_t count)
{
    bool bad = !task || count < 0 || (count > 0 && !regions);
    for (int32_t i = 0; !bad && i < count; i++)
        bad = !regions[i];
    return bad;
}

static int32_t task_kinds(mapper_policy *p, const char *task, const int8_t **kinds, int32_t *count)
{
    const task_rule *any = NULL, *rule = TASK_RULES;
    if (!p || !task || !kinds || !count) return MAPPER_BAD_CALL;
    for (; rule->task && !same(rule->task, task); rule++)
        if (!any && same(rule->task, "*")) any = rule;
    if (!rule->task && any) rule = any;
    *kinds = rule->kinds;
    *count = rule->count;
    return MAPPER_OK;
}

/* The i-th key under which the rules of a task and a region are looked up: (task, name) for each
 * name, (task, *), (*, name) for each name, (*, *). */
typedef struct key {
    const char *task, *region;
} key;

static key lookup_key(const char *task, const char *const *regions, int32_t count, int32_t i)
{
    return (key){i <= count ? task : "*", i % (count + 1) < count ? regions[i % (count + 1)] : "*"};
}

/* The rule of a key for a processor kind hides the one for any kind. */
static const region_rule *region_rule_of(key k, int32_t kind)
{
    const region_rule *any = NULL;
    for (const region_rule *rule = REGION_RULES; rule->task; rule++) {
        if (!same(rule->task, k.task) || !same(rule->region, k.region)) continue;
        if (rule->processor == kind) return rule;
        if (rule->processor == MAPPER_ANY_KIND) any = rule;
    }
    return any;
}

static int32_t memories(mapper_policy *p, const char *task, const char *const *regions,
                        int32_t region_count, int32_t processor_kind, int8_t *memories,
                        int32_t capacity, int32_t *count)
{
    if (!p || !count || bad_call(task, regions, region_count) || (capacity > 0 && !memories))
        return MAPPER_BAD_CALL;
    *count = 0;
    for (int32_t i = 0; i < 2 * (region_count + 1); i++) {
        key k = lookup_key(task, regions, region_count, i);
        const region_rule *rule = region_rule_of(k, processor_kind);
        for (int32_t m = 0; rule && m < rule->count; m++, ++*count)
            if (*count < capacity) memories[*count] = rule->memories[m];
    }
    return MAPPER_OK;
}

/* Within a key, the rule for the memory kind hides that for the processor kind, and that hides
 * the one for all. */
static const layout_rule *layout_rule_of(key k, int32_t memory, int32_t processor)
{
    const layout_rule *by_processor = NULL, *any = NULL;
    for (const layout_rule *rule = LAYOUT_RULES; rule->task; rule++) {
        if (!same(rule->task, k.task) || !same(rule->region, k.region)) continue;
        if (rule->memory == memory && memory != MAPPER_ANY_MEMORY) return rule;
        if (rule->memory != MAPPER_ANY_MEMORY) continue;
        if (rule->processor == MAPPER_ANY_KIND)
            any = rule;
        else if (rule->processor == processor)
            by_processor = rule;
    }
    return by_processor ? by_processor : any;
}

static int32_t layout(mapper_policy *p, const char *task, const char *const *regions,
                      int32_t region_count, int32_t memory_kind, int32_t processor_kind,
                      mapper_layout *layout)
{
    if (!p || !layout || bad_call(task, regions, region_count)) return MAPPER_BAD_CALL;
    memset(layout, 0, sizeof *layout);
    for (int32_t i = 0; i < 2 * (region_count + 1); i++) {
        key k = lookup_key(task, regions, region_count, i);
        const layout_rule *rule = layout_rule_of(k, memory_kind, processor_kind);
        if (!rule) continue;
        *layout = rule->layout;
        return MAPPER_OK;
    }
    return MAPPER_OK;
}

static int32_t instance_limit(mapper_policy *p, const char *task, int32_t *limit)
{
    const limit_rule *rule = LIMIT_RULES;
    if (!p || !task || !limit) return MAPPER_BAD_CALL;
    while (rule->task && !same(rule->task, task))
        rule++;
    *limit = rule->limit;
    return MAPPER_OK;
}

static int32_t collects(mapper_policy *p, const char *task, const char *const *regions,
                        int32_t region_count, int32_t *answer)
{
    if (!p || !answer || bad_call(task, regions, region_count)) return MAPPER_BAD_CALL;
    *answer = 0;
    for (int32_t i = 0; i < 2 * (region_count + 1); i++) {
        key k = lookup_key(task, regions, region_count, i);
        for (const collect_rule *rule = COLLECT_RULES; rule->task; rule++)
            if (same(rule->task, k.task) && same(rule->region, k.region)) *answer = 1;
    }
    return MAPPER_OK;
}

static int32_t control_replicates(mapper_policy *p, const char *task, int32_t *answer)
{
    if (!p || !task || !answer) return MAPPER_BAD_CALL;
    *answer = REPLICATE_RULES->task ? 0 : -1;
    for (const replicate_rule *rule = REPLICATE_RULES; rule->task; rule++)
        if (same(rule->task, task)) *answer = 1;
    return MAPPER_OK;
}

/* The map of a task by its name, else by the kind of processor that it runs on. */
static const map_rule *map_of(const map_rule *rules, const char *task, int32_t kind)
{
    const map_rule *rule = rules, *by_kind = NULL;
    for (; rule->function; rule++) {
        if (rule->task && same(rule->task, task)) return rule;
        if (!rule->task && rule->kind == kind) by_kind = rule;
    }
    return by_kind;
}

static int32_t has_map(mapper_policy *p, const char *task, int32_t processor_kind, int32_t single,
                       int32_t *answer)
{
    if (!p || !task || !answer) return MAPPER_BAD_CALL;
    *answer = map_of(single ? SINGLE_MAPS : INDEX_MAPS, task, processor_kind) != NULL;
    return MAPPER_OK;
}
