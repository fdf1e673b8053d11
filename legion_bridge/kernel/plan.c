/* Planning: from decisions to the operation graph, in program order.
 *
 * This is what Legion's dependence analysis, mapping and physical analysis come to. Each point task
 * finds or makes instances in the memories that the mapper chose; copies are issued from the
 * nearest valid instance; reductions go to instances of their own and are folded in by the next
 * reader; writers wait for the readers of the instance that they write.
 *
 * An *instance* holds one slot at one place (a memory and a layout). An *entry* is one atom in one
 * instance: validity, last writer and readers are kept for each. An *occurrence* is one slot of one
 * requirement of one point task; it may have a reduction instance of its own.
 */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A linked list of operations, in a pool that grows. */
struct pool {
    int64_t used, room;
    int64_t *operation, *next;
};

struct instance {
    int64_t place, slot, entry; /* its first entry */
    int64_t valid;              /* how many of its entries hold the newest value */
    char alive;
    char apart; /* made for one task, to go after it */
};

struct entry {
    int64_t instance, writer, readers, next_holder;
    char valid;
};

struct reduction {
    int64_t operation, left, memory; /* the last task, atoms not folded yet, where it lies */
};

struct freed {
    int64_t next, operation, memory;
    double bytes;
};

/* A queue of room that was freed, by its numbers in the array. */
struct room {
    int64_t head, tail;
};

/* An instance that was made apart, after its task was planned: until its room is needed, others copy
 * from it. Under a limit that is when the next task takes the place, which `turn` tells. */
struct lingering {
    int64_t next, instance, task, turn;
};

struct state {
    const struct input *given;
    struct graph *graph;
    double *used, *idle, *peak; /* bytes by memory, in mapping order; idle: used, but freed */
    int64_t *instance_of; /* [places * slots] */
    struct instance *instances;
    struct entry *entries;
    int64_t instance_count, entry_count;
    int64_t *atom_holder, *atom_pending;
    int64_t *occurrence_atom; /* first atom of each occurrence, numbered through */
    int64_t *pending_next, *pending_occurrence; /* -1 where an atom is not pending */
    int64_t *spent_by; /* the fold, or the write, that used up an atom of a reduction last */
    struct reduction *reductions;
    int64_t *apart_of; /* [occurrences] the instance that was made apart for it, or -1 */
    struct lingering *lingering;
    int64_t lingering_count;
    struct room *lingers_in, *lingers_behind; /* [memories], [queues] */
    struct pool readers, allocation; /* allocation: what the current requirement's room waits for */
    int64_t allocation_head;
    struct freed *freed;
    int64_t freed_count, freed_room, limit_queue; /* of the current point, or -1 */
    struct room *freed_in, *kept_by;              /* [memories], [queues] */
    int64_t *passed;                              /* [queues] points so far */
    int64_t *merged_key, *merged_operation, merged; /* copies and folds of a requirement */
    int64_t *execution, *complete, *last_child, *last_on_rank;
    double *owed; /* runtime seconds that the next point of a rank pays */
    double factor; /* on the runtime's work: 1 in a trace */
    int64_t *join, blocked;
    int64_t failed_requirement, failed_slot;
};

static int grow(void **array, size_t size, int64_t room)
{
    void *larger = realloc(*array, size * (size_t)room);
    if (larger == NULL)
        return 0;
    *array = larger;
    return 1;
}

static int grow_operations(struct graph *graph)
{
    int64_t room = graph->operation_room ? 2 * graph->operation_room : 1024;
    int64_t **ints[] = {&graph->kind,      &graph->place,  &graph->source, &graph->point,
                        &graph->iteration, &graph->region, &graph->waits,  &graph->first_edge,
                        &graph->frees};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (!grow((void **)ints[i], sizeof(int64_t), room))
            return 0;
    if (!grow((void **)&graph->bytes, sizeof(double), room) ||
        !grow((void **)&graph->seconds, sizeof(double), room))
        return 0;
    graph->operation_room = room;
    return 1;
}

static int64_t new_operation(struct graph *graph, enum kind kind, int64_t place, double seconds,
                             int64_t point, int64_t iteration)
{
    if (graph->operations == graph->operation_room && !grow_operations(graph)) {
        graph->failed = 1;
        return 0;
    }
    int64_t number = graph->operations++;
    graph->kind[number] = kind;
    graph->place[number] = place;
    graph->source[number] = -1;
    graph->bytes[number] = 0.0;
    graph->seconds[number] = seconds;
    graph->point[number] = point;
    graph->iteration[number] = iteration;
    graph->region[number] = -1;
    graph->waits[number] = 0;
    graph->first_edge[number] = -1;
    graph->frees[number] = -1;
    return number;
}

static void edge(struct graph *graph, int64_t before, int64_t after)
{
    if (before < 0 || before == after || graph->failed)
        return;
    if (graph->edges == graph->edge_room) {
        int64_t room = graph->edge_room ? 2 * graph->edge_room : 4096;
        if (!grow((void **)&graph->edge_next, sizeof(int64_t), room) ||
            !grow((void **)&graph->edge_target, sizeof(int64_t), room)) {
            graph->failed = 1;
            return;
        }
        graph->edge_room = room;
    }
    int64_t number = graph->edges++;
    graph->edge_target[number] = after;
    graph->edge_next[number] = graph->first_edge[before];
    graph->first_edge[before] = number;
    graph->waits[after]++;
}

