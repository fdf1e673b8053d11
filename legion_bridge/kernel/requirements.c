/* Region requirements: the instances that a point task reads and writes. */
#include "state.h"

/* The memory of a requirement, or -1 where there is no data. */
static int64_t memory_for(const struct input *in, int64_t requirement)
{
    int64_t site = in->derived.site[requirement];
    return site < 0 ? -1 : in->derived.site_memory[site];
}

/* Lets a task read or write the atoms of a slot in an instance. */
static void use(struct state *state, int64_t requirement, int64_t slot, int64_t instance,
                int64_t task, int64_t analysis)
{
    const struct input *in = state->in;
    int64_t privilege = in->privilege[requirement];
    for (int64_t i = in->slot_atom_start[slot]; i < in->slot_atom_start[slot + 1]; i++) {
        int64_t atom = in->slot_atom_values[i], number = entry_of(state, instance, slot, i);
        if (privilege == WRITE_ONLY)
            discard(state, atom);
        else
            bring(state, atom, number, task, analysis);
        struct entry *entry = &state->entries[number];
        if (privilege == READ_ONLY) {
            edge(state->graph, entry->writer, task);
            read_by(state, number, task);
        } else {
            after_readers(state, number, task);
            overwrite(state, atom, number, task);
        }
    }
}

/* The task waits for the memory that it was given since `before`, as do the copies that will fill
 * it. They are copies of their own: those that are under way may read what frees the memory. */
static void await_memory(struct state *state, int64_t task, int64_t before)
{
    if (state->allocation_head != before)
        state->merged = 0;
    const struct listed *pending = state->lists->allocation.listed;
    for (int64_t a = state->allocation_head; a != before; a = pending[a].next)
        edge(state->graph, pending[a].operation, task);
}

/* Whether an instance at the site holds the newest value of the whole slot already. */
static int is_ready(const struct state *state, int64_t instance, int64_t slot)
{
    const struct input *in = state->in;
    for (int64_t i = in->slot_atom_start[slot]; i < in->slot_atom_start[slot + 1]; i++) {
        if (!state->entries[entry_of(state, instance, slot, i)].valid)
            return 0;
    }
    return 1;
}

static int is_pending(const struct state *state, int64_t slot)
{
    const struct input *in = state->in;
    for (int64_t i = in->slot_atom_start[slot]; i < in->slot_atom_start[slot + 1]; i++)
        if (due(state, in->slot_atom_values[i]) >= 0)
            return 1;
    return 0;
}

/* Whether some instance of a slot's region that is not collected holds newest values at a site. */
static int holds_some(const struct state *state, int64_t site, int64_t slot)
{
    const struct input *in = state->in;
    for (int64_t other = 0; other < in->slots; other++) {
        int64_t instance = state->instance_of[site * in->slots + other];
        if (in->slot_region[other] == in->slot_region[slot] && instance >= 0 &&
            state->instances[instance].alive && state->instances[instance].valid > 0 &&
            state->instances[instance].life == STAYS)
            return 1;
    }
    return 0;
}

/* Whether what is read from an instance is to be collected: its newest values do not lie there for
 * other reasons. */
static int is_collected(const struct state *state, int64_t requirement, int64_t slot,
                        int64_t instance)
{
    const struct input *in = state->in;
    return in->collect[requirement] != KEPT && in->privilege[requirement] == READ_ONLY &&
           !is_pending(state, slot) && !(instance >= 0 && is_ready(state, instance, slot));
}

/* Whether the instance that is to be collected stays all the same: on a runtime whose instances have
 * all fields of whole regions it may hold newest values of others. */
static int stays_anyway(const struct state *state, int64_t site, int64_t slot)
{
    return state->in->settings[SETTING_recorded] && holds_some(state, site, slot);
}

/* How much memory an instance touches for each byte that a requirement brings into it: where fields lie
 * together, it has all those of its region, and what is copied is spread over their room. */
static double room_of(const struct input *in, int64_t requirement)
{
    double apart = in->layout_room[in->layout[requirement]], bytes = in->point_bytes[requirement];
    return apart > 0.0 && bytes > 0.0 ? apart / bytes : 1.0;
}

/* Makes an instance for one task to read, or until what it holds is overwritten; -1 where the memory
 * is full. */
