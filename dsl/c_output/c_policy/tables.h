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