/* Puts an operation at the head of a list in a pool; returns the new head. */
static int64_t add(struct state *state, struct pool *pool, int64_t head, int64_t operation)
{
    if (pool->used == pool->room) {
        int64_t room = pool->room ? 2 * pool->room : 1024;
        if (!grow((void **)&pool->operation, sizeof(int64_t), room) ||
            !grow((void **)&pool->next, sizeof(int64_t), room)) {
            state->graph->failed = 1;
            return head;
        }
        pool->room = room;
    }
    int64_t number = pool->used++;
    pool->operation[number] = operation;
    pool->next[number] = head;
    return number;
}

/* What ends when two operations have ended: `last`, which is the `first` of them so far or stands
 * for several, and another. */
static int64_t both(struct graph *graph, int64_t first, int64_t last, int64_t other)
{
    if (other < 0 || other == first)
        return last;
    if (last == first) {
        last = new_operation(graph, JOIN, 0, 0.0, graph->point[first], graph->iteration[first]);
        edge(graph, first, last);
    }
    edge(graph, other, last);
    return last;
}

/* An operation on behalf of the point task that was analysed, once that is done. */
static int64_t operation_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                             int64_t analysis, int64_t region)
{
    struct graph *graph = state->graph;
    int64_t point = graph->point[analysis], iteration = graph->iteration[analysis];
    int64_t number = new_operation(graph, kind, target, 0.0, point, iteration);
    graph->source[number] = source;
    graph->region[number] = region;
    edge(graph, analysis, number);
    for (int64_t i = state->allocation_head; i >= 0; i = state->allocation.next[i])
        edge(graph, state->allocation.operation[i], number);
    return number;
}

/* A copy or fold, whose planning is part of the analysis. */
static int64_t transfer_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                            int64_t analysis, int64_t region)
{
    const struct input *given = state->given;
    int64_t kinds = given->memory_kind[source] * MEMORY_KINDS + given->memory_kind[target];
    int64_t at = kinds * WHERE_CODES + where_code(given, source, target);
    state->graph->seconds[analysis] += state->factor * given->route_analysis[at];
    return operation_for(state, kind, source, target, analysis, region);
}

/* Entries and their validity. */

static int64_t memory_of(const struct state *state, int64_t entry)
{
    const struct instance *instance = &state->instances[state->entries[entry].instance];
    return state->given->place_memory[instance->place];
}

static int64_t region_of(const struct state *state, int64_t entry)
{
    return state->given->slot_region[state->instances[state->entries[entry].instance].slot];
}

/* The entry of an atom in an instance; the atoms of a slot are in ascending order. */
static int64_t entry_of(const struct state *state, int64_t instance, int64_t atom)
{
    const struct input *given = state->given;
    int64_t slot = state->instances[instance].slot;
    int64_t first = given->slot_atom_start[slot];
    int64_t low = first, high = given->slot_atom_start[slot + 1];
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (given->slot_atom_values[middle] < atom)
            low = middle + 1;
        else
            high = middle;
    }
    return state->instances[instance].entry + low - first;
}

/* No instance holds the newest value of the atom any more. */
static void invalidate(struct state *state, int64_t atom)
{
    for (int64_t i = state->atom_holder[atom]; i >= 0; i = state->entries[i].next_holder) {
        state->entries[i].valid = 0;
        state->instances[state->entries[i].instance].valid--;
    }
    state->atom_holder[atom] = -1;
}

/* The entry now holds the newest value of the atom. */
static void hold(struct state *state, int64_t atom, int64_t number)
{
    struct entry *entry = &state->entries[number];
    if (entry->valid)
        return;
    entry->valid = 1;
    entry->next_holder = state->atom_holder[atom];
    state->atom_holder[atom] = number;
    state->instances[entry->instance].valid++;
}

/* Takes one entry out of the list of an atom's valid ones. */
static void let_go(struct state *state, int64_t atom, int64_t number)
{
    int64_t *link = &state->atom_holder[atom];
    while (*link != number)
        link = &state->entries[*link].next_holder;
    *link = state->entries[number].next_holder;
    state->entries[number].valid = 0;
    state->instances[state->entries[number].instance].valid--;
}

static void read_by(struct state *state, int64_t entry, int64_t operation)
{
    struct entry *read = &state->entries[entry];
    read->readers = add(state, &state->readers, read->readers, operation);
}

/* An operation that overwrites an entry waits for all that read it, and for who wrote it. */
static void after_readers(struct state *state, int64_t number, int64_t operation)
{
    struct entry *entry = &state->entries[number];
    for (int64_t i = entry->readers; i >= 0; i = state->readers.next[i])
        edge(state->graph, state->readers.operation[i], operation);
    edge(state->graph, entry->writer, operation);
    entry->readers = -1;
}

/* The valid entry of an atom from which it reaches a memory soonest; the oldest of equals. */
static int64_t nearest(const struct state *state, int64_t atom, int64_t target)
{
    const struct input *given = state->given;
    int64_t best = -1;
    double best_cost = INFINITY;
    for (int64_t i = state->atom_holder[atom]; i >= 0; i = state->entries[i].next_holder) {
        int64_t source = memory_of(state, i);
        int64_t kinds = given->memory_kind[source] * MEMORY_KINDS + given->memory_kind[target];
        int64_t at = (kinds * WHERE_CODES + where_code(given, source, target)) * 2;
        double cost = given->route_cost[at] + given->route_cost[at + 1] * given->atom_bytes[atom];
        if (cost <= best_cost) {
            best = i;
            best_cost = cost;
        }
    }
    return best;
}

