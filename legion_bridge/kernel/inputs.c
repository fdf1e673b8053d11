/* Checks of the inputs: lengths, values, and what they must be to each other. */
#include "inputs.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

enum size_number {
#define SIZE(name, array) SIZE_##name,
#include "inputs.def"
    SIZES
};

static const enum input_number SIZED_BY[SIZES] = {
#define SIZE(name, array) INPUT_##array,
#include "inputs.def"
};

#define RULE_int64_t INTEGERS
#define RULE_double FLOATS
#define EACH(size) EACH, SIZE_##size
#define STARTS(size) STARTS, SIZE_##size
#define PAIRS(size) PAIRS, SIZE_##size
#define FIXED(number) FIXED, (number)
#define INDEX(size) INDEX, SIZE_##size
#define INDEX_OR_NONE(size) INDEX_OR_NONE, SIZE_##size
#define ALL_OF(size) ALL_OF, SIZE_##size
#define ROWS(size) ROWS, SIZE_##size
#define CODE(number) CODE, (number)
#define CODE_OR_NONE(number) CODE_OR_NONE, (number)
#define AMOUNT AMOUNT, 0
#define LINKS LINKS, 0
#define SETTING_VALUES SETTING_VALUES, 0

const struct input_rule INPUT_RULES[INPUTS] = {
#define INPUT(owner, name, type, length, values) {#name, owner, RULE_##type, length, values},
#include "inputs.def"
};

#undef EACH
#undef STARTS
#undef PAIRS
#undef FIXED
#undef INDEX
#undef INDEX_OR_NONE
#undef ALL_OF
#undef ROWS
#undef CODE
#undef CODE_OR_NONE
#undef AMOUNT
#undef LINKS
#undef SETTING_VALUES

const char *const COST_NAMES[COSTS] = {
#define COST(name) #name,
#include "inputs.def"
};

const char *const SETTING_NAMES[SETTINGS] = {
#define SETTING(name, most) #name,
#include "inputs.def"
};

#define COMPLAIN(...) (snprintf(complaint, COMPLAINT, __VA_ARGS__), 0)

static int64_t size_of(const struct array *arrays, int64_t size)
{
    return arrays[SIZED_BY[size]].length;
}

static int check_length(const struct array *arrays, int number, char *complaint)
{
    const struct input_rule *rule = &INPUT_RULES[number];
    const char *name = rule->name;
    long long length = arrays[number].length, of = rule->length_of;
    if (rule->length == FIXED)
        return length == of || COMPLAIN("%s has %lld elements and must have %lld", name, length, of);
    long long size = size_of(arrays, of), wanted = size;
    if (rule->length == STARTS)
        wanted = size + 1;
    else if (rule->length == PAIRS)
        wanted = size * size;
    return length == wanted ||
           COMPLAIN("%s has %lld elements and must have %lld: %s has %lld", name, length, wanted,
                    INPUT_RULES[SIZED_BY[of]].name, size);
}

static int check_floats(const struct array *array, const char *name, char *complaint)
{
    const double *values = array->data;
    for (int64_t i = 0; i < array->length; i++)
        if (!(values[i] >= 0.0 && values[i] <= DBL_MAX))
            return COMPLAIN("%s[%lld] is %g and must be finite and not below 0", name,
                            (long long)i, values[i]);
    return 1;
}

static int check_range(const struct array *array, const char *name, int64_t least, int64_t end,
                       char *complaint)
{
    const int64_t *values = array->data;
    for (int64_t i = 0; i < array->length; i++)
        if (values[i] < least || values[i] >= end)
            return COMPLAIN("%s[%lld] is %lld and must be from %lld to %lld", name, (long long)i,
                            (long long)values[i], (long long)least, (long long)end - 1);
    return 1;
}

