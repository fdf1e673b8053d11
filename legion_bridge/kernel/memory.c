/* The bytes of the memories, in mapping order: who has them, who hands them on, who must wait. */
#include "state.h"

#include <math.h>

static void append(struct state *state, struct fifo *fifo, int64_t number)
{
    state->lists->freed[number].next = -1;
    if (fifo->head >= 0)
        state->lists->freed[fifo->tail].next = number;
    else
        fifo->head = number;
    fifo->tail = number;
}

/* Bytes that come free when an operation ends. */
static int64_t new_freed(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    struct lists *lists = state->lists;
    if (lists->freed_count == lists->freed_capacity) {
        int64_t capacity = lists->freed_capacity ? 2 * lists->freed_capacity : 256;
        lists->freed =
            grown(lists->freed, sizeof *lists->freed, capacity, &state->graph->failed);
        if (state->graph->failed)
            return -1;
        lists->freed_capacity = capacity;
    }
    lists->freed[lists->freed_count] = (struct freed){-1, operation, memory, bytes};
    return lists->freed_count++;
}

/* Lets others have bytes once an operation has ended. */
void free_after(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    int64_t number = new_freed(state, memory, bytes, operation);
    if (number < 0)
        return;
    state->idle[memory] += bytes;
    append(state, &state->freed_in[memory], number);
}

/* Takes as much as is needed, at most, of what was freed first; its next user waits for that.
 * Returns how much it was. */
static double take_first(struct state *state, struct fifo *fifo, double needed)
{
    struct freed *freed = &state->lists->freed[fifo->head];
    double taken = smaller(freed->bytes, larger(needed, 1.0)); /* whole bytes: the loop comes to an end */
    freed->bytes -= taken;
    state->allocation_head =
        add(state, &state->lists->allocation, state->allocation_head, freed->operation);
    if (freed->bytes <= 0.0)
        fifo->head = freed->next;
    return taken;
}

/* Deletes an instance; others can have its bytes once all that use it have ended. */
static void delete(struct state *state, struct instance *instance)
{
    const struct input *in = state->in;
    int64_t memory = in->derived.site_memory[instance->site];
    instance->alive = 0;
    int64_t last = new_operation(state->graph, JOIN, memory, 0.0, 0, -1);
    int64_t atoms = atoms_of(in, instance->slot);
    for (int64_t position = 0; position < atoms; position++)
        after_readers(state, instance->entry + position, last);
    free_after(state, memory, in->slot_bytes[instance->slot], last);
}

/* Whether an instance may be deleted: nothing that it holds is the newest value, and none of it is on
 * its way to others that have yet to be planned. */
static int is_stale(const struct instance *instance)
{
    return instance->alive && instance->valid == 0 && !instance->given;
}

/* Deletes the oldest instance that holds no valid data, as Legion's collector does under pressure;
 * 0 where there is none. */
static int evict(struct state *state, int64_t memory)
{
    const struct input *in = state->in;
    for (int64_t i = 0; i < state->instance_count; i++) {
        struct instance *instance = &state->instances[i];
        if (!is_stale(instance) || instance->life == ONE_TASK ||
            in->derived.site_memory[instance->site] != memory)
            continue;
        delete(state, instance);
        return 1;
    }
    return 0;
}

/* Deletes what was to be collected as soon as it is stale, of all that could serve a slot. */
void collect_stale(struct state *state, int64_t site, int64_t slot)
{
    const struct input *in = state->in;
    const int64_t *at_site = state->instance_of + site * in->slots;
    for (int64_t i = in->wider_start[slot] - 1; i < in->wider_start[slot + 1]; i++) {
        int64_t number = at_site[i < in->wider_start[slot] ? slot : in->wider_values[i]];
        struct instance *instance = number < 0 ? NULL : &state->instances[number];
        if (instance != NULL && is_stale(instance) && instance->life == UNTIL_STALE)
            delete(state, instance);
    }
}

/* Keeps bytes for the next task in a queue. */
static void keep_freed(struct state *state, int64_t queue, int64_t memory, double bytes,
                      int64_t operation)
{
    struct fifo *kept = &state->kept_by[queue];
    while (kept->head >= 0 && state->lists->freed[kept->head].memory != memory) { /* it went elsewhere */
        int64_t number = kept->head;
        struct freed other = state->lists->freed[number];
        kept->head = other.next;
        state->idle[other.memory] += other.bytes;
        append(state, &state->freed_in[other.memory], number);
    }
    int64_t number = new_freed(state, memory, bytes, operation);
    if (number >= 0)
        append(state, kept, number);
}