/* Room in memories, in mapping order. */

static void append(struct state *state, struct room *room, int64_t number)
{
    state->freed[number].next = -1;
    if (room->head >= 0)
        state->freed[room->tail].next = number;
    else
        room->head = number;
    room->tail = number;
}

/* Room that comes free when an operation ends. */
static int64_t new_room(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    if (state->freed_count == state->freed_room) {
        int64_t room = state->freed_room ? 2 * state->freed_room : 256;
        if (!grow((void **)&state->freed, sizeof *state->freed, room)) {
            state->graph->failed = 1;
            return -1;
        }
        state->freed_room = room;
    }
    state->freed[state->freed_count] = (struct freed){-1, operation, memory, bytes};
    return state->freed_count++;
}

/* Lets others have room once an operation has ended. */
static void free_after(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    int64_t number = new_room(state, memory, bytes, operation);
    if (number < 0)
        return;
    state->idle[memory] += bytes;
    append(state, &state->freed_in[memory], number);
}

/* Takes as much as is needed, at most, of the room that was freed first; its next user waits for
 * it. Returns how much it was. */
static double take_first(struct state *state, struct room *room, double needed)
{
    struct freed *freed = &state->freed[room->head];
    double taken = fmin(freed->bytes, fmax(needed, 1.0)); /* whole bytes: the loop comes to an end */
    freed->bytes -= taken;
    state->allocation_head =
        add(state, &state->allocation, state->allocation_head, freed->operation);
    if (freed->bytes <= 0.0)
        room->head = freed->next;
    return taken;
}

/* Deletes the oldest instance that holds no valid data, as Legion's collector does under pressure;
 * 0 where there is none. */
static int evict(struct state *state, int64_t memory)
{
    const struct input *given = state->given;
    for (int64_t i = 0; i < state->instance_count; i++) {
        struct instance *instance = &state->instances[i];
        if (!instance->alive || instance->apart || instance->valid > 0 ||
            given->place_memory[instance->place] != memory)
            continue;
        instance->alive = 0;
        int64_t last = new_operation(state->graph, JOIN, memory, 0.0, 0, -1);
        int64_t atoms = given->slot_atom_start[instance->slot + 1] -
                        given->slot_atom_start[instance->slot];
        for (int64_t position = 0; position < atoms; position++)
            after_readers(state, instance->entry + position, last);
        free_after(state, memory, given->slot_bytes[instance->slot], last);
        return 1;
    }
    return 0;
}

/* Keeps room for the next task in a queue. */
static void keep_room(struct state *state, int64_t queue, int64_t memory, double bytes,
                      int64_t operation)
{
    struct room *kept = &state->kept_by[queue];
    while (kept->head >= 0 && state->freed[kept->head].memory != memory) { /* it went elsewhere */
        int64_t number = kept->head;
        struct freed other = state->freed[number];
        kept->head = other.next;
        state->idle[other.memory] += other.bytes;
        append(state, &state->freed_in[other.memory], number);
    }
    int64_t number = new_room(state, memory, bytes, operation);
    if (number >= 0)
        append(state, kept, number);
}

/* Gives back what allocate_apart took. */
static void free_apart(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    if (state->limit_queue < 0)
        free_after(state, memory, bytes, operation);
    else
        keep_room(state, state->limit_queue, memory, bytes, operation);
}

/* The first instance in a line is read no more, and its room goes to whoever needs it: under a
 * limit to the next task in its queue, else to all, after all that read it. */
static void release_first(struct state *state, struct room *line, int64_t queue)
{
    const struct input *given = state->given;
    struct lingering *first = &state->lingering[line->head];
    struct instance *instance = &state->instances[first->instance];
    const int64_t *atoms = given->slot_atom_values + given->slot_atom_start[instance->slot];
    int64_t count =
        given->slot_atom_start[instance->slot + 1] - given->slot_atom_start[instance->slot];
    int64_t last = first->task, memory = given->place_memory[instance->place];
    for (int64_t entry = instance->entry; entry < instance->entry + count; entry++) {
        if (state->entries[entry].valid)
            let_go(state, atoms[entry - instance->entry], entry);
        for (int64_t i = state->entries[entry].readers; queue < 0 && i >= 0;
             i = state->readers.next[i])
            last = both(state->graph, first->task, last, state->readers.operation[i]);
    }
    instance->alive = 0;
    line->head = first->next;
    if (queue < 0) {
        state->idle[memory] -= given->slot_bytes[instance->slot];
        free_after(state, memory, given->slot_bytes[instance->slot], last);
    } else {
        keep_room(state, queue, memory, given->slot_bytes[instance->slot], last);
    }
}

/* Those that stood in a queue's places before a task that comes now. */
static void release_before(struct state *state, int64_t queue)
{
    const int64_t *start = &state->given->limit_start[queue];
    struct room *line = &state->lingers_behind[queue];
    int64_t turn = state->passed[queue] - (start[1] - start[0]);
    while (line->head >= 0 && state->lingering[line->head].turn <= turn)
        release_first(state, line, queue);
}

static void release_all(struct state *state)
{
    for (int64_t memory = 0; memory < state->given->memories; memory++)
        while (state->lingers_in[memory].head >= 0)
            release_first(state, &state->lingers_in[memory], -1);
    for (int64_t queue = 0; queue < state->given->queues; queue++)
        while (state->lingers_behind[queue].head >= 0)
            release_first(state, &state->lingers_behind[queue], queue);
    state->lingering_count = 0;
}

