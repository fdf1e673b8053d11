/* The mapper block.mapper, as C. Made by mappertune: do not edit. */
/* SHA-256 of its text: 4f343f6cec6bac9a... */

/* ---- The interface: mapper_abi.h ---- */

/* What a compiled mapper answers, and how it is asked.
 *
 * A shared object made from a mapper exports one symbol, `mapper_policy_api`, of type `mapper_api`:
 * its version, where it came from, and one function for each question. The caller compares
 * `version` with MAPPER_ABI_VERSION before it asks anything.
 *
 * Every function returns MAPPER_OK or a code of `mapper_error_code`; where it takes a
 * `mapper_error *` (which may be NULL) it leaves there the place in the mapper's text and a
 * sentence. No question crashes, hangs or calls abort, whatever the mapper says.
 *
 * Several policies may be loaded side by side. One policy answers one question at a time: call it
 * from a serialised mapper, or give each thread its own.
 */
#ifndef MAPPER_ABI_H
#define MAPPER_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAPPER_ABI_VERSION 2
#define MAPPER_ERROR_TEXT 1024
#define MAPPER_ERROR_POINT 8 /* coordinates of a point that an error holds at most */

enum mapper_processor_kind {
    MAPPER_ANY_KIND = -1, /* asks for no check of the kind */
    MAPPER_CPU,
    MAPPER_GPU,
    MAPPER_IO,
    MAPPER_PY,
    MAPPER_PROC,
    MAPPER_OMP,
    MAPPER_PROCESSOR_KINDS
};

enum mapper_memory_kind {
    MAPPER_ANY_MEMORY = -1,
    MAPPER_SYSMEM,
    MAPPER_FBMEM,
    MAPPER_RDMEM,
    MAPPER_ZCMEM,
    MAPPER_SOCKMEM,
    MAPPER_VIRTUAL, /* no physical instance; ends the search for a memory */
    MAPPER_MEMORY_KINDS
};

/* Codes of errors, and the labels by which the mapping language knows them. */
#define MAPPER_ERROR_CODES(X) \
    X(OK, "ok") \
    X(ARG_TYPE, "arg-type") \
    X(ARITY, "arity") \
    X(AUTO_SPLIT_ZERO_EXTENT, "auto-split-zero-extent") \
    X(AUTOSPLIT_ARG, "autosplit-arg") \
    X(BAD_ASSIGN, "bad-assign") \
    X(BAD_CALL, "bad-call") /* the caller passed a null pointer or an impossible count */ \
    X(BAD_INDEX, "bad-index") \
    X(BAD_MEMBER, "bad-member") \
    X(BAD_NEGATE, "bad-negate") \
    X(BAD_RETURN_TYPE, "bad-return-type") \
    X(BAD_UNPACK, "bad-unpack") \
    X(BALANCE_SPLIT_EXTENT, "balance-split-extent") \
    X(COMPREHENSION_AT_TOP_LEVEL, "comprehension-at-top-level") \
    X(CONDITION_NOT_BOOL, "condition-not-bool") \
    X(DIVISION_BY_ZERO, "division-by-zero") \
    X(DUPLICATE_GLOBAL, "duplicate-global") \
    X(ENTRY_SIGNATURE, "entry-signature") \
    X(HAS_ALWAYS_FAILS, "has-always-fails") \
    X(INDEX_BOUNDS, "index-bounds") \
    X(KIND_MISMATCH, "kind-mismatch") \
    X(MACHINE_ARG, "machine-arg") \
    X(MACHINE_INDEX_ARITY, "machine-index-arity") \
    X(METHOD_ARITY, "method-arity") \
    X(METHOD_ON_NON_MACHINE, "method-on-non-machine") \
    X(NO_IPOINT_ON_SINGLE, "no-ipoint-on-single") \
    X(NO_MAP_FOR_TASK, "no-map-for-task") \
    X(NO_PARENT, "no-parent") \
    X(NO_RETURN, "no-return") \
    X(NODE_BOUNDS, "node-bounds") \
    X(NOT_A_FUNCTION, "not-a-function") \
    X(OVERFLOW, "overflow") \
    X(PRINT_ARGS, "print-args") \
    X(PROC_BOUNDS, "proc-bounds") \
    X(PROCESSOR_OUTSIDE_MACHINE, "processor-outside-machine") \
    X(SAME_DIMS, "same-dims") \
    X(SLICE_BOUNDS, "slice-bounds") \
    X(SLICE_RANGE, "slice-range") \
    X(SPLIT_EXTENT, "split-extent") \
    X(TOO_DEEP, "too-deep") \
    X(TOO_LARGE, "too-large") \
    X(TOO_MANY_STEPS, "too-many-steps") \
    X(TRANSFORM_DIM, "transform-dim") \
    X(TYPE_MISMATCH, "type-mismatch") \
    X(UNDEFINED_FUNCTION, "undefined-function") \
    X(UNDEFINED_NAME, "undefined-name")

