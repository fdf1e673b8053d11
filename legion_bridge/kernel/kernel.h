/* The simulator's kernel: plans what Legion would do (plan.c) and gives it times (execute.c).
 *
 * All arrays come from Python as int64 or double; inputs.def lists them, inputs.c checks them.
 * Nothing here knows Python; module.c does.
 */
#ifndef MAPPERTUNE_KERNEL_H
#define MAPPERTUNE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { READ_ONLY = 1, READ_WRITE = 2, WRITE_ONLY = 3, REDUCE = 4 };

enum status { PLANNED = 0, OUT_OF_MEMORY = 1, NO_HOST_MEMORY = 2, CYCLE = 3, NOT_ALIKE = 4 };

/* What an operation is; see legion_bridge/simulation/kernel_arrays.py. */
enum kind { RUNTIME = 0, TASK = 1, COPY = 2, FOLD = 3, FILL = 4, JOIN = 5, COLLECTIVE = 6 };

/* Which instances will do for a requirement: one that covers its slot, made for the slot where there
 * is none; one of just the slot; one that covers it, made for the widest slot around it. */
enum extent { COVERING = 0, EXACT = 1, WHOLE = 2 };

/* Whether data that is only read is collected: never, as soon as the task has read it, or as soon as
 * it was overwritten. */
enum collection { KEPT = 0, AT_ONCE = 1, WHEN_STALE = 2 };

/* Whose a link is; see flat_machine.py. */
enum { SCOPE_PROCESSOR = 0, SCOPE_RANK = 1, SCOPE_NODE = 2, SCOPES };

enum {
    PRIVILEGES = 5,
    EXTENTS = 3,
    PROCESSOR_KINDS = 6,
    MEMORY_KINDS = 6,
    WHERE_CODES = 4,
    MOST_LINKS = 6, /* on the path of a copy, or of a task to a memory */
    ROUTES = MEMORY_KINDS * MEMORY_KINDS * WHERE_CODES,
    ACCESSES = PROCESSOR_KINDS * MEMORY_KINDS,
    MOST_ITERATIONS = 1 << 20,
    MOST_OPERATIONS = 1 << 30, /* and edges, and resources: they are counted in 32 bits */
};

/* Iterations: how many there are, and which of them are measured. */
struct window {
    int64_t first, end, iterations;
};

/* What follows from the decisions: derived.c. A *site* is a memory and a layout together, where an
 * instance can be; a *queue* is of the points of one task and one origin, under an instance limit. */
struct derived {
    int64_t sites, queues;
    int64_t *site, *site_memory, *site_layout; /* [requirements], or -1 without data; [sites] */
    int64_t *runtime_rank;                     /* [points] the rank that analyses and maps each */
    int64_t *limit_queue;                      /* [points] or -1 */
    int64_t *limit_size, *queue_task;          /* [queues] points that may be under way; the task */
    int64_t *room, capacity;                   /* where all of these lie */
};

/* The arrays, how many there are of what they are about, and the names of single elements. */
struct input {
#define INPUT(owner, name, type, length, values) const type *name;
#define SIZE(name, array) int64_t name;
#include "inputs.def"
    struct window window;
    struct derived derived;
};

enum {
#define COST(name) COST_##name,
#include "inputs.def"
    COSTS
};

enum {
#define SETTING(name, most) SETTING_##name,
#include "inputs.def"
    SETTINGS
};

/* An edge to an operation that waits, in the list of those from one. */
struct edge {
    int32_t next, target;
};

/* One operation. It fills a cache line, as most of it is asked for together. That of a collective
 * operation moves `bytes` inside its node and `load` over the network, and has the number of the algorithm
 * in the place of a lock. */
struct operation {
    double bytes, seconds;
    double load; /* bytes that a copy or fold counts for in time: by layouts, or fresh memory */
    int32_t kind, place, source, point, iteration, region;
    int32_t limit; /* the queue from which runtime work takes a permit, or to which the end of another
                      operation returns one; or -1 */
    int32_t lock;  /* of folds that exclude each other, in whichever order they come; or -1 */
    int32_t waits, first_edge;
};