/* Room that points under a limit keep for those behind them. Under a limit, as many points of
 * a task are under way as it has queues and places, and none can have the room of another queue.
 * What other tasks keep can be had; 0 where there is none. */
static int reclaim(struct state *state, int64_t memory)
{
    const struct input *given = state->given;
    int64_t task = state->limit_queue < 0 ? -1 : given->queue_task[state->limit_queue];
    int found = 0;
    for (int64_t queue = 0; queue < given->queues; queue++) {
        struct room *kept = &state->kept_by[queue];
        int64_t number = given->queue_task[queue] == task ? -1 : kept->head;
        if (number < 0 || state->freed[number].memory != memory)
            continue;
        *kept = (struct room){-1, -1};
        for (int64_t next; number >= 0; number = next) {
            next = state->freed[number].next;
            state->idle[memory] += state->freed[number].bytes;
            append(state, &state->freed_in[memory], number);
        }
        found = 1;
    }
    return found;
}

/* Takes room in a memory; 0 where it cannot be had. */
static int allocate(struct state *state, int64_t memory, double bytes)
{
    double capacity = state->given->memory_capacity[memory];
    while (state->used[memory] + bytes > capacity) {
        struct room *freed = &state->freed_in[memory];
        if (freed->head >= 0) {
            double taken = take_first(state, freed, state->used[memory] + bytes - capacity);
            state->used[memory] -= taken;
            state->idle[memory] -= taken;
        } else if (state->lingers_in[memory].head >= 0) {
            release_first(state, &state->lingers_in[memory], -1);
        } else if (!evict(state, memory) && !reclaim(state, memory)) {
            return 0;
        }
        if (state->graph->failed)
            return 0;
    }
    state->used[memory] += bytes;
    state->peak[memory] = fmax(state->peak[memory], state->used[memory] - state->idle[memory]);
    return 1;
}

/* Takes room that goes with the task. Under a limit it is what the tasks before it in its queue
 * had, once there were as many as places: whoever has a place has the room that goes with it. */
static int allocate_apart(struct state *state, int64_t memory, double bytes)
{
    int64_t queue = state->limit_queue;
    const int64_t *start = &state->given->limit_start[queue];
    if (queue >= 0 && state->passed[queue] >= start[1] - start[0]) {
        struct room *kept = &state->kept_by[queue];
        while (bytes > 0.0 && kept->head >= 0 && state->freed[kept->head].memory == memory) {
            struct freed *first = &state->freed[kept->head];
            double taken = fmin(first->bytes, fmax(bytes, 1.0));
            first->bytes -= taken;
            bytes -= taken;
            if (first->bytes <= 0.0)
                kept->head = first->next;
        }
    }
    return bytes <= 0.0 || allocate(state, memory, bytes);
}

/* Instances. */

/* An instance at the place that covers the slot: the slot's own, else the smallest wider one. */
static int64_t find(const struct state *state, int64_t place, int64_t slot, int64_t exact)
{
    const struct input *given = state->given;
    const int64_t *at_place = state->instance_of + place * given->slots;
    if (at_place[slot] >= 0 && state->instances[at_place[slot]].alive)
        return at_place[slot];
    if (exact)
        return -1;
    for (int64_t i = given->wider_start[slot]; i < given->wider_start[slot + 1]; i++) {
        int64_t other = at_place[given->wider_values[i]];
        if (other >= 0 && state->instances[other].alive)
            return other;
    }
    return -1;
}

/* An instance that holds nothing yet, under the number that is known for it. */
static int64_t reset_instance(struct state *state, int64_t *known, int64_t place, int64_t slot,
                              char apart)
{
    const struct input *given = state->given;
    int64_t atoms = given->slot_atom_start[slot + 1] - given->slot_atom_start[slot];
    if (*known < 0) {
        *known = state->instance_count++;
        state->instances[*known].entry = state->entry_count;
        state->entry_count += atoms;
    }
    int64_t first = state->instances[*known].entry;
    state->instances[*known] = (struct instance){place, slot, first, 0, 1, apart};
    for (int64_t i = first; i < first + atoms; i++)
        state->entries[i] = (struct entry){*known, -1, -1, -1, 0};
    return *known;
}

/* A new instance for a slot, or -1 where the memory is full. */
static int64_t make(struct state *state, int64_t place, int64_t slot)
{
    const struct input *given = state->given;
    if (!allocate(state, given->place_memory[place], given->slot_bytes[slot]))
        return -1;
    return reset_instance(state, &state->instance_of[place * given->slots + slot], place, slot, 0);
}

/* Copies, folds and reductions. */

/* The operation under a key among those of this requirement, or -1. */
static int64_t merged(const struct state *state, int64_t key)
{
    for (int64_t i = 0; i < state->merged; i++)
        if (state->merged_key[i] == key)
            return state->merged_operation[i];
    return -1;
}

static void merge(struct state *state, int64_t key, int64_t operation)
{
    state->merged_key[state->merged] = key;
    state->merged_operation[state->merged++] = operation;
}

