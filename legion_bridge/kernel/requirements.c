/* Region requirements: the instances that a point task reads and writes. */
#include "state.h"

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

/* The task waits for the room that it was given since `before`, as do the copies that will fill it.
 * They are copies of their own: those that are under way may read what makes the room. */
static void await_room(struct state *state, int64_t task, int64_t before)
{
    if (state->allocation_head != before)
        state->merged = 0;
    for (int64_t a = state->allocation_head; a != before; a = state->allocation.next[a])
        edge(state->graph, state->allocation.operation[a], task);
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

/* Whether some instance of a slot's region at a place holds newest values. */
static int holds_some(const struct state *state, int64_t place, int64_t slot)
{
    const struct input *given = state->given;
    for (int64_t other = 0; other < given->slots; other++) {
        int64_t instance = state->instance_of[place * given->slots + other];
        if (given->slot_region[other] == given->slot_region[slot] && instance >= 0 &&
            state->instances[instance].alive && state->instances[instance].valid > 0)
            return 1;
    }
    return 0;
}

/* Whether what is to be collected lies where it is read for other reasons: the newest values of all
 * of it, or, on a runtime whose instances have all fields of whole regions, of some of it. */
static int stays_anyway(const struct state *state, int64_t place, int64_t instance, int64_t slot)
{
    if (state->given->settings[RECORDED] && holds_some(state, place, slot))
        return 1;
    return instance >= 0 && is_ready(state, instance, slot);
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

/* The slot that a new instance is made for; of those around a slot the widest is the last. */
static int64_t slot_to_make(const struct input *given, int64_t requirement, int64_t slot)
{
    int64_t first = given->wider_start[slot], end = given->wider_start[slot + 1];
    int whole = given->exact[requirement] == WHOLE && end > first;
    return whole ? given->wider_values[end - 1] : slot;
}

/* One region requirement of a point task. */
enum status require(struct state *state, int64_t requirement, int64_t task,
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
        int64_t before = state->allocation_head;
        int64_t instance = find(state, place, slot, given->exact[requirement] == EXACT);
        if (given->collect[requirement] && given->privilege[requirement] == READ_ONLY &&
            !is_pending(state, slot) && !stays_anyway(state, place, instance, slot)) {
            instance = make_apart(state, place, i);
            if (instance < 0)
                return OUT_OF_MEMORY;
            state->graph->seconds[analysis] += given->costs[COST_INSTANCE];
            state->collected = 1;
            await_room(state, task, before);
        } else if (instance < 0) {
            instance = make(state, place, slot_to_make(given, requirement, slot));
            if (instance < 0)
                return OUT_OF_MEMORY;
            await_room(state, task, before);
        }
        use(state, requirement, slot, instance, task, analysis);
    }
    return PLANNED;
}

/* What a task has read apart lingers, and what it has folded upwards is freed, once all its
 * requirements are mapped: none of them may wait for room that comes free only when the task itself
 * has ended. */
void linger(struct state *state, int64_t requirement, int64_t task)
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
