/* ---- Machine spaces, and the points that they name (sections 5 and 7) ---- */

/* From an index of a space to one of the space that it was made from; or the other way. */
typedef void step(mapper_policy *p, source_location at, const space *s, int32_t *index);

/* A view of a machine. Index maps lead from the newest space back to the base. */
struct space {
    step *back, *on;  /* to the old space, and from it */
    const space *old; /* what it was made from; NULL of a base */
    uint8_t kind;     /* processor kind + 1; 0 for the bare word Machine */
    bool no_indices;  /* a balance_split into other than 2 or 3 parts is among the transforms */
    int32_t n;        /* dimensions */
    int32_t a, b;     /* what the transform is about: of a split, the first part and how many; of
                         a slice, the dimension and where it starts; else dimensions */
    int32_t depth;    /* transforms since the base */
    int32_t sizes[MAX_DIMENSIONS];
};

HELPER space *new_space(mapper_policy *p, source_location at, int32_t n, int32_t depth)
{
    if (n > MAX_DIMENSIONS || depth > 4 * MAX_DIMENSIONS)
        fail(p, at, MAPPER_TOO_LARGE,
             "a machine space has at most %d dimensions and %d transforms", MAX_DIMENSIONS,
             4 * MAX_DIMENSIONS);
    space *s = allocate(p, at, 1, offsetof(space, sizes) + (size_t)n * sizeof(int32_t));
    memset(s, 0, offsetof(space, sizes));
    s->n = n;
    s->depth = depth;
    return s;
}

/* A space of n dimensions made from an old one; its sizes are those of the old one where their
 * numbers are equal. */
HELPER space *transformed(mapper_policy *p, source_location at, const space *old, int32_t n,
                          int32_t a, int32_t b)
{
    space *s = new_space(p, at, n, old->depth + 1);
    s->old = old;
    s->kind = old->kind;
    s->no_indices = old->no_indices;
    s->a = a;
    s->b = b;
    if (n == old->n) memcpy(s->sizes, old->sizes, (size_t)n * sizeof(int32_t));
    return s;
}

INLINE value of_space(const space *s)
{
    return (value){.tag = SPACE, .as.space = s};
}

/* Machine(KIND): its sizes are nodes and processors of the kind in each. */
HELPER value whole_machine(mapper_policy *p, source_location at, int32_t kind)
{
    space *s = new_space(p, at, 2, 0);
    s->kind = (uint8_t)(kind + 1);
    s->sizes[0] = p->machine.nodes;
    s->sizes[1] = p->machine.processors[kind];
    return of_space(s);
}

/* The bare word Machine: a machine of no kind, which nothing can use. */
HELPER value bare_machine(mapper_policy *p, source_location at)
{
    return of_space(new_space(p, at, 0, 0));
}

HELPER const space *with_kind(mapper_policy *p, source_location at, const space *s)
{
    if (!s->kind) fail(p, at, MAPPER_MACHINE_ARG, "Machine needs a processor kind");
    return s;
}

/* The machine whose method `name` is called. */
HELPER const space *as_space(mapper_policy *p, source_location at, value v, const char *name)
{
    if (v.tag != SPACE)
        fail(p, at, MAPPER_METHOD_ON_NON_MACHINE, "%s is a method of machine spaces, not of %s",
             name, type_name(v));
    return with_kind(p, at, v.as.space);
}

HELPER void to_base(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    for (; s->old; s = s->old) {
        take_steps(p, at, 1);
        s->back(p, at, s, index);
    }
    if (index[0] >= s->sizes[0])
        fail(p, at, MAPPER_NODE_BOUNDS, "node %d is out of range: the machine has %d nodes",
             index[0], s->sizes[0]);
    if (index[1] >= s->sizes[1])
        fail(p, at, MAPPER_PROC_BOUNDS,
             "%s processor %d is out of range: the machine has %d %s processors per node",
             KIND_NAMES[s->kind - 1], index[1], s->sizes[1], KIND_NAMES[s->kind - 1]);
}

/* The base point of an index of s; `index` has s->n elements. */
HELPER void base_point(mapper_policy *p, source_location at, const space *s, const int32_t *index,
                       int32_t *point)
{
    int32_t room[MAX_DIMENSIONS + 2];
    memcpy(room, index, (size_t)s->n * sizeof(int32_t));
    to_base(p, at, s, room);
    point[0] = room[0];
    point[1] = room[1];
}

/* All points along the one wildcard of an index: at dimension d. */
HELPER value points_along(mapper_policy *p, source_location at, const space *s, int32_t *index,
                          int32_t d)
{
    int32_t size = s->sizes[d];
    value result = {.tag = POINTS, .kind = s->kind, .n = size};
    if (size <= 0)
        fail(p, at, MAPPER_INDEX_BOUNDS, "the star ranges over %d indices", size);
    result.as.room = allocate(p, at, size, 2 * sizeof(int32_t));
    for (int32_t i = 0; i < size; i++) {
        index[d] = i;
        base_point(p, at, s, index, result.as.room + 2 * i);
    }
    return result;
}

/* Of several wildcards, all but the last may range over one index only (section 7). */
HELPER value wildcard_points(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int32_t last = -1;
    for (int32_t d = 0; d < s->n; d++) {
        if (index[d] != -1) continue;
        if (last >= 0 && s->sizes[last] != 1)
            fail(p, at, MAPPER_BAD_INDEX, "a machine index has at most one star");
        if (last >= 0) index[last] = 0;
        last = d;
    }
    return points_along(p, at, s, index, last);
}

/* m[index...] where -1 is a wildcard, unless it stands alone and no star. */
HELPER value space_index(mapper_policy *p, source_location at, const space *s, int32_t n,
                         const int32_t *given, bool star)
{
    int32_t index[MAX_DIMENSIONS];
    bool wild = star;
    with_kind(p, at, s);
    for (int32_t d = 0; n > 1 && d < n; d++) {
        if (given[d] < -1) fail(p, at, MAPPER_INDEX_BOUNDS, "a machine index is negative");
        wild = wild || given[d] == -1;
    }
    if (n != s->n)
        fail(p, at, MAPPER_MACHINE_INDEX_ARITY,
             "%d indices for a machine space of %d dimensions", n, s->n);
    if (s->no_indices)
        fail(p, at, MAPPER_TRANSFORM_DIM,
             "a balance_split into other than 2 or 3 has no indices");
    memcpy(index, given, (size_t)n * sizeof(int32_t));
    if (wild) return wildcard_points(p, at, s, index);
    value point = new_ints(p, at, 2);
    point.kind = s->kind;
    base_point(p, at, s, index, point.as.room);
    return point;
}

/* Where a processor of the base lies in s: t.processor(m). */
HELPER value space_locate(mapper_policy *p, source_location at, const space *s, mapper_point point)
{
    int32_t index[MAX_DIMENSIONS + 2] = {point.node, point.processor};
    const space *chain[4 * MAX_DIMENSIONS + 1], *newest = s;
    for (; s; s = s->old)
        chain[s->depth] = s;
    for (int32_t i = 1; i <= newest->depth; i++)
        chain[i]->on(p, at, chain[i], index);
    for (int32_t d = 0; d < newest->n; d++)
        if (index[d] >= newest->sizes[d])
            fail(p, at, MAPPER_PROCESSOR_OUTSIDE_MACHINE,
                 "processor %d of node %d lies outside this machine space: its coordinate %d in "
                 "dimension %d exceeds the size %d",
                 point.processor, point.node, index[d], d, newest->sizes[d]);
    return copy_ints(p, at, newest->n, index);
}