/* One atom of a reduction instance was used up by an operation. */
static void spend(struct state *state, int64_t node, int64_t operation)
{
    int64_t occurrence = state->pending_occurrence[node];
    struct reduction *reduction = &state->reductions[occurrence];
    state->pending_occurrence[node] = -1;
    state->spent_by[node] = operation;
    if (--reduction->left > 0)
        return;
    const struct input *given = state->given;
    int64_t slot = given->slot_values[occurrence], first = state->occurrence_atom[occurrence];
    int64_t atoms = given->slot_atom_start[slot + 1] - given->slot_atom_start[slot];
    int64_t last = operation;
    if (state->graph->kind[operation] != FOLD) /* a fold has waited for the last task already */
        last = both(state->graph, operation, last, reduction->operation);
    for (int64_t i = first; i < first + atoms; i++)
        last = both(state->graph, operation, last, state->spent_by[i]);
    free_after(state, reduction->memory, given->slot_bytes[slot], last);
}

/* Forgets the reductions that were made to an atom which is now overwritten. */
static void discard(struct state *state, int64_t atom, int64_t task)
{
    for (int64_t i = state->atom_pending[atom]; i >= 0; i = state->pending_next[i])
        spend(state, i, task);
    state->atom_pending[atom] = -1;
}

/* Applies the reductions that one task made to an atom. */
static void fold(struct state *state, int64_t atom, int64_t number, int64_t node, int64_t analysis)
{
    int64_t occurrence = state->pending_occurrence[node];
    struct reduction *reduction = &state->reductions[occurrence];
    int64_t key = -2 - occurrence, operation = merged(state, key);
    if (operation < 0) {
        operation = transfer_for(state, FOLD, reduction->memory, memory_of(state, number),
                                 analysis, region_of(state, number));
        edge(state->graph, reduction->operation, operation);
        merge(state, key, operation);
    }
    state->graph->bytes[operation] += state->given->atom_bytes[atom];
    after_readers(state, number, operation);
    state->entries[number].writer = operation;
    spend(state, node, operation);
}

/* The copy that brings the newest value of an atom to a memory, from the nearest instance that
 * holds it; -1 where nobody has written it. */
static int64_t fetch(struct state *state, int64_t atom, int64_t target, int64_t region,
                     int64_t analysis)
{
    int64_t source = nearest(state, atom, target);
    if (source < 0)
        return -1;
    int64_t memory = memory_of(state, source), copy = merged(state, memory);
    if (copy < 0) {
        copy = transfer_for(state, COPY, memory, target, analysis, region);
        merge(state, memory, copy);
    }
    state->graph->bytes[copy] += state->given->atom_bytes[atom];
    edge(state->graph, state->entries[source].writer, copy);
    read_by(state, source, copy);
    return copy;
}

/* Makes an entry valid: a copy of the newest value, and the folds that are due. */
static void bring(struct state *state, int64_t atom, int64_t number, int64_t analysis)
{
    struct entry *entry = &state->entries[number];
    if (!entry->valid) {
        int64_t target = memory_of(state, number);
        int64_t copy = fetch(state, atom, target, region_of(state, number), analysis);
        if (copy >= 0) {
            after_readers(state, number, copy);
            entry->writer = copy;
        }
        hold(state, atom, number);
    }
    int64_t node = state->atom_pending[atom];
    if (node < 0)
        return;
    invalidate(state, atom);
    hold(state, atom, number);
    for (; node >= 0; node = state->pending_next[node])
        fold(state, atom, number, node, analysis);
    state->atom_pending[atom] = -1;
}

/* An atom of a reduction instance, by its place in the slot, is to be folded by the next reader. */
static void await_fold(struct state *state, int64_t occurrence, int64_t place)
{
    const struct input *given = state->given;
    int64_t slot = given->slot_values[occurrence];
    int64_t atom = given->slot_atom_values[given->slot_atom_start[slot] + place];
    int64_t node = state->occurrence_atom[occurrence] + place;
    state->pending_occurrence[node] = occurrence;
    state->pending_next[node] = state->atom_pending[atom];
    state->atom_pending[atom] = node;
}

/* A reduction goes on in the instance of the last one, of which somebody has yet to read all or a
 * part; what was read already is filled again, once it was. */
static void reduce_on(struct state *state, int64_t occurrence, int64_t task, int64_t analysis)
{
    const struct input *given = state->given;
    struct reduction *reduction = &state->reductions[occurrence];
    int64_t slot = given->slot_values[occurrence], fill = -1;
    int64_t first = given->slot_atom_start[slot], atoms = given->slot_atom_start[slot + 1] - first;
    for (int64_t i = 0; i < atoms; i++) {
        int64_t node = state->occurrence_atom[occurrence] + i;
        if (state->pending_occurrence[node] >= 0)
            continue;
        if (fill < 0) {
            fill = operation_for(state, FILL, reduction->memory, reduction->memory, analysis,
                                 given->slot_region[slot]);
            edge(state->graph, reduction->operation, fill);
            edge(state->graph, fill, task);
        }
        state->graph->bytes[fill] += given->atom_bytes[given->slot_atom_values[first + i]];
        edge(state->graph, state->spent_by[node], fill);
        await_fold(state, occurrence, i);
        reduction->left++;
    }
    edge(state->graph, reduction->operation, task);
    reduction->operation = task;
}

/* What a nested task has reduced is folded into the reduction instance of the task that launched
 * it, as soon as it has ended. */
static void reduce_into(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
                        int64_t analysis)
{
    const struct input *given = state->given;
    struct reduction *above = &state->reductions[given->fold_into[occurrence]];
    int64_t slot = given->slot_values[occurrence];
    int64_t parent = given->point_parent[state->graph->point[task]];
    int64_t fold = transfer_for(state, FOLD, memory, above->memory, analysis,
                                given->slot_region[slot]);
    state->graph->bytes[fold] = given->slot_bytes[slot];
    edge(state->graph, task, fold);
    edge(state->graph, above->operation, fold);
    edge(state->graph, fold, state->complete[parent]);
    above->operation = fold;
    int64_t *complete = &state->complete[state->graph->point[task]];
    *complete = both(state->graph, task, *complete, fold);
    state->reductions[occurrence].operation = fold; /* its room comes free with the task's */
}

