/* The simulator's kernel: plans what Legion would do (plan.c) and gives it times (execute.c).
 *
 * All arrays come from Python as int64 or double; their meaning is written in
 * legion_bridge/simulation/kernel_arrays.py, in the same order as in `struct input`. Nothing here knows
 * Python; module.c does.
 */
#ifndef MAPPERTUNE_KERNEL_H
#define MAPPERTUNE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { READ_ONLY = 1, READ_WRITE = 2, WRITE_ONLY = 3, REDUCE = 4 };

enum status { PLANNED = 0, OUT_OF_MEMORY = 1, NO_HOST_MEMORY = 2, CYCLE = 3 };

/* What an operation is; see legion_bridge/simulation/kernel_arrays.py. */
enum kind { RUNTIME = 0, TASK = 1, COPY = 2, FOLD = 3, FILL = 4, JOIN = 5 };

/* Which instances will do for a requirement: one that covers its slot, made for the slot where there
 * is none; one of just the slot; one that covers it, made for the widest slot around it. */
enum extent { COVERING = 0, EXACT = 1, WHOLE = 2 };

enum { MOST_LINKS = 6, MEMORY_KINDS = 6, WHERE_CODES = 4 };

struct input {
    /* The program. */
    const int64_t *launch_point, *launch_parent, *launch_blocking, *launch_timed, *launch_joins;
    const int64_t *after_start, *after_values;
    const int64_t *point_launch, *point_parent, *point_requirement, *has_children;
    const int64_t *privilege, *slot_start, *slot_values, *fold_into;
    const int64_t *slot_atom_start, *slot_atom_values, *wider_start, *wider_values;
    const double *slot_bytes;
    const int64_t *slot_region;
    const double *atom_bytes;
    /* The decisions. */
    const int64_t *processor, *runtime_rank;
    const double *seconds, *link_bytes;
    const int64_t *link_memory, *memory, *place, *exact, *collect, *place_memory;
    const double *place_weight;
    const int64_t *roams;
    const int64_t *limit_queue, *limit_start, *queue_task;
    /* The machine. */
    const int64_t *processor_kind, *processor_rank;
    const int64_t *memory_kind, *memory_rank, *memory_owner;
    const double *memory_capacity;
    const int64_t *rank_node, *route_links, *route_scopes, *route_sides;
    const double *route_latency, *route_analysis, *link_bandwidth, *link_overhead;
    const int64_t *link_exclusive;
    const int64_t *access_links, *access_scopes;
    const double *access_bandwidth;
    const double *route_cost, *costs;
    const int64_t *settings;
    /* Lengths. */
    int64_t launches, points, requirements, occurrences, slots, atoms, places, queues;
    int64_t processors, memories, ranks, links;
};

/* Indices into `costs` and `settings`. */
enum { COST_LAUNCH, COST_POINT, COST_REQUIREMENT, COST_UNTRACED, COST_FOLD, COST_DOMAIN,
       COST_INSTANCE };
enum { SETUP_LAUNCHES, ITERATIONS, UNTRACED, MEASURED_FROM, RECORDED,
       SHARES_CORES };

/* Operations and the edges between them; arrays grow as needed. */
struct graph {
    int64_t operations, operation_room, edges, edge_room;
    int failed; /* no memory on the host */
    int64_t *kind, *place, *source, *point, *iteration, *region, *waits, *first_edge;
    int64_t *limit; /* the queue in which runtime work takes a place, or in which the end of
                       another operation frees one; or -1 */
    double *bytes, *seconds;
    int64_t *edge_next, *edge_target;
};

struct schedule {
    double *ready, *start, *end;
    int64_t *cause;
    double *link_busy, *link_bytes; /* in the measured iterations */
};

/* Writes the graph. On OUT_OF_MEMORY `failure` holds the requirement and the slot. `peak` has
 * room for one number a memory. */
enum status plan(const struct input *given, struct graph *graph, int64_t failure[2], double *peak);

/* Gives every operation its time. The caller frees what `schedule` points to. */
enum status execute(const struct input *given, const struct graph *graph,
                    struct schedule *schedule);

void free_graph(struct graph *graph);
void free_schedule(struct schedule *schedule);

/* Where a memory lies as seen from another: 0 the same, 1 the same rank, 2 the same node, 3 away. */
static inline int64_t where_code(const struct input *given, int64_t source, int64_t target)
{
    if (source == target)
        return 0;
    int64_t a = given->memory_rank[source], b = given->memory_rank[target];
    if (a == b)
        return 1;
    return given->rank_node[a] == given->rank_node[b] ? 2 : 3;
}

#endif