enum mapper_error_code {
#define MAPPER_ERROR_CODE(name, label) MAPPER_##name,
    MAPPER_ERROR_CODES(MAPPER_ERROR_CODE)
#undef MAPPER_ERROR_CODE
        MAPPER_ERROR_CODE_COUNT
};

/* The machine that a mapper is loaded for: all nodes are alike. */
typedef struct mapper_machine {
    int32_t nodes;
    int32_t processors[MAPPER_PROCESSOR_KINDS];      /* of each kind, in every node */
    void (*print)(void *context, const char *text); /* takes what `print` says; NULL: stdout */
    void *print_context;
} mapper_machine;

typedef struct mapper_error {
    int32_t code;
    int32_t line; /* of the mapper's text, from 1; 0 where no place is known */
    int32_t column;
    int32_t dimensions; /* of the index point that fails; 0 where none is to blame */
    int32_t point[MAPPER_ERROR_POINT];
    const char *label;            /* of the code; lives as long as the shared object */
    char text[MAPPER_ERROR_TEXT]; /* place, point, sentence and the line of the mapper */
} mapper_error;

/* A processor: one of its kind in a node. */
typedef struct mapper_point {
    int32_t node;
    int32_t processor;
} mapper_point;

typedef struct mapper_layout {
    int32_t found;     /* 0: no rule applies, and the rest says nothing */
    int32_t c_order;   /* last dimension fastest; else the first is */
    int32_t aos;       /* fields of one point together; else one field's points together */
    int32_t compact;   /* a compact specialisation of the instance */
    int32_t exact;     /* with compact: no larger than asked for */
    char align[3];     /* "==", "!=", "<", "<=", ">", ">=", or "" where none is asked for */
    int32_t alignment; /* in bytes */
} mapper_layout;

/* One loaded mapper. */
typedef struct mapper_policy mapper_policy;

/* Questions name a region by several names, in order: where regions have names, those of the
 * subregion, its partition and its parent; and the index of the requirement in decimal. */