/* A reduction goes to an instance of its own; 0 where there is no room for it. */
static int reduce(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
                  int64_t analysis)
{
    const struct input *given = state->given;
    struct reduction *reduction = &state->reductions[occurrence];
    int64_t slot = given->slot_values[occurrence];
    if (reduction->left > 0) {
        reduce_on(state, occurrence, task, analysis);
        return 1;
    }
    double bytes = given->slot_bytes[slot];
    int nested = given->fold_into[occurrence] >= 0;
    if (!(nested ? allocate_apart(state, memory, bytes) : allocate(state, memory, bytes)))
        return 0;
    int64_t fill =
        operation_for(state, FILL, memory, memory, analysis, given->slot_region[slot]);
    state->graph->bytes[fill] = bytes;
    edge(state->graph, fill, task);
    if (nested) {
        reduce_into(state, occurrence, memory, task, analysis);
        return 1;
    }
    int64_t first = given->slot_atom_start[slot], atoms = given->slot_atom_start[slot + 1] - first;
    *reduction = (struct reduction){task, atoms, memory};
    for (int64_t i = 0; i < atoms; i++)
        await_fold(state, occurrence, i);
    return 1;
}

/* Lets a task read or write the atoms of a slot in an instance. */
static void use(struct state *state, int64_t requirement, int64_t slot, int64_t instance,
                int64_t task, int64_t analysis)
{
    const struct input *given = state->given;
    int64_t privilege = given->privilege[requirement];
    for (int64_t i = given->slot_atom_start[slot]; i < given->slot_atom_start[slot + 1]; i++) {
        int64_t atom = given->slot_atom_values[i], number = entry_of(state, instance, atom);
        if (privilege == WRITE_ONLY)
            discard(state, atom, task);
        else
            bring(state, atom, number, analysis);
        struct entry *entry = &state->entries[number];
        if (privilege == READ_ONLY) {
            edge(state->graph, entry->writer, task);
            read_by(state, number, task);
        } else {
            after_readers(state, number, task);
            invalidate(state, atom);
            hold(state, atom, number);
            entry->writer = task;
        }
    }
}

/* The task, and the copies that bring its data, wait for the room that they were given. */
static void await_room(struct state *state, int64_t task)
{
    for (int64_t a = state->allocation_head; a >= 0; a = state->allocation.next[a]) {
        edge(state->graph, state->allocation.operation[a], task);
        for (int64_t i = 0; i < state->merged; i++)
            edge(state->graph, state->allocation.operation[a], state->merged_operation[i]);
    }
}

/* Whether an instance at the place holds the newest value of the whole slot already. */
static int is_ready(const struct state *state, int64_t instance, int64_t slot)
{
    const struct input *given = state->given;
    for (int64_t i = given->slot_atom_start[slot]; i < given->slot_atom_start[slot + 1]; i++) {
        int64_t entry = entry_of(state, instance, given->slot_atom_values[i]);
        if (!state->entries[entry].valid)
            return 0;
    }
    return 1;
}

static int is_pending(const struct state *state, int64_t slot)
{
    const struct input *given = state->given;
    for (int64_t i = given->slot_atom_start[slot]; i < given->slot_atom_start[slot + 1]; i++)
        if (state->atom_pending[given->slot_atom_values[i]] >= 0)
            return 1;
    return 0;
}

/* Makes an instance for one task to read; -1 where there is no room for it. */
static int64_t make_apart(struct state *state, int64_t place, int64_t occurrence)
{
    const struct input *given = state->given;
    int64_t slot = given->slot_values[occurrence];
    if (!allocate_apart(state, given->place_memory[place], given->slot_bytes[slot]))
        return -1;
    return reset_instance(state, &state->apart_of[occurrence], place, slot, 1);
}

/* One region requirement of a point task. */
static enum status require(struct state *state, int64_t requirement, int64_t task,
                           int64_t analysis)
{
    const struct input *given = state->given;
    int64_t place = given->place[requirement], memory = given->memory[requirement];
    state->merged = 0;
    state->allocation.used = 0;
    state->allocation_head = -1;
    for (int64_t i = given->slot_start[requirement]; i < given->slot_start[requirement + 1]; i++) {
        int64_t slot = given->slot_values[i];
        state->failed_requirement = requirement;
        state->failed_slot = slot;
        if (given->privilege[requirement] == REDUCE) {
            if (!reduce(state, i, memory, task, analysis))
                return OUT_OF_MEMORY;
            continue;
        }
        int64_t instance = find(state, place, slot, given->exact[requirement]);
        if (given->collect[requirement] && given->privilege[requirement] == READ_ONLY &&
            !is_pending(state, slot) && !(instance >= 0 && is_ready(state, instance, slot))) {
            instance = make_apart(state, place, i);
            if (instance < 0)
                return OUT_OF_MEMORY;
            await_room(state, task);
        } else if (instance < 0) {
            instance = make(state, place, slot);
            if (instance < 0)
                return OUT_OF_MEMORY;
            await_room(state, task);
        }
        use(state, requirement, slot, instance, task, analysis);
    }
    return PLANNED;
}

