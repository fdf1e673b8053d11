/* What follows from the decisions, before anything is planned: sites, ranks, and queues under limits. */
#include "kernel.h"

#include <stdlib.h>

/* Room for some integers more. */
static int64_t *part(int64_t **next, int64_t count)
{
    int64_t *found = *next;
    *next += count;
    return found;
}

/* Numbers the marked elements of a table in their order; returns how many there are. */
static int64_t number_marked(int64_t *table, int64_t count)
{
    int64_t marked = 0;
    for (int64_t i = 0; i < count; i++)
        table[i] = table[i] ? marked++ : -1;
    return marked;
}

/* Sites are numbered by memory, then by layout. */
static void derive_sites(const struct input *in, struct derived *derived, int64_t *table)
{
    int64_t layouts = in->layouts, pairs = in->memories * layouts;
    for (int64_t i = 0; i < pairs; i++)
        table[i] = 0;
    for (int64_t r = 0; r < in->requirements; r++)
        if (in->memory[r] >= 0)
            table[in->memory[r] * layouts + in->layout[r]] = 1;
    derived->sites = number_marked(table, pairs);
    for (int64_t i = 0; i < pairs; i++)
        if (table[i] >= 0) {
            derived->site_memory[table[i]] = i / layouts;
            derived->site_layout[table[i]] = i % layouts;
        }
    for (int64_t r = 0; r < in->requirements; r++)
        derived->site[r] =
            in->memory[r] < 0 ? -1 : table[in->memory[r] * layouts + in->layout[r]];
}

/* The rank whose runtime analyses each point: where its parent runs, else where it runs. */
static void derive_ranks(const struct input *in, struct derived *derived)
{
    for (int64_t point = 0; point < in->points; point++) {
        int64_t parent = in->point_parent[point];
        int64_t runner = in->processor[parent < 0 ? point : parent];
        derived->runtime_rank[point] = in->processor_rank[runner];
    }
}

/* Whether a launch is made by a task of the same name, or by one that such a task launched. It counts
 * as part of that, as it does for the real mapper: it would wait for ever. */
static int is_below_its_like(const struct input *in, int64_t launch)
{
    int64_t above = in->launch_parent[launch];
    while (above >= 0 && in->launch_task[above] != in->launch_task[launch])
        above = in->launch_parent[above];
    return above >= 0;
}

int are_alike(const struct input *in, int64_t a, int64_t b)
{
    return in->processor_kind[a] == in->processor_kind[b] &&
           in->processor_rank[a] == in->processor_rank[b];
}

/* The processor that a point's launch comes from; the top-level task has one of its own on each
 * rank. A task that no map places is taken to launch from the first of its processors: short ones
 * mostly run there, for it is free again when the next one comes. */
static int64_t origin_of(const struct input *in, int64_t point)
{
    int64_t parent = in->point_parent[point];
    if (parent < 0)
        return in->processors + in->processor_rank[in->processor[point]];
    int64_t origin = in->processor[parent];
    while (in->unpinned[parent] && origin > 0 && are_alike(in, origin - 1, origin))
        origin--;
    return origin;
}

/* Queues are numbered by task, then by origin. */
static void derive_queues(const struct input *in, struct derived *derived, int64_t *table)
{
    int64_t origins = in->processors + in->ranks, pairs = in->launches * origins;
    for (int64_t i = 0; i < pairs; i++)
        table[i] = 0;
    for (int64_t launch = 0; launch < in->launches; launch++) {
        if (in->limit[launch] == 0 || is_below_its_like(in, launch))
            continue;
        for (int64_t p = in->launch_point[launch]; p < in->launch_point[launch + 1]; p++) {
            int64_t pair = in->launch_task[launch] * origins + origin_of(in, p);
            derived->limit_queue[p] = pair;
            table[pair] = 1;
        }
    }
    derived->queues = number_marked(table, pairs);
    for (int64_t p = 0; p < in->points; p++) {
        int64_t pair = derived->limit_queue[p];
        if (pair < 0)
            continue;
        int64_t queue = derived->limit_queue[p] = table[pair];
        derived->limit_size[queue] = in->limit[in->point_launch[p]];
        derived->queue_task[queue] = pair / origins;
    }
}

static int has_limits(const struct input *in)
{
    for (int64_t launch = 0; launch < in->launches; launch++)
        if (in->limit[launch] != 0)
            return 1;
    return 0;
}

int derive(struct input *in)
{
    struct derived *derived = &in->derived;
    int limited = has_limits(in);
    int64_t pairs = in->memories * in->layouts;
    int64_t sites = pairs < in->requirements ? pairs : in->requirements;
    int64_t queues = limited ? in->points : 0;
    int64_t table = limited ? in->launches * (in->processors + in->ranks) : 0;
    table = table > pairs ? table : pairs;
    int64_t capacity = in->requirements + 2 * sites + 2 * in->points + 2 * queues + table + 1;
    if (derived->capacity < capacity) {
        free(derived->room);
        derived->room = malloc(sizeof *derived->room * (size_t)capacity);
        derived->capacity = derived->room == NULL ? 0 : capacity;
    }
    if (derived->room == NULL)
        return 0;
    int64_t *next = derived->room;
    derived->site = part(&next, in->requirements);
    derived->site_memory = part(&next, sites);
    derived->site_layout = part(&next, sites);
    derived->runtime_rank = part(&next, in->points);
    derived->limit_queue = part(&next, in->points);
    derived->limit_size = part(&next, queues);
    derived->queue_task = part(&next, queues);
    for (int64_t point = 0; point < in->points; point++)
        derived->limit_queue[point] = -1;
    derived->queues = 0;
    derive_sites(in, derived, next);
    derive_ranks(in, derived);
    if (limited)
        derive_queues(in, derived, next);
    return 1;
}