/* Operations and the edges between them; arrays grow as needed. */
struct graph {
    int64_t operations, operation_capacity, edges, edge_capacity, locks;
    int failed; /* no memory on the host */
    struct operation *operation;
    struct edge *edge;
};

/* When an operation is ready, starts and ends; what it waited for last, and for how many it waits. */
struct timing {
    double ready, start, end;
    int32_t cause, waits;
};

/* An operation began to wait for a resource; what it waits for next, or its start, is the end of it. */
struct wait {
    int64_t operation;
    int64_t for_permit; /* under an instance limit */
    int64_t cause;      /* what it had waited for until then, or -1 */
    double since;
};

struct schedule {
    int64_t capacity; /* of the arrays by operation */
    struct timing *timing;
    int32_t *next_waiting;
    double *link_busy, *link_bytes; /* in the measured iterations */
    int64_t wait_count, wait_capacity;
    struct wait *wait; /* in the order in which they began; none unless traced */
    /* Seconds that the busiest processor, runtime or link works for what the program's clock runs
     * for, or all cores of a rank together, divided by their number, where the runtime shares them: in the measured iterations, and in as many up to the last that there is. */
    double busiest, busiest_at_last;
};

/* Operations in linked lists. */
struct pool {
    int64_t used, capacity;
    struct listed {
        int32_t operation, next;
    } *listed;
};

/* Bytes of a memory that come free when an operation ends. */
struct freed {
    int64_t next, operation, memory;
    double bytes;
};

/* The lists of a plan. They grow as needed; a later plan writes them anew. */
struct lists {
    struct pool readers, allocation;
    struct freed *freed;
    int64_t freed_count, freed_capacity;
};

/* The links on a path, bytes a second of the slowest, and seconds before the first byte. */
struct link_path {
    int64_t links[MOST_LINKS], count;
    double slowest, latency;
};

/* Fills in what follows from the decisions, in the memory that it has; 0 without memory. */
int derive(struct input *in);
/* Whether two processors are of the same kind and rank. */
int are_alike(const struct input *in, int64_t a, int64_t b);

/* Begins a plan: graph and lists are written anew, in the memory that they have. `peak` is as long as there are
 * memories. `in_turn`: permits go in the order of planning, and nested launches are planned with the
 * points that make them, where limits hold for these. NULL without memory. */
struct state *open_plan(const struct input *in, int in_turn, struct graph *graph,
                        struct lists *lists, double *peak);

/* Goes on with a plan until all iterations are planned that there are by now. On OUT_OF_MEMORY
 * `failure` holds the requirement and the slot. */
enum status plan(struct state *state, int64_t failure[2]);
void close_plan(struct state *state);

/* Gives every operation its time, in the memory that `schedule` has; `traced`: notes waits. */
enum status execute(const struct input *in, const struct graph *graph,
                    struct schedule *schedule, int traced);

void free_graph(struct graph *graph);
void free_lists(struct lists *lists);
void free_schedule(struct schedule *schedule);

/* The link of a processor, a rank or its node, by the first of its kind. */
static inline int64_t link_at(const struct input *in, int64_t first, int64_t scope, int64_t rank,
                              int64_t processor)
{
    if (scope == SCOPE_PROCESSOR)
        return first + processor;
    return first + (scope == SCOPE_RANK ? rank : in->rank_node[rank]);
}

/* Of two that are numbers: fmin and fmax are calls, as they must heed what is none. */
static inline double smaller(double a, double b)
{
    return a < b ? a : b;
}

static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

static inline int64_t atoms_of(const struct input *in, int64_t slot)
{
    return in->slot_atom_start[slot + 1] - in->slot_atom_start[slot];
}

enum { WHERE_RANK = 1, WHERE_NETWORK = WHERE_CODES - 1 };

/* Where a memory lies as seen from another: 0 the same, 1 the same rank, 2 the same node, 3 away. */
static inline int64_t where_code(const struct input *in, int64_t source, int64_t target)
{
    if (source == target)
        return 0;
    int64_t a = in->memory_rank[source], b = in->memory_rank[target];
    if (a == b)
        return 1;
    return in->rank_node[a] == in->rank_node[b] ? 2 : WHERE_NETWORK;
}

#endif