/* The first row starts at 0, the last one ends at `end`, and none ends before it starts. */
static int check_rows(const struct array *array, const char *name, int64_t end, char *complaint)
{
    const int64_t *values = array->data;
    for (int64_t i = 0; i < array->length; i++) {
        int64_t least = i == 0 ? 0 : values[i - 1];
        int64_t most = i == 0 ? 0 : end;
        if (i == array->length - 1)
            least = end;
        if (values[i] < least || values[i] > most)
            return COMPLAIN("%s[%lld] is %lld and must be from %lld to %lld", name, (long long)i,
                            (long long)values[i], (long long)least, (long long)most);
    }
    return 1;
}

/* Indices, one of which is the largest that there is: nothing is left over. */
static int check_all_of(const struct array *array, const char *name, int64_t size, char *complaint)
{
    const int64_t *values = array->data;
    int64_t largest = -1;
    for (int64_t i = 0; i < array->length; i++)
        largest = values[i] > largest ? values[i] : largest;
    return largest == size - 1 || COMPLAIN("%s must go up to %lld", name, (long long)size - 1);
}

/* Values that are about a number of things which another array tells. */
static int check_sized(const struct array *arrays, int number, char *complaint)
{
    const struct input_rule *rule = &INPUT_RULES[number];
    const struct array *array = &arrays[number];
    int64_t size = size_of(arrays, rule->values_of);
    int right;
    if (rule->values == ROWS)
        right = check_rows(array, rule->name, size, complaint);
    else
        right = check_range(array, rule->name, rule->values == INDEX_OR_NONE ? -1 : 0, size,
                            complaint);
    if (right && rule->values == ALL_OF)
        right = check_all_of(array, rule->name, size, complaint);
    if (!right) {
        size_t written = strlen(complaint);
        snprintf(complaint + written, COMPLAINT - written, ": %s has %lld",
                 INPUT_RULES[SIZED_BY[rule->values_of]].name, (long long)size);
    }
    return right;
}

static int check_values(const struct array *arrays, int number, char *complaint)
{
    const struct input_rule *rule = &INPUT_RULES[number];
    const struct array *array = &arrays[number];
    if (rule->type == FLOATS)
        return check_floats(array, rule->name, complaint);
    switch (rule->values) {
    case INDEX:
    case INDEX_OR_NONE:
    case ALL_OF:
    case ROWS:
        return check_sized(arrays, number, complaint);
    case CODE:
        return check_range(array, rule->name, 0, rule->values_of, complaint);
    case CODE_OR_NONE:
        return check_range(array, rule->name, -1, rule->values_of, complaint);
    case AMOUNT:
        return check_range(array, rule->name, 0, INT64_MAX, complaint);
    default: /* LINKS and SETTING_VALUES */
        return 1;
    }
}

/* The inputs of some owners, each by itself. */
static int check_each(const struct array *arrays, enum owner first, enum owner last,
                      char *complaint)
{
    for (int i = 0; i < INPUTS; i++)
        if (INPUT_RULES[i].owner >= first && INPUT_RULES[i].owner <= last &&
            !check_length(arrays, i, complaint))
            return 0;
    for (int i = 0; i < INPUTS; i++)
        if (INPUT_RULES[i].owner >= first && INPUT_RULES[i].owner <= last &&
            !check_values(arrays, i, complaint))
            return 0;
    return 1;
}

static void fill(const struct array *arrays, struct input *in)
{
#define INPUT(owner, name, type, length, values) in->name = arrays[INPUT_##name].data;
#define SIZE(name, array) in->name = size_of(arrays, SIZE_##name);
#include "inputs.def"
}

