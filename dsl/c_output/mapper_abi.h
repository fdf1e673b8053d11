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