typedef struct mapper_api {
    int32_t version; /* MAPPER_ABI_VERSION of the file */
    int32_t size;    /* sizeof(mapper_api) of the file */
    const char *name;   /* of the mapper that the file was made from */
    const char *sha256; /* the first 16 digits of its text's digest */

    /* Runs the top-level statements. `*policy` is NULL after an error. */
    int32_t (*load)(const mapper_machine *machine, mapper_policy **policy, mapper_error *error);
    void (*unload)(mapper_policy *policy);

    /* Processor kinds in order of preference; `*count` is 0 where no rule applies. */
    int32_t (*task_kinds)(mapper_policy *policy, const char *task, const int8_t **kinds,
                          int32_t *count);
    /* Memories in order of preference. `*count` is how many there are, of which the first
     * `capacity` are stored. */
    int32_t (*memories)(mapper_policy *policy, const char *task, const char *const *regions,
                        int32_t region_count, int32_t processor_kind, int8_t *memories,
                        int32_t capacity, int32_t *count);
    /* The layout in a memory kind, on a processor kind or MAPPER_ANY_KIND. */
    int32_t (*layout)(mapper_policy *policy, const char *task, const char *const *regions,
                      int32_t region_count, int32_t memory_kind, int32_t processor_kind,
                      mapper_layout *layout);
    /* The largest number of points of the task in flight; 0: no limit. */
    int32_t (*instance_limit)(mapper_policy *policy, const char *task, int32_t *limit);
    /* Whether instances for these regions are to be collected after use: 0 or 1. */
    int32_t (*collects)(mapper_policy *policy, const char *task, const char *const *regions,
                        int32_t region_count, int32_t *collects);
    /* 1: replicate the task; 0: do not; -1: no rule is there, Legion's own choice stands. */
    int32_t (*control_replicates)(mapper_policy *policy, const char *task, int32_t *answer);
    /* Whether an index map, or a single-task map, applies to the task on the kind: 0 or 1. */
    int32_t (*has_map)(mapper_policy *policy, const char *task, int32_t processor_kind,
                       int32_t single, int32_t *answer);

    /* Where one point of an index launch goes. The whole launch's domain, or the box around a
     * sparse one, starts at `lower`, or at 0 where that is NULL. A wildcard gives several points,
     * in order: `*count` is how many, of which the first `capacity` are stored. */
    int32_t (*index_point)(mapper_policy *policy, const char *task, int32_t processor_kind,
                           int32_t dimensions, const int32_t *lower, const int32_t *extents,
                           const int32_t *point, mapper_point *points, int32_t capacity,
                           int32_t *count, mapper_error *error);
    /* The first processor of every point of a launch domain that is a box, last dimension fastest. */
    int32_t (*index_domain)(mapper_policy *policy, const char *task, int32_t processor_kind,
                            int32_t dimensions, const int32_t *lower, const int32_t *extents,
                            mapper_point *points, mapper_error *error);
    /* Where a task that is launched alone goes. Its parent runs at `parent` on a processor of kind
     * `parent_kind`; NULL: nothing launched it, and it starts on processor 0 of node 0. */
    int32_t (*single_task)(mapper_policy *policy, const char *task, int32_t processor_kind,
                           const mapper_point *parent, int32_t parent_kind, mapper_point *points,
                           int32_t capacity, int32_t *count, mapper_error *error);
} mapper_api;

#ifdef __cplusplus
}
#endif

#endif

/* ---- Where the mapper came from, and its bounds ---- */

#pragma GCC diagnostic ignored "-Wtautological-compare"

#define MAPPER_NAME "block.mapper"
#define MAPPER_SHA256 "4f343f6cec6bac9a"
#define MAX_STEPS 1953125
#define MAX_ALL_STEPS 500000000
#define ARENA_BYTES 67108864
#define MAX_STACK_BYTES 1048576
#define MAX_CALL_DEPTH 200
#define MAX_CANDIDATES 100000
#define MAX_DIMENSIONS 64
#define MAX_POINTS 1000000
#define MAX_PRINTED 1000000
#define MAX_SPLIT_EXTENT 17161
#define MAX_TUPLE 10000
#define MAX_TUPLE_DEPTH 50

static const char *const SOURCE_LINES[] = {
    "mgpu = Machine(GPU);",
    "",
    "def block(Task task) {",
    "  return mgpu[*(task.ipoint * mgpu.size / task.ispace)];",
    "}",
    "",
    "IndexTaskMap init, solve block;",
    "",
};
enum { SOURCE_LINE_COUNT = 8 };

enum { GLOBAL_mgpu, GLOBALS };

/* ---- Errors: where in the mapper, at which point, and what ---- */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A mapper need not use every helper. */
#define HELPER __attribute__((unused)) static
#define INLINE __attribute__((unused)) static inline

/* A location in the mapper's text. */
typedef uint32_t source_location;
#define AT(line, column) ((source_location)(line) << 12 | (source_location)(column))
#define NOWHERE ((source_location)0)

/* What is asked of a mapping function: its launch, as the mapped task sees it. */
typedef struct launch {
    bool single, has_parent;
    int32_t dimensions; /* of an index launch */
    const int32_t *point, *extents, *lower; /* no `lower`: zeros */
    mapper_point at; /* of a single task: the processor of its parent, and of which kind it is */
    int32_t at_kind;
} launch;

static const char *const ERROR_LABELS[] = {
#define ERROR_LABEL(name, label) label,
    MAPPER_ERROR_CODES(ERROR_LABEL)
#undef ERROR_LABEL
};

