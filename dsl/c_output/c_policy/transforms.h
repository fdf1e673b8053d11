/* ---- Transforms of machine spaces (section 5): sizes, the way back, and the way on ---- */

INLINE int32_t dimension(mapper_policy *p, source_location at, const space *s, int32_t d)
{
    if (d < 0 || d >= s->n)
        fail(p, at, MAPPER_TRANSFORM_DIM,
             "there is no dimension %d: this machine space has the dimensions 0 to %d", d,
             s->n - 1);
    return d;
}

HELPER void two_dimensions(mapper_policy *p, source_location at, const space *s, int32_t a,
                           int32_t b)
{
    dimension(p, at, s, a);
    dimension(p, at, s, b);
    if (a == b) fail(p, at, MAPPER_SAME_DIMS, "the two dimensions are the same, %d", a);
}

/* Splits: one dimension becomes several, of which the first varies fastest. */

HELPER void back_split(mapper_policy *p, source_location at, const space *s, int32_t *index)
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

HELPER void on_split(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int32_t k = index[s->a];
    for (int32_t j = s->n - 1; j >= s->a + s->b; j--)
        index[j] = index[j - s->b + 1];
    for (int32_t j = s->a; j < s->a + s->b - 1; j++) {
        index[j] = int_modulo(p, at, k, s->sizes[j]);
        k = int_divide(p, at, k, s->sizes[j]);
    }
    index[s->a + s->b - 1] = k;
}

/* The old space with k parts in place of dimension d. */
HELPER space *split_into(mapper_policy *p, source_location at, const space *old, int32_t d,
                         int32_t k, const int32_t *parts)
{
    space *s = transformed(p, at, old, old->n + k - 1, d, k);
    s->back = back_split;
    s->on = on_split;
    for (int32_t i = 0; i < old->n; i++)
        if (i != d) s->sizes[i < d ? i : i + k - 1] = old->sizes[i];
    memcpy(s->sizes + d, parts, (size_t)k * sizeof(int32_t));
    return s;
}

HELPER value space_split(mapper_policy *p, source_location at, const space *old, int32_t d,
                         int32_t f)
{
    int32_t rest = int_divide(p, at, old->sizes[dimension(p, at, old, d)], f);
    return of_space(split_into(p, at, old, d, 2, (const int32_t[]){f, rest}));
}

HELPER value space_balance_split(mapper_policy *p, source_location at, const space *old, int32_t d,
                                 int32_t k)
{
    int32_t size = old->sizes[dimension(p, at, old, d)], parts[MAX_DIMENSIONS];
    if (k < 1 || k > MAX_DIMENSIONS)
        fail(p, at, MAPPER_TRANSFORM_DIM, "balance_split cannot make %d dimensions", k);
    balance(p, at, size, k, parts);
    space *s = split_into(p, at, old, d, k, parts);
    s->no_indices = s->no_indices || k < 2 || k > 3;
    return of_space(s);
}

HELPER value split_over(mapper_policy *p, source_location at, const space *old, int32_t d,
                        value tuple, bool automatic)
{
    value extents = as_ints(p, at, MAPPER_AUTOSPLIT_ARG, tuple);
    int32_t size = old->sizes[dimension(p, at, old, d)], parts[MAX_DIMENSIONS];
    if (extents.n == 0) fail(p, at, MAPPER_AUTOSPLIT_ARG, "the tuple of extents is empty");
    if (extents.n > MAX_DIMENSIONS)
        fail(p, at, MAPPER_TOO_LARGE, "a machine space has at most %d dimensions", MAX_DIMENSIONS);
    factor_over(p, at, automatic, size, extents.n, extents.as.ints, parts);
    return of_space(split_into(p, at, old, d, extents.n, parts));
}

HELPER value space_auto_split(mapper_policy *p, source_location at, const space *old, int32_t d,
                              value tuple)
{
    return split_over(p, at, old, d, tuple, true);
}

