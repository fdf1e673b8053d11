/* ---- Loading, and the questions that mapping functions answer (sections 9 to 11) ---- */

static void unload(mapper_policy *p)
{
    if (!p) return;
    free(p->arena);
    free(p);
}

/* A question starts: what the last one stored is forgotten. */
static void start(mapper_policy *p, mapper_error *error, const char *stack)
{
    p->error = error;
    p->stack = stack;
    p->launch = NULL;
    p->printed = 0;
    p->steps = 0;
}

static void restart(mapper_policy *p)
{
    p->used = p->kept;
    p->depth = 0;
    p->last_step = p->steps + MAX_STEPS < MAX_ALL_STEPS ? p->steps + MAX_STEPS : MAX_ALL_STEPS;
}

static bool sound(const mapper_machine *machine)
{
    bool sound = machine && machine->nodes >= 1;
    for (int32_t kind = 0; sound && kind < MAPPER_PROCESSOR_KINDS; kind++)
        sound = machine->processors[kind] >= 0;
    return sound;
}

static int32_t load(const mapper_machine *machine, mapper_policy **policy, mapper_error *error)
{
    if (!policy) return write_error(error, NOWHERE, MAPPER_BAD_CALL, NULL, "no place for a policy");
    *policy = NULL;
    if (!sound(machine))
        return write_error(error, NOWHERE, MAPPER_BAD_CALL, NULL,
                           "a machine has at least one node and no negative counts");
    mapper_policy *p = calloc(1, sizeof *p);
    if (!p || !(p->arena = malloc(ARENA_BYTES))) {
        unload(p);
        return write_error(error, NOWHERE, MAPPER_TOO_LARGE, NULL, "there is no memory left");
    }
    p->machine = *machine;
    start(p, error, __builtin_frame_address(0));
    if (setjmp(p->on_error)) {
        int32_t code = p->failed;
        unload(p);
        return code;
    }
    restart(p);
    run_top_level(p);
    p->kept = p->used;
    p->statement = INT32_MAX;
    *policy = p;
    return MAPPER_OK;
}

static int32_t no_map(const char *task, mapper_error *error)
{
    char sentence[300];
    snprintf(sentence, sizeof sentence,
             "no function maps the task %.200s: the runtime decides where it runs", task);
    return write_error(error, NOWHERE, MAPPER_NO_MAP_FOR_TASK, NULL, sentence);
}

static bool unknown(int32_t kind)
{
    return kind < MAPPER_ANY_KIND || kind >= MAPPER_PROCESSOR_KINDS;
}

static int32_t bad_question(mapper_error *error)
{
    return write_error(error, NOWHERE, MAPPER_BAD_CALL, NULL,
                       "the question lacks an argument, or one is impossible");
}

/* What a mapping function answers: a point of the machine, or several, of the kind that the task
 * runs on (section 11). */
static value mapped(mapper_policy *p, const map_rule *map, int32_t kind)
{
    restart(p);
    value v = map->function(p);
    if (v.tag != POINTS && v.tag != INTS)
        fail(p, map->at, MAPPER_BAD_RETURN_TYPE,
             "a mapping function must return a point of a machine, not %s", type_name(v));
    if (kind >= 0 && !v.kind)
        fail(p, map->at, MAPPER_BAD_RETURN_TYPE,
             "a mapping function must return a point of a machine, not a plain int tuple");
    if (kind >= 0 && v.kind != kind + 1)
        fail(p, map->at, MAPPER_KIND_MISMATCH,
             "the task runs on %s, but the function returns a point of Machine(%s)",
             KIND_NAMES[kind], KIND_NAMES[v.kind - 1]);
    if (v.tag == INTS && v.n != 2)
        fail(p, map->at, MAPPER_BAD_RETURN_TYPE,
             "the function returns a tuple of %d, not a pair of node and processor", v.n);
    return v;
}

static void give_points(value v, mapper_point *points, int32_t capacity, int32_t *count)
{
    *count = v.tag == POINTS ? v.n : 1;
    for (int32_t i = 0; i < *count && i < capacity; i++)
        points[i] = (mapper_point){v.as.ints[2 * i], v.as.ints[2 * i + 1]};
}