HELPER void add_text(mapper_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

HELPER void add_text(mapper_error *error, const char *format, ...)
{
    size_t used = strlen(error->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof error->text - used, format, arguments);
    va_end(arguments);
}

HELPER void add_point(mapper_error *error, const launch *launch)
{
    if (!launch || launch->single) return;
    error->dimensions = launch->dimensions;
    add_text(error, " at point (");
    for (int32_t d = 0; d < launch->dimensions; d++) {
        if (d < MAPPER_ERROR_POINT) error->point[d] = launch->point[d];
        add_text(error, d ? ", %d" : "%d", launch->point[d]);
    }
    add_text(error, ")");
}

/* "circuit.mapper:12:9: at point (0, 5): node 5 is ...", and the line below it. */
HELPER int32_t write_error(mapper_error *error, source_location at, int32_t code,
                           const launch *launch, const char *sentence)
{
    if (!error) return code;
    error->code = code;
    error->line = (int32_t)(at >> 12);
    error->column = (int32_t)(at & 0xfff);
    error->dimensions = 0;
    error->label = ERROR_LABELS[code];
    error->text[0] = '\0';
    add_text(error, "%s", MAPPER_NAME);
    if (at != NOWHERE) add_text(error, ":%d:%d", error->line, error->column);
    add_text(error, ": %s", sentence);
    add_point(error, launch);
    if (error->line >= 1 && error->line <= SOURCE_LINE_COUNT)
        add_text(error, "\n    %s", SOURCE_LINES[error->line - 1]);
    return code;
}

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

INLINE value of_tag(enum tag tag, int32_t i)
{
    return (value){.tag = (uint8_t)tag, .as.i = i};
}

/* An int tuple, its n elements still to be filled in. */
INLINE value new_ints(mapper_policy *p, source_location at, int32_t n)
{
    return (value){.tag = INTS, .n = n, .as.room = allocate(p, at, n, sizeof(int32_t))};
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

HELPER const space *with_kind(mapper_policy *p, source_location at, const space *s)
{
    if (!s->kind) fail(p, at, MAPPER_MACHINE_ARG, "Machine needs a processor kind");
    return s;
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

/* ---- Transforms of machine spaces (section 5): sizes, the way back, and the way on ---- */

/* Splits: one dimension becomes several, of which the first varies fastest. */

/* merge: dimensions a and b become one, in which b varies fastest. */

/* swap: dimensions a and b change places. */

/* slice: only `lower` to `upper` of dimension d, both included. */

/* reverse: dimension d counts down. */

/* ---- Indices, members, calls (sections 3 to 9) ---- */

/* base[i] */
HELPER value index_one(mapper_policy *p, source_location at, value base, int32_t i)
{
    if (base.tag == SPACE) return space_index(p, at, base.as.space, 1, &i, false);
    if (!is_tuple(base))
        fail(p, at, MAPPER_BAD_INDEX, "%s cannot be indexed", type_name(base));
    return tuple_item(p, at, base, i);
}

/* base[...], of whatever the list holds. */
HELPER value index_list(mapper_policy *p, source_location at, value base, list l)
{
    if (base.tag != SPACE) {
        if (l.n == 1 && l.items[0].tag == INT) return index_one(p, at, base, l.items[0].as.i);
        return fail(p, at, MAPPER_BAD_INDEX, "a tuple is indexed by one int, not by %d values",
                    l.n);
    }
    value indices = new_ints(p, at, l.n);
    with_kind(p, at, base.as.space);
    for (int32_t i = 0; i < l.n; i++) {
        if (l.items[i].tag != INT && l.items[i].tag != STAR)
            fail(p, at, MAPPER_BAD_INDEX, "a machine is indexed by ints, not by %s",
                 type_name(l.items[i]));
        indices.as.room[i] = l.items[i].tag == STAR ? -1 : l.items[i].as.i;
    }
    bool star = l.n == 1 && l.items[0].tag == STAR;
    return space_index(p, at, base.as.space, l.n, indices.as.ints, star);
}

/* base[*t] */
HELPER value index_spread(mapper_policy *p, source_location at, value base, value t)
{
    if (base.tag == SPACE && t.tag == INTS)
        return space_index(p, at, base.as.space, t.n, t.as.ints, false);
    list l = new_list(p, at, 2);
    push(p, at, &l, unpack(p, at, t));
    return index_list(p, at, base, l);
}

HELPER value sizes_of(mapper_policy *p, source_location at, const space *s)
{
    with_kind(p, at, s);
    return (value){.tag = INTS, .n = s->n, .as.ints = s->sizes};
}

/* v.size: the sizes of a machine, or the tuple itself; `name` is the member that asks. */
HELPER value extents_of(mapper_policy *p, source_location at, value v, const char *name)
{
    if (v.tag == SPACE) return sizes_of(p, at, v.as.space);
    if (!is_tuple(v)) fail(p, at, MAPPER_BAD_MEMBER, "%s has no %s", type_name(v), name);
    value ints = as_ints(p, at, MAPPER_BAD_MEMBER, v);
    ints.kind = 0;
    return ints;
}

HELPER value size_of(mapper_policy *p, source_location at, value v)
{
    return extents_of(p, at, v, "size");
}

HELPER const launch *launch_of(mapper_policy *p, source_location at, value v, const char *name)
{
    if (v.tag != TASK)
        fail(p, at, MAPPER_BAD_MEMBER, "%s has no %s: only a task has", type_name(v), name);
    return p->launch;
}

HELPER value of_index_launch(mapper_policy *p, source_location at, value v, const char *name)
{
    const launch *l = launch_of(p, at, v, name);
    if (l->single) fail(p, at, MAPPER_NO_IPOINT_ON_SINGLE, "a single task has no %s", name);
    return (value){.tag = INTS, .n = l->dimensions};
}

HELPER value task_ipoint(mapper_policy *p, source_location at, value v)
{
    value t = of_index_launch(p, at, v, "ipoint");
    t.as.ints = p->launch->point;
    return t;
}

HELPER value task_ispace(mapper_policy *p, source_location at, value v)
{
    value t = of_index_launch(p, at, v, "ispace");
    t.as.ints = p->launch->extents;
    return t;
}

/* ---- The mapper: before each statement stands its line and its text ---- */

HELPER value fn_block(mapper_policy *p);

/* 3: def block(Task task) */
HELPER value fn_block(mapper_policy *p)
{
    value v_task = of_tag(TASK, 0);
    enter(p, AT(3, 1), 1);
    /* 4: return mgpu[*(task.ipoint * mgpu.size / task.ispace)]; */
    value t1 = task_ipoint(p, AT(4, 17), v_task);
    value t2 = operate(p, AT(4, 17), t1, '*', size_of(p, AT(4, 31), p->globals[GLOBAL_mgpu]));
    value t3 = operate(p, AT(4, 17), t2, '/', task_ispace(p, AT(4, 43), v_task));
    value result = index_spread(p, AT(4, 10), p->globals[GLOBAL_mgpu], t3);
    leave(p);
    return result;
}

HELPER void run_top_level(mapper_policy *p)
{
    /* 1: mgpu = Machine(GPU); */
    p->globals[GLOBAL_mgpu] = whole_machine(p, AT(1, 8), MAPPER_GPU);
}

/* ---- Rules (section 10): in the order of the text; the first that fits wins ---- */

typedef value mapping_function(mapper_policy *p);

typedef struct task_rule {
    const char *task; /* "*" fits every task */
    int32_t count;
    const int8_t *kinds;
} task_rule;

typedef struct region_rule {
    const char *task, *region;
    int8_t processor;
    int32_t count;
    const int8_t *memories;
} region_rule;

typedef struct layout_rule {
    const char *task, *region;
    int8_t memory, processor;
    mapper_layout layout;
} layout_rule;

typedef struct limit_rule {
    const char *task;
    int32_t limit;
} limit_rule;

typedef struct collect_rule {
    const char *task, *region;
} collect_rule;

typedef struct replicate_rule {
    const char *task;
} replicate_rule;

typedef struct map_rule {
    const char *task; /* or NULL, and then the kind of processor that the task runs on */
    int8_t kind;
    mapping_function *function;
    source_location at;
} map_rule;

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
    {"init", MAPPER_ANY_KIND, fn_block, AT(4, 3)}, /* line 7 */
    {"solve", MAPPER_ANY_KIND, fn_block, AT(4, 3)}, /* line 7 */
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

static const map_rule SINGLE_MAPS[] = {
    {NULL, MAPPER_ANY_KIND, NULL, NOWHERE}};

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
