/* ---- Values (section 4): tagged, and stored in the policy's arena ---- */

enum tag {
    UNSET,   /* a global whose assignment has not run */
    INT,     /* as.i */
    BOOL,    /* as.i */
    INTS,    /* an int tuple; a machine point where kind is not 0 */
    TUPLE,   /* a general tuple */
    SPACE,   /* a machine space */
    TASK,    /* as.i: 0 is the mapped task, 1 its parent */
    POINTS,  /* a wildcard result: n pairs of ints */
    KIND,    /* a processor kind */
    MEMORY,  /* a memory kind */
    FUNCTION,
    STAR,
    UNPACKED /* a tuple that is to be spliced into the list around it */
};

typedef struct space space;

/* Splits are asked for again and again with the same extents: the policy remembers some. */
enum { MEMO_SLOTS = 32, MEMO_PARTS = 16 };

typedef struct factoring {
    bool known, automatic;
    int32_t n, k, extents[MEMO_PARTS], parts[MEMO_PARTS];
} factoring;

typedef struct value {
    uint8_t tag;
    uint8_t inner; /* of UNPACKED: the tag of its tuple */
    uint8_t kind;  /* of a machine point or a wildcard result: its processor kind + 1 */
    uint8_t depth; /* of a general tuple: how many of them are one within the other */
    int32_t n;     /* elements of a tuple; points of a wildcard result */
    union {
        int32_t i;
        const int32_t *ints;
        int32_t *room; /* the same, while the elements are filled in */
        struct value *items;
        const space *space;
    } as;
} value;

struct mapper_policy {
    mapper_machine machine;
    value globals[GLOBALS + 1];
    char *arena;
    size_t used, kept; /* bytes; what the top level stored is kept */
    int32_t depth;
    int64_t steps, last_step;
    const char *stack; /* where the question's frame is */
    const launch *launch;
    int32_t statement; /* of the top level: the one that runs */
    int64_t printed;   /* characters */
    factoring memo[MEMO_SLOTS];
    mapper_error *error;
    int32_t failed; /* the code of the error that ended the question */
    jmp_buf on_error;
};

static const char *const KIND_NAMES[] = {"CPU", "GPU", "IO", "PY", "PROC", "OMP"};

/* Ends the question: notes what is wrong and where, and goes back to where it was asked. */
HELPER value fail(mapper_policy *p, source_location at, int32_t code, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

HELPER value fail(mapper_policy *p, source_location at, int32_t code, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    write_error(p->error, at, code, p->launch, sentence);
    p->failed = code;
    longjmp(p->on_error, 1);
}

/* Bounds: storage, steps, depth. */

HELPER void *allocate(mapper_policy *p, source_location at, int64_t count, size_t size)
{
    size_t bytes = ((size_t)count * size + 15) & ~(size_t)15;
    if (count > MAX_TUPLE)
        fail(p, at, MAPPER_TOO_LARGE, "a tuple has more than %d elements", MAX_TUPLE);
    if (bytes > ARENA_BYTES - p->used)
        fail(p, at, MAPPER_TOO_LARGE, "one answer needs more than %d bytes", ARENA_BYTES);
    void *room = p->arena + p->used;
    p->used += bytes;
    return room;
}

INLINE void take_steps(mapper_policy *p, source_location at, int64_t steps)
{
    p->steps += steps;
    if (p->steps > p->last_step)
        fail(p, at, MAPPER_TOO_MANY_STEPS, "the evaluation takes too many steps");
}

/* Every call of a function of the mapper passes here, and `leave`s. */
INLINE void enter(mapper_policy *p, source_location at, int64_t steps)
{
    const char *here = __builtin_frame_address(0);
    ptrdiff_t stack = p->stack > here ? p->stack - here : here - p->stack;
    if (++p->depth > MAX_CALL_DEPTH || stack > MAX_STACK_BYTES)
        fail(p, at, MAPPER_TOO_DEEP, "calls nest more than %d deep", MAX_CALL_DEPTH);
    take_steps(p, at, steps);
}

INLINE void leave(mapper_policy *p)
{
    p->depth--;
}

/* Making values. */

INLINE value of_int(int32_t i)
{
    return (value){.tag = INT, .as.i = i};
}

INLINE value of_bool(bool b)
{
    return (value){.tag = BOOL, .as.i = b};
}

INLINE value of_tag(enum tag tag, int32_t i)
{
    return (value){.tag = (uint8_t)tag, .as.i = i};
}

/* An int tuple, its n elements still to be filled in. */
INLINE value new_ints(mapper_policy *p, source_location at, int32_t n)
{
    return (value){.tag = INTS, .n = n, .as.room = allocate(p, at, n, sizeof(int32_t))};
}

HELPER value copy_ints(mapper_policy *p, source_location at, int32_t n, const int32_t *elements)
{
    value t = new_ints(p, at, n);
    if (n > 0) memcpy(t.as.room, elements, (size_t)n * sizeof(int32_t));
    return t;
}

/* Taking them. */

HELPER const char *type_name(value v)
{
    static const char *const NAMES[] = {
        "nothing",          "an int",        "a bool",
        "an int tuple",     "a tuple",       "a machine space",
        "a task",           "a set of machine points",
        "a processor kind", "a memory kind", "a function",
        "a bare *",         "an unpacked tuple"};
    return v.tag == INTS && v.kind ? "a machine point" : NAMES[v.tag];
}

/* The value, which has to be an int; `code` is the error if it is none. */
INLINE int32_t as_int(mapper_policy *p, source_location at, int32_t code, value v)
{
    if (v.tag != INT) fail(p, at, code, "this is %s, not an int", type_name(v));
    return v.as.i;
}

INLINE bool as_bool(mapper_policy *p, source_location at, int32_t code, value v)
{
    if (v.tag != BOOL) fail(p, at, code, "this is %s, not a bool", type_name(v));
    return v.as.i != 0;
}

/* A global; its assignment may not have run yet while the mapper is loading. */
INLINE value global(mapper_policy *p, source_location at, int32_t index, const char *name)
{
    value v = p->globals[index];
    if (v.tag == UNSET) fail(p, at, MAPPER_UNDEFINED_NAME, "%s is not defined", name);
    return v;
}