static int32_t index_point(mapper_policy *p, const char *task, int32_t processor_kind,
                           int32_t dimensions, const int32_t *lower, const int32_t *extents,
                           const int32_t *point, mapper_point *points, int32_t capacity,
                           int32_t *count, mapper_error *error)
{
    bool domain = dimensions == 0 || (dimensions > 0 && extents && point);
    if (!p || !task || !count || !domain || (capacity > 0 && !points) || unknown(processor_kind))
        return bad_question(error);
    const map_rule *map = map_of(INDEX_MAPS, task, processor_kind);
    if (!map) return no_map(task, error);
    launch here = {
        .dimensions = dimensions, .lower = lower, .extents = extents, .point = point};
    start(p, error, __builtin_frame_address(0));
    p->launch = &here;
    if (setjmp(p->on_error)) return p->failed;
    give_points(mapped(p, map, processor_kind), points, capacity, count);
    return MAPPER_OK;
}

/* The number of points of a launch domain; negative where it is none. */
static int64_t domain_volume(int32_t dimensions, const int32_t *lower, const int32_t *extents)
{
    int64_t volume = 1;
    if (dimensions < 0 || dimensions > MAX_DIMENSIONS || (dimensions > 0 && !extents)) return -1;
    for (int32_t d = 0; d < dimensions; d++) {
        if (extents[d] < 0 || (lower && (int64_t)lower[d] + extents[d] > INT32_MAX)) return -1;
        volume = volume > MAX_POINTS ? volume : volume * extents[d];
    }
    for (int32_t d = 0; d < dimensions; d++)
        volume = extents[d] ? volume : 0;
    return volume;
}

/* Goes to the next point of a launch domain, the last dimension first; false after the last. */
static bool advance(int32_t dimensions, const int32_t *lower, const int32_t *extents,
                    int32_t *point)
{
    for (int32_t d = dimensions - 1; d >= 0; d--) {
        int32_t first = lower ? lower[d] : 0;
        if (point[d] - first < extents[d] - 1) {
            point[d]++;
            return true;
        }
        point[d] = first;
    }
    return false;
}

static void map_domain(mapper_policy *p, const map_rule *map, int32_t kind, const int32_t *lower,
                       int32_t *point, mapper_point *points)
{
    const launch *here = p->launch;
    int32_t several;
    do {
        give_points(mapped(p, map, kind), points, 1, &several);
        points++;
    } while (advance(here->dimensions, lower, here->extents, point));
}

static int32_t index_domain(mapper_policy *p, const char *task, int32_t processor_kind,
                            int32_t dimensions, const int32_t *lower, const int32_t *extents,
                            mapper_point *points, mapper_error *error)
{
    int32_t point[MAX_DIMENSIONS];
    int64_t volume = domain_volume(dimensions, lower, extents);
    if (!p || !task || volume < 0 || (volume > 0 && !points) || unknown(processor_kind))
        return bad_question(error);
    const map_rule *map = map_of(INDEX_MAPS, task, processor_kind);
    if (!map) return no_map(task, error);
    if (volume > MAX_POINTS)
        return write_error(error, NOWHERE, MAPPER_TOO_LARGE, NULL, "a launch has too many points");
    if (volume == 0) return MAPPER_OK;
    for (int32_t d = 0; d < dimensions; d++)
        point[d] = lower ? lower[d] : 0;
    launch here = {
        .dimensions = dimensions, .lower = lower, .extents = extents, .point = point};
    start(p, error, __builtin_frame_address(0));
    p->launch = &here;
    if (setjmp(p->on_error)) return p->failed;
    map_domain(p, map, processor_kind, lower, point, points);
    return MAPPER_OK;
}

static int32_t single_task(mapper_policy *p, const char *task, int32_t processor_kind,
                           const mapper_point *parent, int32_t parent_kind, mapper_point *points,
                           int32_t capacity, int32_t *count, mapper_error *error)
{
    if (!p || !task || !count || (capacity > 0 && !points) || unknown(processor_kind))
        return bad_question(error);
    const map_rule *map = map_of(SINGLE_MAPS, task, processor_kind);
    if (!map) return no_map(task, error);
    launch here = {.single = true, .has_parent = parent != NULL, .at_kind = parent_kind};
    if (parent) here.at = *parent;
    start(p, error, __builtin_frame_address(0));
    p->launch = &here;
    if (setjmp(p->on_error)) return p->failed;
    give_points(mapped(p, map, processor_kind), points, capacity, count);
    return MAPPER_OK;
}

const mapper_api mapper_policy_api = {
    MAPPER_ABI_VERSION, sizeof(mapper_api), MAPPER_NAME, MAPPER_SHA256,
    load,               unload,             task_kinds,  memories,
    layout,             instance_limit,     collects,    control_replicates,
    has_map,            index_point,        index_domain, single_task,
};