/* What a task has read apart lingers, and what it has folded upwards is freed, once all its
 * requirements are mapped: none of them may wait for room that comes free only when the task itself
 * has ended. */
static void linger(struct state *state, int64_t requirement, int64_t task)
{
    const struct input *given = state->given;
    int64_t queue = state->limit_queue;
    for (int64_t i = given->slot_start[requirement]; i < given->slot_start[requirement + 1]; i++) {
        int64_t instance = state->apart_of[i];
        if (given->privilege[requirement] == REDUCE && given->fold_into[i] >= 0)
            free_apart(state, given->memory[requirement],
                       given->slot_bytes[given->slot_values[i]], state->reductions[i].operation);
        if (instance < 0 || !state->instances[instance].alive)
            continue;
        int64_t turn = queue < 0 ? 0 : state->passed[queue], number = state->lingering_count++;
        struct room *line = queue < 0 ? &state->lingers_in[given->memory[requirement]]
                                      : &state->lingers_behind[queue];
        state->lingering[number] = (struct lingering){-1, instance, task, turn};
        if (line->head >= 0)
            state->lingering[line->tail].next = number;
        else
            line->head = number;
        line->tail = number;
        if (queue < 0) /* it does not count as used: others can have its room */
            state->idle[given->memory[requirement]] += given->slot_bytes[given->slot_values[i]];
    }
}

/* Point tasks and launches. */

/* The runtime's work for a point: in program order in each context (the task that launches). */
static int64_t analyse(struct state *state, int64_t point, int64_t iteration)
{
    const struct input *given = state->given;
    int64_t rank = given->runtime_rank[point], parent = given->point_parent[point];
    int64_t width = given->point_requirement[point + 1] - given->point_requirement[point];
    double seconds = state->factor * (given->costs[COST_POINT] +
                                      given->costs[COST_REQUIREMENT] * (double)width) +
                     state->owed[rank];
    state->owed[rank] = 0.0;
    int64_t analysis = new_operation(state->graph, RUNTIME, rank, seconds, point, iteration);
    int64_t *before = parent >= 0 ? &state->last_child[parent] : &state->last_on_rank[rank];
    edge(state->graph, parent >= 0 ? state->execution[parent] : state->blocked, analysis);
    edge(state->graph, *before, analysis);
    *before = analysis;
    return analysis;
}

/* One point task: its execution, and all that must happen before it. */
static enum status run_point(struct state *state, int64_t point, int64_t analysis)
{
    const struct input *given = state->given;
    struct graph *graph = state->graph;
    int64_t processor = given->processor[point], iteration = graph->iteration[analysis];
    int64_t task =
        new_operation(graph, TASK, processor, given->seconds[point], point, iteration);
    graph->bytes[task] = given->link_bytes[point];
    graph->source[task] = given->link_memory[point];
    edge(graph, analysis, task);
    int64_t complete = task;
    if (given->has_children[point]) {
        complete = new_operation(graph, JOIN, processor, 0.0, point, iteration);
        edge(graph, task, complete);
    }
    state->execution[point] = task;
    state->complete[point] = complete;
    state->limit_queue = given->limit_queue[point];
    if (state->limit_queue >= 0)
        release_before(state, state->limit_queue);
    if (given->point_parent[point] >= 0)
        edge(graph, complete, state->complete[given->point_parent[point]]);
    for (int64_t r = given->point_requirement[point]; r < given->point_requirement[point + 1];
         r++) {
        enum status status = require(state, r, task, analysis);
        if (status != PLANNED)
            return status;
    }
    for (int64_t r = given->point_requirement[point]; r < given->point_requirement[point + 1]; r++)
        linger(state, r, task);
    if (state->limit_queue >= 0)
        state->passed[state->limit_queue]++;
    return PLANNED;
}

/* One launch: runtime work, then its points. */
static enum status run_launch(struct state *state, int64_t launch, int64_t iteration)
{
    const struct input *given = state->given;
    struct graph *graph = state->graph;
    int64_t first = given->launch_point[launch], last = given->launch_point[launch + 1];
    int64_t join = -1, before = -1;
    if (given->launch_joins[launch])
        join = new_operation(graph, JOIN, 0, 0.0, first, iteration);
    int nested = given->launch_parent[launch] >= 0;
    if (!nested) /* every rank analyses it, whether or not it runs a point of it */
        for (int64_t rank = 0; rank < given->ranks; rank++)
            state->owed[rank] += state->factor * (given->costs[COST_LAUNCH] +
                                                  given->costs[COST_DOMAIN] * (double)(last - first));
    for (int64_t point = first; point < last; point++) {
        if (nested && given->point_parent[point] != before) {
            before = given->point_parent[point];
            state->owed[given->runtime_rank[point]] +=
                state->factor * given->costs[COST_LAUNCH];
        }
        int64_t analysis = analyse(state, point, iteration);
        enum status status = run_point(state, point, analysis);
        if (status != PLANNED)
            return status;
        for (int64_t i = given->after_start[launch]; i < given->after_start[launch + 1]; i++)
            edge(graph, state->join[given->after_values[i]], state->execution[point]);
        graph->frees[state->complete[point]] = given->limit_queue[point];
        if (join >= 0)
            edge(graph, state->complete[point], join);
    }
    state->join[launch] = join;
    if (given->launch_blocking[launch])
        state->blocked = join;
    return PLANNED;
}

/* The state. */

