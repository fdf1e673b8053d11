/* ---- Machine spaces (sections 5 and 7) ---- */

enum transform { BASE, SPLIT, MERGE, SWAP, CUT, REVERSE };

/* A view of a machine. Index maps lead from the newest space back to the base. */
struct space {
    uint8_t transform;
    uint8_t kind;     /* processor kind + 1; 0 for the bare word Machine */
    bool no_indices;  /* a balance_split into other than 2 or 3 parts is among the transforms */
    int32_t n;        /* dimensions */
    int32_t a, b;     /* what the transform is about. SPLIT: the first part, and how many; MERGE and
                         SWAP: two dimensions; CUT: a dimension, and where the slice starts */
    int32_t depth;    /* transforms since the base */
    const space *old; /* what it was made from */
    int32_t sizes[MAX_DIMENSIONS];
};

HELPER space *new_space(mapper_policy *p, place at, const space *old, enum transform transform,
                        int32_t n, int32_t a, int32_t b)
{
    int32_t depth = old ? old->depth + 1 : 0;
    if (n > MAX_DIMENSIONS || depth > 4 * MAX_DIMENSIONS)
        fail(p, at, MAPPER_TOO_LARGE,
             "a machine space has at most %d dimensions and %d transforms", MAX_DIMENSIONS,
             4 * MAX_DIMENSIONS);
    space *s = allocate(p, at, 1, offsetof(space, sizes) + (size_t)n * sizeof(int32_t));
    s->transform = (uint8_t)transform;
    s->kind = old ? old->kind : 0;
    s->no_indices = old && old->no_indices;
    s->n = n;
    s->a = a;
    s->b = b;
    s->depth = depth;
    s->old = old;
    if (old && n == old->n) memcpy(s->sizes, old->sizes, (size_t)n * sizeof(int32_t));
    return s;
}

INLINE value of_space(const space *s)
{
    return (value){.tag = SPACE, .as.space = s};
}

/* Machine(KIND): its sizes are nodes and processors of the kind in each. */
HELPER value machine(mapper_policy *p, place at, int32_t kind)
{
    space *s = new_space(p, at, NULL, BASE, 2, 0, 0);
    s->kind = (uint8_t)(kind + 1);
    s->sizes[0] = p->machine.nodes;
    s->sizes[1] = p->machine.processors[kind];
    return of_space(s);
}

/* The bare word Machine: a machine of no kind, which nothing can use. */
HELPER value bare_machine(mapper_policy *p, place at)
{
    return of_space(new_space(p, at, NULL, BASE, 0, 0, 0));
}

HELPER const space *with_kind(mapper_policy *p, place at, const space *s)
{
    if (!s->kind) fail(p, at, MAPPER_MACHINE_ARG, "Machine needs a processor kind");
    return s;
}

/* The machine whose method `name` is called. */
HELPER const space *as_space(mapper_policy *p, place at, value v, const char *name)
{
    if (v.tag != SPACE)
        fail(p, at, MAPPER_METHOD_ON_NON_MACHINE, "%s is a method of machine spaces, not of %s",
             name, type_name(v));
    return with_kind(p, at, v.as.space);
}

INLINE int32_t dimension(mapper_policy *p, place at, const space *s, int32_t d)
{
    if (d < 0 || d >= s->n)
        fail(p, at, MAPPER_TRANSFORM_DIM,
             "there is no dimension %d: this machine space has the dimensions 0 to %d", d,
             s->n - 1);
    return d;
}

/* A space with k dimensions in place of dimension d of the old one. */
HELPER space *split_space(mapper_policy *p, place at, const space *old, int32_t d, int32_t k)
{
    space *s = new_space(p, at, old, SPLIT, old->n + k - 1, d, k);
    for (int32_t i = 0; i < old->n; i++)
        if (i != d) s->sizes[i < d ? i : i + k - 1] = old->sizes[i];
    return s;
}

HELPER value space_split(mapper_policy *p, place at, const space *old, int32_t d, int32_t f)
{
    int32_t rest = int_divide(p, at, old->sizes[dimension(p, at, old, d)], f);
    space *s = split_space(p, at, old, d, 2);
    s->sizes[d] = f;
    s->sizes[d + 1] = rest;
    return of_space(s);
}

HELPER void two_dimensions(mapper_policy *p, place at, const space *s, int32_t a, int32_t b)
{
    dimension(p, at, s, a);
    dimension(p, at, s, b);
    if (a == b) fail(p, at, MAPPER_SAME_DIMS, "the two dimensions are the same, %d", a);
}

