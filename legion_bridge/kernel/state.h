/* The state of planning, and what its files have of each other.
 *
 * An *instance* holds one slot at one site (a memory and a layout). An *entry* is one atom in one
 * instance: validity, last writer and readers are kept for each. An *occurrence* is one slot of one
 * requirement of one point task; it may have a reduction instance of its own. A *transient* instance
 * is made for one task to read, and released later.
 */
#ifndef MAPPERTUNE_STATE_H
#define MAPPERTUNE_STATE_H

#include "kernel.h"

/* How long an instance lasts: until the memory is needed, for one task alone, or until nothing that
 * it holds is the newest value. */
enum life { STAYS = 0, ONE_TASK = 1, UNTIL_STALE = 2 };

struct instance {
    int32_t site, slot, entry; /* its first entry */
    int32_t valid;             /* how many of its entries hold the newest value */
    char alive, life;
    char given; /* to a collective operation of the launch that is being planned */
    double room; /* of one that goes: bytes of memory for each that a requirement copies into it */
};

struct entry {
    int32_t instance, writer, readers, next_holder;
    int32_t before;  /* the writer before a task that writes it now */
    int32_t lost_to; /* the last task that made it invalid */
    int32_t valid;
};

struct reduction {
    int64_t operation, left, memory; /* after which all is in it, atoms not folded yet, its memory */
    int64_t last;                    /* task or fold that added to it */
    int64_t first, join, lock;       /* after which nested tasks fold into it, all their folds, and
                                        what keeps these apart; join is -1 before the first */
};

/* First in, first out: a list of what was freed, or is to be, by numbers in an array. */
struct fifo {
    int64_t head, tail;
};

/* A transient instance after its task was planned: its bytes are the last to be given to others.
 * Under a limit that is when the next task gets the permit, which `turn` tells. */
struct deferred_release {
    int64_t next, instance, task, turn;
};

/* An atom that a memory needs, or reads, for a launch: in which column of its requirements. */
struct want {
    int32_t atom, memory, column;
    char needs, writes, served;
};

/* The wants of one atom, and what they have in common with those of others. */
struct portion {
    uint64_t key;
    int64_t first, end; /* wants */
    int32_t group;
};

/* A memory that takes part in a collective operation. */
struct participant {
    int32_t node, memory, operation, delivered; /* after which it has all that it gets */
    char adds, reads, joined;
    char elsewhere; /* of a replica that another stands for: it has no operation */
    double owned, held, needed; /* bytes of the sums, and of the values, that it is to have or has */
    double near, far;           /* that it moves inside its node, and over the network */
};

/* A collective operation: portions that are moved together. */
struct group {
    int64_t first, end, first_participant, participants;
    int64_t start, sent; /* before all, and after those that only give; -1 before it is begun */
    int64_t done;        /* after all */
    int64_t algorithm;
    double latency;
    char summed;
};

/* An entry that a collective operation takes a value from, and when all have got it. */
struct given {
    int64_t entry, done;
};

/* What the points of a launch get together. */
struct gathering {
    int64_t wants, portions, groups, participants, gifts, spent;
    int64_t want_capacity, portion_capacity, group_capacity, participant_capacity;
    int64_t given_capacity, freed_capacity;
    struct want *want;
    struct portion *portion;
    struct group *group;
    struct participant *participant;
    struct given *given; /* is in use by those who get it, once the launch is planned */
    struct freed *freed; /* comes free once the launch is planned */
};

struct state {
    const struct input *in;
    int64_t iteration; /* the next to be planned; the setup is -1 */
    struct graph *graph;
    double *used, *idle, *peak; /* bytes by memory, in mapping order; idle: used, but freed */
    int64_t *instance_of; /* [sites * slots] */
    struct instance *instances;
    struct entry *entries;
    int64_t instance_count, entry_count;
    int32_t *atom_holder;
    int64_t *atom_pending;
    int64_t *occurrence_atom; /* first atom of each occurrence, numbered through */
    int64_t *pending_next, *pending_occurrence; /* -1 where an atom is not pending */
    int64_t *spent_by; /* the fold, or the write, that used up an atom of a reduction last */
    struct reduction *reductions;
    int64_t *transient_of; /* [occurrences] the transient instance of it, or -1 */
    struct deferred_release *deferred;
    int64_t deferred_count;
    struct fifo *deferred_in, *deferred_behind; /* [memories], [queues] */
    struct lists *lists;
    int64_t allocation_head; /* what the current requirement's memory waits for */
    int64_t limit_queue;     /* of the current point, or -1 */
    struct fifo *freed_in, *kept_by;              /* [memories], [queues] */
    int64_t *passed;                              /* [queues] points so far */
    int64_t *merged_key, *merged_operation, merged; /* copies and folds of a requirement */
    int64_t *execution, *complete, *last_child, *last_on_rank;
    double *owed; /* runtime seconds that the next point of a rank pays */
    double factor; /* on the runtime's work: 1 in a trace */
    char replays;   /* a trace whose mapping was recorded */
    char collected; /* an instance was, in this iteration or, as one begins, in that before */
    char stale;     /* whether there are instances that last until they are stale */
    char untracked; /* what the current requirement reads is not recorded as valid where it does */
    int64_t *join, blocked;
    int64_t fence; /* after which all of this iteration runs, or -1 */
    int64_t *new_join, *sibling_join; /* of this iteration so far; of what one parent point made */
    int64_t *next_point, *first_child, *next_sibling; /* [launches] */
    int64_t *last_in_queue; /* [queues] the last analysis under a limit */
    char in_turn;     /* permits go in the order of planning */
    char depth_first; /* nested launches are planned with the point that makes them */
    int64_t first_of_launch; /* the first operation of the launch that is being planned */
    int64_t failed_requirement, failed_slot;
    struct gathering gathering;
    int32_t *atom_portion; /* [atoms] of what is got together, or -1 */
    char not_alike;        /* replicas are not alike in what they have in common */
};