static int64_t make_collected(struct state *state, int64_t requirement, int64_t occurrence)
{
    const struct input *in = state->in;
    int64_t site = in->derived.site[requirement], memory = in->derived.site_memory[site];
    int64_t slot = in->slot_values[occurrence], instance;
    if (in->collect[requirement] == WHEN_STALE) {
        instance = make(state, site, slot);
        if (instance >= 0)
            state->instances[instance].life = UNTIL_STALE;
        state->stale = 1;
    } else {
        if (!allocate_transient(state, memory, in->slot_bytes[slot]))
            return -1;
        instance = reset_instance(state, &state->transient_of[occurrence], site, slot, ONE_TASK);
    }
    if (instance >= 0)
        state->instances[instance].room = room_of(in, requirement);
    return instance;
}

/* The slot that a new instance is made for; of those around a slot the widest is the last. */
int64_t slot_to_make(const struct input *in, int64_t requirement, int64_t slot)
{
    int64_t first = in->wider_start[slot], end = in->wider_start[slot + 1];
    int whole = in->extent[requirement] == WHOLE && end > first;
    return whole ? in->wider_values[end - 1] : slot;
}

/* One region requirement of a point task. */
enum status require(struct state *state, int64_t requirement, int64_t task,
                    int64_t analysis)
{
    const struct input *in = state->in;
    int64_t site = in->derived.site[requirement], memory = memory_for(in, requirement);
    state->merged = 0;
    state->lists->allocation.used = 0;
    state->allocation_head = -1;
    for (int64_t i = in->slot_start[requirement]; i < in->slot_start[requirement + 1]; i++) {
        int64_t slot = in->slot_values[i];
        state->failed_requirement = requirement;
        state->failed_slot = slot;
        if (in->privilege[requirement] == REDUCE) {
            if (!reduce(state, i, memory, task, analysis))
                return OUT_OF_MEMORY;
            continue;
        }
        int64_t before = state->allocation_head;
        if (state->stale)
            collect_stale(state, site, slot);
        int64_t instance = find(state, site, slot, in->extent[requirement] == EXACT);
        int collected = is_collected(state, requirement, slot, instance);
        state->untracked = collected && in->collect[requirement] == AT_ONCE;
        if (collected && !stays_anyway(state, site, slot)) {
            instance = make_collected(state, requirement, i);
            if (instance < 0)
                return OUT_OF_MEMORY;
            state->graph->operation[analysis].seconds += in->costs[COST_instance];
            state->collected = 1;
            await_memory(state, task, before);
        } else if (instance < 0) {
            instance = make(state, site, slot_to_make(in, requirement, slot));
            if (instance < 0)
                return OUT_OF_MEMORY;
            await_memory(state, task, before);
        }
        use(state, requirement, slot, instance, task, analysis);
    }
    return PLANNED;
}

/* The transient instances that a task has read await their release, and what it has folded upwards
 * is freed, once all its requirements are mapped: none of them may wait for memory that comes free
 * only when the task itself has ended. */
void defer_releases(struct state *state, int64_t requirement, int64_t task)
{
    const struct input *in = state->in;
    int64_t queue = state->limit_queue, memory = memory_for(in, requirement);
    for (int64_t i = in->slot_start[requirement]; i < in->slot_start[requirement + 1]; i++) {
        int64_t instance = state->transient_of[i];
        if (in->privilege[requirement] == REDUCE && in->fold_into[i] >= 0)
            free_transient(state, memory, in->slot_bytes[in->slot_values[i]],
                           state->reductions[i].operation);
        if (instance < 0 || !state->instances[instance].alive)
            continue;
        int64_t turn = queue < 0 ? 0 : state->passed[queue], number = state->deferred_count++;
        struct fifo *fifo =
            queue < 0 ? &state->deferred_in[memory] : &state->deferred_behind[queue];
        state->deferred[number] = (struct deferred_release){-1, instance, task, turn};
        if (fifo->head >= 0)
            state->deferred[fifo->tail].next = number;
        else
            fifo->head = number;
        fifo->tail = number;
        if (queue < 0) /* it does not count as used: others can have its bytes */
            state->idle[memory] += in->slot_bytes[in->slot_values[i]];
    }
}