HELPER value space_merge(mapper_policy *p, place at, const space *old, int32_t a, int32_t b)
{
    two_dimensions(p, at, old, a, b);
    int32_t size = int_multiply(p, at, old->sizes[a], old->sizes[b]);
    space *s = new_space(p, at, old, MERGE, old->n - 1, a, b);
    for (int32_t i = 0, j = 0; i < old->n; i++)
        if (i != b) s->sizes[j++] = i == a ? size : old->sizes[i];
    return of_space(s);
}

HELPER value space_swap(mapper_policy *p, place at, const space *old, int32_t a, int32_t b)
{
    two_dimensions(p, at, old, a, b);
    space *s = new_space(p, at, old, SWAP, old->n, a, b);
    s->sizes[a] = old->sizes[b];
    s->sizes[b] = old->sizes[a];
    return of_space(s);
}

HELPER value space_slice(mapper_policy *p, place at, const space *old, int32_t d, int32_t lower,
                         int32_t upper)
{
    int32_t size = old->sizes[dimension(p, at, old, d)];
    if (lower >= size || upper >= size)
        fail(p, at, MAPPER_SLICE_BOUNDS, "slice(%d, %d, %d) leaves dimension %d of size %d", d,
             lower, upper, d, size);
    space *s = new_space(p, at, old, CUT, old->n, d, lower);
    s->sizes[d] = int_add(p, at, int_subtract(p, at, upper, lower), 1);
    return of_space(s);
}

HELPER value space_reverse(mapper_policy *p, place at, const space *old, int32_t d)
{
    return of_space(new_space(p, at, old, REVERSE, old->n, dimension(p, at, old, d), 0));
}

HELPER value space_balance_split(mapper_policy *p, place at, const space *old, int32_t d, int32_t k)
{
    int32_t size = old->sizes[dimension(p, at, old, d)], parts[MAX_DIMENSIONS];
    if (k < 1 || k > MAX_DIMENSIONS)
        fail(p, at, MAPPER_TRANSFORM_DIM, "balance_split cannot make %d dimensions", k);
    balance(p, at, size, k, parts);
    space *s = split_space(p, at, old, d, k);
    s->no_indices = s->no_indices || k < 2 || k > 3;
    memcpy(s->sizes + d, parts, (size_t)k * sizeof(int32_t));
    return of_space(s);
}

/* auto_split where automatic, else greedy_split. */
HELPER value split_over(mapper_policy *p, place at, const space *old, int32_t d, value tuple,
                        bool automatic)
{
    value extents = as_ints(p, at, MAPPER_AUTOSPLIT_ARG, tuple);
    int32_t size = old->sizes[dimension(p, at, old, d)], parts[MAX_DIMENSIONS];
    if (extents.n == 0) fail(p, at, MAPPER_AUTOSPLIT_ARG, "the tuple of extents is empty");
    if (extents.n > MAX_DIMENSIONS)
        fail(p, at, MAPPER_TOO_LARGE, "a machine space has at most %d dimensions", MAX_DIMENSIONS);
    factor_over(p, at, automatic, size, extents.n, extents.as.ints, parts);
    space *s = split_space(p, at, old, d, extents.n);
    memcpy(s->sizes + d, parts, (size_t)extents.n * sizeof(int32_t));
    return of_space(s);
}

HELPER value space_auto_split(mapper_policy *p, place at, const space *old, int32_t d, value tuple)
{
    return split_over(p, at, old, d, tuple, true);
}

HELPER value space_greedy_split(mapper_policy *p, place at, const space *old, int32_t d,
                                value tuple)
{
    return split_over(p, at, old, d, tuple, false);
}

/* One step back: an index in a split, merged, ... space becomes one in the old space. */
HELPER void back_split(mapper_policy *p, place at, const space *s, int32_t *index)
{
    int32_t sum = 0, stride = 1;
    for (int32_t j = s->a; j < s->a + s->b; j++) {
        sum = int_add(p, at, sum, int_multiply(p, at, index[j], stride));
        if (j < s->a + s->b - 1) stride = int_multiply(p, at, stride, s->sizes[j]);
    }
    index[s->a] = sum;
    for (int32_t j = s->a + s->b; j < s->n; j++)
        index[j - s->b + 1] = index[j];
}

HELPER void back_merge(mapper_policy *p, place at, const space *s, int32_t *index)
{
    int32_t fast = s->old->sizes[s->b], k = index[s->a < s->b ? s->a : s->a - 1];
    for (int32_t j = s->old->n - 1; j >= s->b; j--)
        if (j > 0) index[j] = index[j - 1];
    index[s->a] = int_divide(p, at, k, fast);
    index[s->b] = int_modulo(p, at, k, fast);
}

