/* Room in memories, in mapping order: who has it, who hands it on, who must wait for it. */
#include "state.h"

#include <math.h>

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
void free_after(struct state *state, int64_t memory, double bytes, int64_t operation)
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
void free_apart(struct state *state, int64_t memory, double bytes, int64_t operation)
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
void release_before(struct state *state, int64_t queue)
{
    const int64_t *start = &state->given->limit_start[queue];
    struct room *line = &state->lingers_behind[queue];
    int64_t turn = state->passed[queue] - (start[1] - start[0]);
    while (line->head >= 0 && state->lingering[line->head].turn <= turn)
        release_first(state, line, queue);
}

void release_all(struct state *state)
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
int allocate(struct state *state, int64_t memory, double bytes)
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
int allocate_apart(struct state *state, int64_t memory, double bytes)
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