static int64_t *integers(int64_t count, int64_t value, int *failed)
{
    int64_t *array = malloc(sizeof(int64_t) * (size_t)(count + 1));
    if (array == NULL) {
        *failed = 1;
        return NULL;
    }
    for (int64_t i = 0; i <= count; i++)
        array[i] = value;
    return array;
}

static void *zeros(int64_t count, size_t size, int *failed)
{
    void *array = calloc((size_t)(count + 1), size);
    if (array == NULL)
        *failed = 1;
    return array;
}

static int open_state(struct state *state, const struct input *given, struct graph *graph,
                      double *peak)
{
    int failed = 0;
    memset(state, 0, sizeof *state);
    state->given = given;
    state->graph = graph;
    state->peak = peak;
    state->blocked = -1;
    state->allocation_head = -1;
    state->occurrence_atom = integers(given->occurrences, 0, &failed);
    if (failed)
        return 0;
    int64_t atoms = 0; /* of all occurrences: bounds the entries, as an instance needs one */
    for (int64_t i = 0; i < given->occurrences; i++) {
        int64_t slot = given->slot_values[i];
        state->occurrence_atom[i] = atoms;
        atoms += given->slot_atom_start[slot + 1] - given->slot_atom_start[slot];
    }
    state->used = zeros(given->memories, sizeof(double), &failed);
    state->idle = zeros(given->memories, sizeof(double), &failed);
    state->instance_of = integers(given->places * given->slots, -1, &failed);
    /* Each occurrence may have made an instance that stays, and another one apart. */
    state->instances = zeros(2 * given->occurrences, sizeof(struct instance), &failed);
    state->entries = zeros(2 * atoms, sizeof(struct entry), &failed);
    state->atom_holder = integers(given->atoms, -1, &failed);
    state->atom_pending = integers(given->atoms, -1, &failed);
    state->pending_next = integers(atoms, -1, &failed);
    state->pending_occurrence = integers(atoms, -1, &failed);
    state->spent_by = integers(atoms, -1, &failed);
    state->apart_of = integers(given->occurrences, -1, &failed);
    state->lingering = zeros(given->occurrences, sizeof(struct lingering), &failed);
    state->lingers_in = (struct room *)integers(2 * given->memories, -1, &failed);
    state->lingers_behind = (struct room *)integers(2 * given->queues, -1, &failed);
    state->reductions = zeros(given->occurrences, sizeof(struct reduction), &failed);
    state->freed_in = (struct room *)integers(2 * given->memories, -1, &failed);
    state->passed = integers(given->queues, 0, &failed);
    state->kept_by = (struct room *)integers(2 * given->queues, -1, &failed);
    state->merged_key = integers(given->occurrences + given->memories, -1, &failed);
    state->merged_operation = integers(given->occurrences + given->memories, -1, &failed);
    state->execution = integers(given->points, -1, &failed);
    state->complete = integers(given->points, -1, &failed);
    state->last_child = integers(given->points, -1, &failed);
    state->last_on_rank = integers(given->ranks, -1, &failed);
    state->owed = zeros(given->ranks, sizeof(double), &failed);
    state->join = integers(given->launches, -1, &failed);
    return !failed;
}

static void close_state(struct state *state)
{
    void *arrays[] = {state->occurrence_atom, state->used,          state->instance_of,
                      state->instances,       state->entries,       state->atom_holder,
                      state->atom_pending,    state->pending_next,  state->pending_occurrence,
                      state->reductions,      state->freed,         state->freed_in,
                      state->kept_by,      state->merged_key,    state->merged_operation,
                      state->execution,       state->complete,      state->last_child,
                      state->last_on_rank,    state->owed,          state->join,
                      state->readers.next,    state->allocation.operation,
                      state->readers.operation, state->allocation.next, state->spent_by,
                      state->idle,            state->apart_of,
                      state->lingering,       state->lingers_in,    state->lingers_behind,
                      state->passed};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

static enum status run(struct state *state)
{
    const struct input *given = state->given;
    int64_t setup = given->settings[SETUP_LAUNCHES];
    for (int64_t iteration = -1; iteration < given->settings[ITERATIONS]; iteration++) {
        int64_t first = iteration < 0 ? 0 : setup;
        int64_t last = iteration < 0 ? setup : given->launches;
        state->factor =
            iteration < given->settings[UNTRACED] ? given->costs[COST_UNTRACED] : 1.0;
        for (int64_t i = 0; i < given->points; i++)
            state->last_child[i] = -1;
        for (int64_t launch = first; launch < last; launch++) {
            enum status status = run_launch(state, launch, iteration);
            if (state->graph->failed)
                return NO_HOST_MEMORY;
            if (status != PLANNED)
                return status;
        }
        release_all(state);
    }
    return PLANNED;
}

enum status plan(const struct input *given, struct graph *graph, int64_t failure[2], double *peak)
{
    struct state state;
    memset(graph, 0, sizeof *graph);
    if (!grow_operations(graph))
        return NO_HOST_MEMORY;
    enum status status = NO_HOST_MEMORY;
    if (open_state(&state, given, graph, peak))
        status = run(&state);
    failure[0] = state.failed_requirement;
    failure[1] = state.failed_slot;
    close_state(&state);
    return status;
}

void free_graph(struct graph *graph)
{
    void *arrays[] = {graph->kind,      graph->place,       graph->source, graph->point,
                      graph->region,    graph->iteration,   graph->waits,  graph->first_edge,
                      graph->bytes,     graph->seconds,     graph->frees,  graph->edge_next,
                      graph->edge_target};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    memset(graph, 0, sizeof *graph);
}