HELPER int32_t reversed(mapper_policy *p, place at, const space *s, int32_t i)
{
    int64_t mirrored = (int64_t)s->sizes[s->a] - 1 - i;
    if (mirrored != (int32_t)mirrored) overflow(p, at, s->sizes[s->a] - 1, '-', i);
    return (int32_t)mirrored;
}

HELPER void back_slice(mapper_policy *p, place at, const space *s, int32_t *index)
{
    if (index[s->a] >= s->sizes[s->a])
        fail(p, at, MAPPER_SLICE_RANGE, "the index %d is beyond the slice of %d in dimension %d",
             index[s->a], s->sizes[s->a], s->a);
    index[s->a] = int_add(p, at, index[s->a], s->b);
}

HELPER void exchange(int32_t *index, int32_t a, int32_t b)
{
    int32_t i = index[a];
    index[a] = index[b];
    index[b] = i;
}

HELPER void to_base(mapper_policy *p, place at, const space *s, int32_t *index)
{
    for (; s->old; s = s->old) {
        take_steps(p, at, 1);
        switch (s->transform) {
        case SPLIT: back_split(p, at, s, index); break;
        case MERGE: back_merge(p, at, s, index); break;
        case SWAP: exchange(index, s->a, s->b); break;
        case CUT: back_slice(p, at, s, index); break;
        default: index[s->a] = reversed(p, at, s, index[s->a]);
        }
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
HELPER void base_point(mapper_policy *p, place at, const space *s, const int32_t *index,
                       int32_t *point)
{
    int32_t room[MAX_DIMENSIONS + 2];
    memcpy(room, index, (size_t)s->n * sizeof(int32_t));
    to_base(p, at, s, room);
    point[0] = room[0];
    point[1] = room[1];
}

/* All points along the one wildcard of an index: at dimension d. */
HELPER value points_along(mapper_policy *p, place at, const space *s, int32_t *index, int32_t d)
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
HELPER value wildcard_points(mapper_policy *p, place at, const space *s, int32_t *index)
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
HELPER value space_index(mapper_policy *p, place at, const space *s, int32_t n,
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

/* One step on: an index of the old space becomes one of s. */
HELPER void step_on(mapper_policy *p, place at, const space *s, int32_t *index)
{
    int32_t k = index[s->transform == SPLIT || s->transform == CUT ? s->a : 0];
    switch (s->transform) {
    case SPLIT:
        for (int32_t j = s->n - 1; j >= s->a + s->b; j--)
            index[j] = index[j - s->b + 1];
        for (int32_t j = s->a; j < s->a + s->b - 1; j++) {
            index[j] = int_modulo(p, at, k, s->sizes[j]);
            k = int_divide(p, at, k, s->sizes[j]);
        }
        index[s->a + s->b - 1] = k;
        break;
    case MERGE:
        index[s->a] = int_add(p, at, int_multiply(p, at, index[s->a], s->old->sizes[s->b]),
                              index[s->b]);
        memmove(&index[s->b], &index[s->b + 1],
                (size_t)(s->n - s->b) * sizeof(int32_t));
        break;
    case SWAP: exchange(index, s->a, s->b); break;
    case CUT:
        if (k < s->b)
            fail(p, at, MAPPER_PROCESSOR_OUTSIDE_MACHINE,
                 "the processor lies before the slice that starts at %d", s->b);
        index[s->a] = int_subtract(p, at, k, s->b);
        break;
    default: index[s->a] = reversed(p, at, s, index[s->a]);
    }
}

/* Where a processor of the base lies in s: t.processor(m). */
HELPER value space_locate(mapper_policy *p, place at, const space *s, mapper_point point)
{
    int32_t index[MAX_DIMENSIONS + 2] = {point.node, point.processor};
    const space *chain[4 * MAX_DIMENSIONS + 1], *newest = s;
    for (; s; s = s->old)
        chain[s->depth] = s;
    for (int32_t i = 1; i <= newest->depth; i++)
        step_on(p, at, chain[i], index);
    for (int32_t d = 0; d < newest->n; d++)
        if (index[d] >= newest->sizes[d])
            fail(p, at, MAPPER_PROCESSOR_OUTSIDE_MACHINE,
                 "processor %d of node %d lies outside this machine space: its coordinate %d in "
                 "dimension %d exceeds the size %d",
                 point.processor, point.node, index[d], d, newest->sizes[d]);
    return copy_ints(p, at, newest->n, index);
}