/* Gives back what allocate_transient took. */
void free_transient(struct state *state, int64_t memory, double bytes, int64_t operation)
{
    if (state->limit_queue < 0)
        free_after(state, memory, bytes, operation);
    else
        keep_freed(state, state->limit_queue, memory, bytes, operation);
}

/* The bytes of the first instance in a fifo go to whoever needs them, after the task that read it:
 * under a limit to the next task in its queue, else to all. */
static void release_first(struct state *state, struct fifo *fifo, int64_t queue)
{
    const struct input *in = state->in;
    struct deferred_release *first = &state->deferred[fifo->head];
    struct instance *instance = &state->instances[first->instance];
    int64_t memory = in->derived.site_memory[instance->site];
    instance->alive = 0;
    fifo->head = first->next;
    if (queue < 0) {
        state->idle[memory] -= in->slot_bytes[instance->slot];
        free_after(state, memory, in->slot_bytes[instance->slot], first->task);
    } else {
        keep_freed(state, queue, memory, in->slot_bytes[instance->slot], first->task);
    }
}

/* Those of the task of a queue whose permit goes to one that comes now. */
void release_before(struct state *state, int64_t queue)
{
    struct fifo *fifo = &state->deferred_behind[queue];
    int64_t turn = state->passed[queue] - state->in->derived.limit_size[queue];
    while (fifo->head >= 0 && state->deferred[fifo->head].turn <= turn)
        release_first(state, fifo, queue);
}

void release_all(struct state *state)
{
    for (int64_t memory = 0; memory < state->in->memories; memory++)
        while (state->deferred_in[memory].head >= 0)
            release_first(state, &state->deferred_in[memory], -1);
    for (int64_t queue = 0; queue < state->in->derived.queues; queue++)
        while (state->deferred_behind[queue].head >= 0)
            release_first(state, &state->deferred_behind[queue], queue);
    state->deferred_count = 0;
}

/* Bytes that points under a limit keep for those behind them. Under a limit, as many points of a
 * task are under way as its queues have permits, and none can have the bytes of another queue. What
 * other tasks keep can be had; 0 where there is none. */
static int reclaim(struct state *state, int64_t memory)
{
    const struct input *in = state->in;
    int64_t task = state->limit_queue < 0 ? -1 : in->derived.queue_task[state->limit_queue];
    int found = 0;
    for (int64_t queue = 0; queue < in->derived.queues; queue++) {
        struct fifo *kept = &state->kept_by[queue];
        int64_t number = in->derived.queue_task[queue] == task ? -1 : kept->head;
        if (number < 0 || state->lists->freed[number].memory != memory)
            continue;
        *kept = (struct fifo){-1, -1};
        for (int64_t next; number >= 0; number = next) {
            next = state->lists->freed[number].next;
            state->idle[memory] += state->lists->freed[number].bytes;
            append(state, &state->freed_in[memory], number);
        }
        found = 1;
    }
    return found;
}

/* Takes bytes of a memory; 0 where they cannot be had. */
int allocate(struct state *state, int64_t memory, double bytes)
{
    double capacity = state->in->memory_capacity[memory];
    while (state->used[memory] + bytes > capacity) {
        struct fifo *freed = &state->freed_in[memory];
        if (freed->head >= 0) {
            double taken = take_first(state, freed, state->used[memory] + bytes - capacity);
            state->used[memory] -= taken;
            state->idle[memory] -= taken;
        } else if (state->deferred_in[memory].head >= 0) {
            release_first(state, &state->deferred_in[memory], -1);
        } else if (!evict(state, memory) && !reclaim(state, memory)) {
            return 0;
        }
        if (state->graph->failed)
            return 0;
    }
    state->used[memory] += bytes;
    state->peak[memory] = larger(state->peak[memory], state->used[memory] - state->idle[memory]);
    return 1;
}

/* Takes bytes that go with the task. Under a limit they are what the tasks before it in its queue
 * had, once there were as many as permits: whoever has a permit has the bytes that go with it. */
int allocate_transient(struct state *state, int64_t memory, double bytes)
{
    int64_t queue = state->limit_queue;
    if (queue >= 0 && state->passed[queue] >= state->in->derived.limit_size[queue]) {
        struct fifo *kept = &state->kept_by[queue];
        while (bytes > 0.0 && kept->head >= 0 && state->lists->freed[kept->head].memory == memory) {
            struct freed *first = &state->lists->freed[kept->head];
            double taken = smaller(first->bytes, larger(bytes, 1.0));
            first->bytes -= taken;
            bytes -= taken;
            if (first->bytes <= 0.0)
                kept->head = first->next;
        }
    }
    return bytes <= 0.0 || allocate(state, memory, bytes);
}