static int check_settings(const struct input *in, char *complaint)
{
#define SETTING(name, most)                                                                       \
    if (in->settings[SETTING_##name] < 0 || in->settings[SETTING_##name] > (most))                \
        return COMPLAIN("settings: " #name " is %lld and must be from 0 to %lld",                 \
                        (long long)in->settings[SETTING_##name], (long long)(most));
#include "inputs.def"
    return 1;
}

/* Whether a point lies in its launch, and its parent in the launch's parent, before it. */
static int has_right_parent(const struct input *in, int64_t point)
{
    int64_t launch = in->point_launch[point], parent = in->point_parent[point];
    if (point < in->launch_point[launch] || point >= in->launch_point[launch + 1])
        return 0;
    if (parent < 0)
        return in->launch_parent[launch] < 0;
    return parent < point && in->point_launch[parent] == in->launch_parent[launch];
}

/* A parent is planned before its children, and only children fold into the reduction of another. */
static int check_parents(const struct input *in, char *complaint)
{
    for (int64_t launch = 0; launch < in->launches; launch++)
        if (in->launch_parent[launch] >= launch)
            return COMPLAIN("launch_parent[%lld] is %lld and must be below it", (long long)launch,
                            (long long)in->launch_parent[launch]);
    for (int64_t point = 0; point < in->points; point++) {
        int64_t parent = in->point_parent[point];
        if (!has_right_parent(in, point))
            return COMPLAIN("point_parent[%lld] is %lld, which its launch %lld does not allow",
                            (long long)point, (long long)parent,
                            (long long)in->point_launch[point]);
        int64_t first = in->slot_start[in->point_requirement[point]];
        int64_t end = in->slot_start[in->point_requirement[point + 1]];
        for (int64_t i = first; i < end; i++)
            if (parent < 0 && in->fold_into[i] >= 0)
                return COMPLAIN("fold_into[%lld] is %lld and must be -1: its point has no parent",
                                (long long)i, (long long)in->fold_into[i]);
    }
    return 1;
}

static int check_atoms_ascend(const struct input *in, char *complaint)
{
    for (int64_t slot = 0; slot < in->slots; slot++)
        for (int64_t i = in->slot_atom_start[slot] + 1; i < in->slot_atom_start[slot + 1]; i++)
            if (in->slot_atom_values[i] <= in->slot_atom_values[i - 1])
                return COMPLAIN("slot_atom_values[%lld] is %lld and must be above %lld",
                                (long long)i, (long long)in->slot_atom_values[i],
                                (long long)in->slot_atom_values[i - 1]);
    return 1;
}

/* Whether a slot has all atoms of another; both are in ascending order. */
static int contains(const struct input *in, int64_t wider, int64_t slot)
{
    int64_t at = in->slot_atom_start[wider], end = in->slot_atom_start[wider + 1];
    for (int64_t i = in->slot_atom_start[slot]; i < in->slot_atom_start[slot + 1]; i++) {
        while (at < end && in->slot_atom_values[at] < in->slot_atom_values[i])
            at++;
        if (at == end || in->slot_atom_values[at] != in->slot_atom_values[i])
            return 0;
    }
    return 1;
}

static int check_wider(const struct input *in, char *complaint)
{
    for (int64_t slot = 0; slot < in->slots; slot++)
        for (int64_t i = in->wider_start[slot]; i < in->wider_start[slot + 1]; i++)
            if (!contains(in, in->wider_values[i], slot))
                return COMPLAIN("wider_values[%lld] is %lld, which does not contain slot %lld",
                                (long long)i, (long long)in->wider_values[i], (long long)slot);
    return 1;
}

/* The first of a kind of links is told for processor 0, which may have none: it can be negative. */
static int is_link(const struct input *in, int64_t first, int64_t scope, int64_t rank,
                   int64_t processor)
{
    if (first < -in->processors || first >= in->links)
        return 0;
    int64_t link = link_at(in, first, scope, rank, processor);
    return link >= 0 && link < in->links;
}

/* Every link of every path of a copy: each memory may be at either end of the routes of its kind. */
static int check_path_links(const struct input *in, const char *name, const int64_t *links,
                            const int64_t *scopes, const int64_t *sides, char *complaint)
{
    for (int64_t i = 0; i < ROUTES * MOST_LINKS; i++) {
        int64_t kinds = i / (WHERE_CODES * MOST_LINKS);
        int64_t kind = sides[i] ? kinds % MEMORY_KINDS : kinds / MEMORY_KINDS;
        for (int64_t m = 0; scopes[i] >= 0 && m < in->memories; m++)
            if (in->memory_kind[m] == kind &&
                !is_link(in, links[i], scopes[i], in->memory_rank[m], in->memory_owner[m]))
                return COMPLAIN("%s[%lld] is %lld, which leads memory %lld to no link", name,
                                (long long)i, (long long)links[i], (long long)m);
    }
    return 1;
}

static int check_route_links(const struct input *in, char *complaint)
{
    return check_path_links(in, "route_links", in->route_links, in->route_scopes, in->route_sides,
                            complaint) &&
           check_path_links(in, "flow_links", in->flow_links, in->flow_scopes, in->flow_sides,
                            complaint);
}

/* What is shared among copies has a rate, and copies that nothing holds up have an end. */
static int check_flows(const struct input *in, char *complaint)
{
    for (int64_t i = 0; i < ROUTES; i++)
        if (in->flow_above[i] > 0.0 && !(in->flow_rate[i] > 0.0))
            return COMPLAIN("flow_rate[%lld] is %g and must be above 0", (long long)i,
                            in->flow_rate[i]);
    return 1;
}

/* Algorithms have some bandwidth, and one of them can do all. */
static int check_algorithms(const struct input *in, char *complaint)
{
    int64_t rings = 0;
    for (int64_t i = 0; i < in->algorithms; i++) {
        rings += !in->algorithm_tree[i];
        if (!(in->algorithm_share[i] > 0.0))
            return COMPLAIN("algorithm_share[%lld] is %g and must be above 0", (long long)i,
                            in->algorithm_share[i]);
    }
    return rings > 0 || !in->settings[SETTING_collective] ||
           COMPLAIN("algorithm_tree must have a 0 where there are collective operations");
}

static int check_access_links(const struct input *in, char *complaint)
{
    for (int64_t i = 0; i < ACCESSES * MOST_LINKS; i++)
        for (int64_t p = 0; in->access_scopes[i] >= 0 && p < in->processors; p++) {
            if (in->processor_kind[p] != i / (MEMORY_KINDS * MOST_LINKS))
                continue;
            if (!is_link(in, in->access_links[i], in->access_scopes[i], in->processor_rank[p], p))
                return COMPLAIN("access_links[%lld] is %lld, which leads processor %lld to no link",
                                (long long)i, (long long)in->access_links[i], (long long)p);
        }
    return 1;
}

int check_prepared(const struct array arrays[INPUTS], struct input *in, char complaint[COMPLAINT])
{
    if (!check_each(arrays, PROGRAM, MACHINE, complaint))
        return 0;
    fill(arrays, in);
    /* There are no more queues under limits than points. */
    if (in->processors + in->ranks + in->links + in->points > MOST_OPERATIONS)
        return COMPLAIN("processor_kind, rank_node, link_bandwidth and point_launch are too long "
                        "together");
    return check_settings(in, complaint) && check_parents(in, complaint) &&
           check_atoms_ascend(in, complaint) && check_wider(in, complaint) &&
           check_route_links(in, complaint) && check_flows(in, complaint) &&
           check_algorithms(in, complaint) &&
           check_access_links(in, complaint);
}

int check_decisions(const struct array arrays[INPUTS], struct input *in,
                    char complaint[COMPLAINT])
{
    if (!check_each(arrays, DECISIONS, DECISIONS, complaint))
        return 0;
    fill(arrays, in);
    for (int64_t r = 0; r < in->requirements; r++) {
        if (in->memory[r] < 0 && in->slot_start[r] < in->slot_start[r + 1])
            return COMPLAIN("memory[%lld] is -1, but the requirement has data", (long long)r);
        if (in->layout[r] < 0 && in->memory[r] >= 0)
            return COMPLAIN("layout[%lld] is -1, but the requirement has a memory", (long long)r);
    }
    for (int64_t p = 0; p < in->points; p++)
        if (in->link_bytes[p] > 0.0 && in->link_memory[p] < 0)
            return COMPLAIN("link_memory[%lld] is -1, but link_bytes is above 0", (long long)p);
    return 1;
}
