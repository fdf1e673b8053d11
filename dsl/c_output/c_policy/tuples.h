/* ---- Operators and tuples (sections 3 and 4) ---- */

HELPER value overflow(mapper_policy *p, source_location at, int32_t a, char op, int32_t b)
{
    return fail(p, at, MAPPER_OVERFLOW, "%d %c %d does not fit in 32 bits", a, op, b);
}

INLINE int32_t int_add(mapper_policy *p, source_location at, int32_t a, int32_t b)
{
    int32_t c;
    if (__builtin_add_overflow(a, b, &c)) overflow(p, at, a, '+', b);
    return c;
}

INLINE int32_t int_subtract(mapper_policy *p, source_location at, int32_t a, int32_t b)
{
    int32_t c;
    if (__builtin_sub_overflow(a, b, &c)) overflow(p, at, a, '-', b);
    return c;
}

INLINE int32_t int_multiply(mapper_policy *p, source_location at, int32_t a, int32_t b)
{
    int32_t c;
    if (__builtin_mul_overflow(a, b, &c)) overflow(p, at, a, '*', b);
    return c;
}

/* Truncates towards zero, as C does. */
INLINE int32_t int_divide(mapper_policy *p, source_location at, int32_t a, int32_t b)
{
    if (b == 0) fail(p, at, MAPPER_DIVISION_BY_ZERO, "%d is divided by zero", a);
    if (a == INT32_MIN && b == -1) overflow(p, at, a, '/', b);
    return a / b;
}

/* Has the sign of the dividend, as in C. */
INLINE int32_t int_modulo(mapper_policy *p, source_location at, int32_t a, int32_t b)
{
    if (b == 0) fail(p, at, MAPPER_DIVISION_BY_ZERO, "%d is taken modulo zero", a);
    if (a == INT32_MIN && b == -1) overflow(p, at, a, '%', b);
    return a % b;
}

/* Both operands of && and || are evaluated: there is no short cut. */
INLINE bool both(bool a, bool b)
{
    return a && b;
}

INLINE bool either(bool a, bool b)
{
    return a || b;
}

HELPER int32_t int_operate(mapper_policy *p, source_location at, int32_t a, char op, int32_t b)
{
    switch (op) {
    case '+': return int_add(p, at, a, b);
    case '-': return int_subtract(p, at, a, b);
    case '*': return int_multiply(p, at, a, b);
    case '/': return int_divide(p, at, a, b);
    default: return int_modulo(p, at, a, b);
    }
}

/* The tuple as an int tuple; a general tuple becomes one if all its elements are ints. */
HELPER value as_ints(mapper_policy *p, source_location at, int32_t code, value t)
{
    if (t.tag == INTS) return t;
    if (t.tag != TUPLE) fail(p, at, code, "this is %s, not a tuple of ints", type_name(t));
    value ints = new_ints(p, at, t.n);
    for (int32_t i = 0; i < t.n; i++)
        ints.as.room[i] = as_int(p, at, code, t.as.items[i]);
    return ints;
}

INLINE bool is_tuple(value v)
{
    return v.tag == INTS || v.tag == TUPLE;
}

HELPER value mismatch(mapper_policy *p, source_location at, value a, const char *op, value b)
{
    return fail(p, at, MAPPER_TYPE_MISMATCH, "%s does not combine %s and %s", op,
                type_name(a), type_name(b));
}

/* + - * / % between two ints, or element by element between two tuples of ints. */
HELPER value operate(mapper_policy *p, source_location at, value a, char op, value b)
{
    if (a.tag == INT && b.tag == INT) return of_int(int_operate(p, at, a.as.i, op, b.as.i));
    if (!is_tuple(a) || !is_tuple(b)) mismatch(p, at, a, (const char[]){op, '\0'}, b);
    value left = as_ints(p, at, MAPPER_TYPE_MISMATCH, a);
    value right = as_ints(p, at, MAPPER_TYPE_MISMATCH, b);
    if (a.n != b.n)
        fail(p, at, MAPPER_TYPE_MISMATCH, "%c between tuples of %d and %d elements", op, a.n, b.n);
    take_steps(p, at, a.n);
    value result = new_ints(p, at, a.n);
    for (int32_t i = 0; i < a.n; i++)
        result.as.room[i] = int_operate(p, at, left.as.ints[i], op, right.as.ints[i]);
    return result;
}

/* == and != between two ints or two bools. */
HELPER bool equal(mapper_policy *p, source_location at, value a, const char *op, value b)
{
    if (a.tag != b.tag || (a.tag != INT && a.tag != BOOL)) mismatch(p, at, a, op, b);
    return a.as.i == b.as.i;
}