HELPER value space_greedy_split(mapper_policy *p, source_location at, const space *old, int32_t d,
                                value tuple)
{
    return split_over(p, at, old, d, tuple, false);
}

/* merge: dimensions a and b become one, in which b varies fastest. */

HELPER void back_merge(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int32_t fast = s->old->sizes[s->b], k = index[s->a < s->b ? s->a : s->a - 1];
    for (int32_t j = s->old->n - 1; j > s->b; j--)
        index[j] = index[j - 1];
    index[s->a] = int_divide(p, at, k, fast);
    index[s->b] = int_modulo(p, at, k, fast);
}

HELPER void on_merge(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int32_t slow = int_multiply(p, at, index[s->a], s->old->sizes[s->b]);
    index[s->a] = int_add(p, at, slow, index[s->b]);
    memmove(&index[s->b], &index[s->b + 1], (size_t)(s->n - s->b) * sizeof(int32_t));
}

HELPER value space_merge(mapper_policy *p, source_location at, const space *old, int32_t a,
                         int32_t b)
{
    two_dimensions(p, at, old, a, b);
    int32_t size = int_multiply(p, at, old->sizes[a], old->sizes[b]);
    space *s = transformed(p, at, old, old->n - 1, a, b);
    s->back = back_merge;
    s->on = on_merge;
    for (int32_t i = 0, j = 0; i < old->n; i++)
        if (i != b) s->sizes[j++] = i == a ? size : old->sizes[i];
    return of_space(s);
}

/* swap: dimensions a and b change places. */

HELPER void exchange(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int32_t i = index[s->a];
    (void)p, (void)at;
    index[s->a] = index[s->b];
    index[s->b] = i;
}

HELPER value space_swap(mapper_policy *p, source_location at, const space *old, int32_t a,
                        int32_t b)
{
    two_dimensions(p, at, old, a, b);
    space *s = transformed(p, at, old, old->n, a, b);
    s->back = s->on = exchange;
    exchange(p, at, s, s->sizes);
    return of_space(s);
}

/* slice: only `lower` to `upper` of dimension d, both included. */

HELPER void back_slice(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    if (index[s->a] >= s->sizes[s->a])
        fail(p, at, MAPPER_SLICE_RANGE, "the index %d is beyond the slice of %d in dimension %d",
             index[s->a], s->sizes[s->a], s->a);
    index[s->a] = int_add(p, at, index[s->a], s->b);
}

HELPER void on_slice(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    if (index[s->a] < s->b)
        fail(p, at, MAPPER_PROCESSOR_OUTSIDE_MACHINE,
             "the processor lies below the slice in dimension %d", s->a);
    index[s->a] = int_subtract(p, at, index[s->a], s->b);
}

HELPER value space_slice(mapper_policy *p, source_location at, const space *old, int32_t d,
                         int32_t lower, int32_t upper)
{
    int32_t size = old->sizes[dimension(p, at, old, d)];
    if (lower >= size || upper >= size)
        fail(p, at, MAPPER_SLICE_BOUNDS, "slice(%d, %d, %d) leaves dimension %d of size %d", d,
             lower, upper, d, size);
    space *s = transformed(p, at, old, old->n, d, lower);
    s->back = back_slice;
    s->on = on_slice;
    s->sizes[d] = int_add(p, at, int_subtract(p, at, upper, lower), 1);
    return of_space(s);
}

/* reverse: dimension d counts down. */

HELPER void mirror(mapper_policy *p, source_location at, const space *s, int32_t *index)
{
    int64_t mirrored = (int64_t)s->sizes[s->a] - 1 - index[s->a];
    if (mirrored != (int32_t)mirrored) overflow(p, at, s->sizes[s->a] - 1, '-', index[s->a]);
    index[s->a] = (int32_t)mirrored;
}

HELPER value space_reverse(mapper_policy *p, source_location at, const space *old, int32_t d)
{
    space *s = transformed(p, at, old, old->n, dimension(p, at, old, d), 0);
    s->back = s->on = mirror;
    return of_space(s);
}