/* graph.c */
void *grown(void *array, size_t size, int64_t capacity, int *failed);
void grow_operations(struct graph *graph);
void grow_edges(struct graph *graph);
int32_t add(struct state *state, struct pool *pool, int64_t head, int64_t operation);
int64_t join_after(struct graph *graph, int64_t first, int64_t last, int64_t other);

static inline int64_t new_operation(struct graph *graph, enum kind kind, int64_t place,
                                    double seconds, int64_t point, int64_t iteration)
{
    if (graph->operations == graph->operation_capacity)
        grow_operations(graph);
    if (graph->failed)
        return 0;
    int64_t number = graph->operations++;
    graph->operation[number] = (struct operation){.seconds = seconds,
                                                  .kind = (int32_t)kind,
                                                  .place = (int32_t)place,
                                                  .source = -1,
                                                  .point = (int32_t)point,
                                                  .iteration = (int32_t)iteration,
                                                  .region = -1,
                                                  .limit = -1,
                                                  .lock = -1,
                                                  .first_edge = -1};
    return number;
}

/* One operation waits for another. Most of those that are told twice are told in a row: for each atom
 * that two have in common. */
static inline void edge(struct graph *graph, int64_t before, int64_t after)
{
    if (before < 0 || before == after || graph->failed)
        return;
    struct operation *from = &graph->operation[before];
    if (from->first_edge >= 0 && graph->edge[from->first_edge].target == after)
        return;
    if (graph->edges == graph->edge_capacity) {
        grow_edges(graph);
        if (graph->failed)
            return;
    }
    graph->edge[graph->edges] = (struct edge){from->first_edge, (int32_t)after};
    from->first_edge = (int32_t)graph->edges++;
    graph->operation[after].waits++;
}

/* instances.c */
int64_t memory_of(const struct state *state, int64_t entry);
int64_t region_of(const struct state *state, int64_t entry);
int64_t search_entry(const struct state *state, const struct instance *instance, int64_t atom);
void invalidate(struct state *state, int64_t atom);
void overwrite(struct state *state, int64_t atom, int64_t number, int64_t task);
void hold(struct state *state, int64_t atom, int64_t number);
void read_by(struct state *state, int64_t entry, int64_t operation);
void after_users(const struct state *state, int64_t number, int64_t operation);
void after_readers(struct state *state, int64_t number, int64_t operation);
int64_t nearest(const struct state *state, int64_t atom, int64_t target);
int64_t find(const struct state *state, int64_t site, int64_t slot, int64_t exact);
int64_t reset_instance(struct state *state, int64_t *known, int64_t site, int64_t slot,
                       enum life life);
int64_t make(struct state *state, int64_t site, int64_t slot);

/* memory.c */
void free_after(struct state *state, int64_t memory, double bytes, int64_t operation);
void free_transient(struct state *state, int64_t memory, double bytes, int64_t operation);
void release_before(struct state *state, int64_t queue);
void release_all(struct state *state);
void collect_stale(struct state *state, int64_t site, int64_t slot);
int allocate(struct state *state, int64_t memory, double bytes);
int allocate_transient(struct state *state, int64_t memory, double bytes);

/* transfers.c */
int64_t operation_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                      int64_t analysis, int64_t region);
int64_t transfer_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                     int64_t analysis, int64_t region);
void carry(struct state *state, int64_t operation, double bytes, double weight);
void carry_sums(struct state *state, int64_t fold, double bytes);
void spend(struct state *state, int64_t node, int64_t operation, int later);
int64_t due(const struct state *state, int64_t atom);
int64_t take_due(struct state *state, int64_t atom);
void discard(struct state *state, int64_t atom);
void bring(struct state *state, int64_t atom, int64_t number, int64_t task, int64_t analysis);

/* collectives.c */
void gather(struct state *state, int64_t first_point, int64_t end_point);
void scatter(struct state *state);
void free_later(struct state *state, int64_t memory, double bytes, int64_t operation);
int take_part(struct state *state, int64_t atom, int64_t number, int64_t task, int64_t analysis);
void free_gathering(struct gathering *of);

/* reductions.c */
int reduce(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
           int64_t analysis);

/* requirements.c */
enum status require(struct state *state, int64_t requirement, int64_t task, int64_t analysis);
int64_t slot_to_make(const struct input *in, int64_t requirement, int64_t slot);
void defer_releases(struct state *state, int64_t requirement, int64_t task);

/* The entry in an instance of an atom, which is at a position in a slot. */
static inline int64_t entry_of(const struct state *state, int64_t number, int64_t slot,
                               int64_t position)
{
    const struct instance *instance = &state->instances[number];
    const struct input *in = state->in;
    if (instance->slot == slot)
        return instance->entry + position - in->slot_atom_start[slot];
    return search_entry(state, instance, in->slot_atom_values[position]);
}

#endif