/* The sign of a - b, for the order of two ints. */
HELPER int32_t order(mapper_policy *p, source_location at, value a, const char *op, value b)
{
    if (a.tag != INT || b.tag != INT) mismatch(p, at, a, op, b);
    return (a.as.i > b.as.i) - (a.as.i < b.as.i);
}

HELPER value negate(mapper_policy *p, source_location at, value v)
{
    if (v.tag != INT) fail(p, at, MAPPER_BAD_NEGATE, "- does not apply to %s", type_name(v));
    return of_int(int_subtract(p, at, 0, v.as.i));
}

/* Where index i of n elements lies: negative ones count from the end. */
INLINE int32_t element(mapper_policy *p, source_location at, int32_t i, int32_t n)
{
    if (i >= n || i < -n)
        fail(p, at, MAPPER_INDEX_BOUNDS, "the index %d is out of range for a tuple of %d", i, n);
    return i < 0 ? i + n : i;
}

INLINE int32_t ints_item(mapper_policy *p, source_location at, value t, int32_t i)
{
    return t.as.ints[element(p, at, i, t.n)];
}

HELPER value tuple_item(mapper_policy *p, source_location at, value t, int32_t i)
{
    if (t.tag == INTS) return of_int(ints_item(p, at, t, i));
    return t.as.items[element(p, at, i, t.n)];
}

/* t[lower:upper]; an upper bound of 0 means to the end (section 4). */
HELPER value tuple_slice(mapper_policy *p, source_location at, value t, int32_t lower,
                         int32_t upper)
{
    if (upper >= 0 && upper >= t.n)
        fail(p, at, MAPPER_SLICE_BOUNDS, "the slice ends at %d in a tuple of %d", upper, t.n);
    if (lower < 0) lower += t.n;
    if (upper <= 0) upper += t.n;
    value part = t;
    part.kind = 0;
    part.n = lower < upper ? upper - lower : 0;
    if (part.n == 0) return part;
    if (lower < 0) fail(p, at, MAPPER_SLICE_BOUNDS, "the slice starts before a tuple of %d", t.n);
    if (t.tag == INTS)
        part.as.ints = t.as.ints + lower;
    else
        part.as.items = t.as.items + lower;
    return part;
}

/* Elements, arguments or indices under construction. */
typedef struct list {
    value *items;
    int32_t n, room;
} list;

HELPER list new_list(mapper_policy *p, source_location at, int32_t room)
{
    return (list){.items = allocate(p, at, room, sizeof(value)), .room = room};
}

HELPER void append(mapper_policy *p, source_location at, list *l, value v)
{
    if (l->n == l->room) {
        list longer = new_list(p, at, 2 * l->room < MAX_TUPLE ? 2 * l->room + 1 : l->room + 1);
        memcpy(longer.items, l->items, (size_t)l->n * sizeof(value));
        l->items = longer.items;
        l->room = longer.room;
    }
    l->items[l->n++] = v;
}

/* Appends a value; of an unpacked tuple, each element. */
HELPER void push(mapper_policy *p, source_location at, list *l, value v)
{
    if (v.tag != UNPACKED) {
        append(p, at, l, v);
        return;
    }
    for (int32_t i = 0; i < v.n; i++)
        append(p, at, l, v.inner == INTS ? of_int(v.as.ints[i]) : v.as.items[i]);
}

/* *t: the tuple, marked for splicing. */
HELPER value unpack(mapper_policy *p, source_location at, value t)
{
    if (!is_tuple(t)) fail(p, at, MAPPER_BAD_UNPACK, "* unpacks a tuple, not %s", type_name(t));
    t.inner = t.tag;
    t.tag = UNPACKED;
    return t;
}

/* The element of a comprehension. */
HELPER value one_element(mapper_policy *p, source_location at, value v)
{
    if (v.tag == UNPACKED)
        fail(p, at, MAPPER_BAD_UNPACK, "a comprehension's element cannot be an unpacked tuple");
    return v;
}

/* The general tuple of a list. */
HELPER value tuple_of(mapper_policy *p, source_location at, list l)
{
    value t = {.tag = TUPLE, .n = l.n, .as.items = l.items};
    for (int32_t i = 0; i < l.n; i++)
        if (l.items[i].tag == TUPLE && l.items[i].depth > t.depth) t.depth = l.items[i].depth;
    if (++t.depth > MAX_TUPLE_DEPTH)
        fail(p, at, MAPPER_TOO_DEEP, "tuples nest at most %d deep", MAX_TUPLE_DEPTH);
    return t;
}
