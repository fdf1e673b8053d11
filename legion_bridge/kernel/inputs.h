/* The inputs as they come: arrays by number, and what is wrong with them. */
#ifndef MAPPERTUNE_INPUTS_H
#define MAPPERTUNE_INPUTS_H

#include "kernel.h"

enum input_number {
#define INPUT(owner, name, type, length, values) INPUT_##name,
#include "inputs.def"
    INPUTS
};

/* Those of the program and of the machine are given once, the decisions with each run. */
enum owner { PROGRAM, MACHINE, DECISIONS };

struct array {
    const void *data;
    int64_t length;
};

struct input_rule {
    const char *name;
    enum owner owner;
    enum { INTEGERS, FLOATS } type;
    enum { EACH, STARTS, PAIRS, FIXED } length;
    int64_t length_of; /* number of a size, or of elements where FIXED */
    enum {
        INDEX,
        INDEX_OR_NONE,
        ALL_OF,
        ROWS,
        CODE,
        CODE_OR_NONE,
        AMOUNT,
        LINKS,
        SETTING_VALUES,
    } values;
    int64_t values_of; /* number of a size, or of codes */
};

extern const struct input_rule INPUT_RULES[INPUTS];
extern const char *const COST_NAMES[COSTS];
extern const char *const SETTING_NAMES[SETTINGS];

enum { COMPLAINT = 256 };

/* Checks lengths and values, so that the kernel stays within its arrays whatever they hold.
 *
 * `check_prepared` looks at program and machine, and `check_decisions` at the rest, once those have
 * passed. Both fill in what they have checked. They return 0, with a sentence in `complaint`, where
 * something is wrong. */
int check_prepared(const struct array arrays[INPUTS], struct input *in, char complaint[COMPLAINT]);
int check_decisions(const struct array arrays[INPUTS], struct input *in,
                    char complaint[COMPLAINT]);

#endif
