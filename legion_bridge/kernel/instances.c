/* Instances, and which of their entries hold the newest value. */
#include "state.h"

#include <math.h>

int64_t memory_of(const struct state *state, int64_t entry)
{
    const struct instance *instance = &state->instances[state->entries[entry].instance];
    return state->in->derived.site_memory[instance->site];
}

int64_t region_of(const struct state *state, int64_t entry)
{
    return state->in->slot_region[state->instances[state->entries[entry].instance].slot];
}

/* The entry of an atom in an instance; the atoms of a slot are in ascending order. */
int64_t search_entry(const struct state *state, const struct instance *instance, int64_t atom)
{
    const struct input *in = state->in;
    int64_t slot = instance->slot;
    int64_t first = in->slot_atom_start[slot];
    int64_t low = first, high = in->slot_atom_start[slot + 1];
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (in->slot_atom_values[middle] < atom)
            low = middle + 1;
        else
            high = middle;
    }
    return instance->entry + low - first;
}

/* No instance holds the newest value of the atom any more. */
void invalidate(struct state *state, int64_t atom)
{
    for (int64_t i = state->atom_holder[atom]; i >= 0; i = state->entries[i].next_holder) {
        state->entries[i].valid = 0;
        state->instances[state->entries[i].instance].valid--;
    }
    state->atom_holder[atom] = -1;
}

/* The entry now holds the newest value of the atom. */
void hold(struct state *state, int64_t atom, int64_t number)
{
    struct entry *entry = &state->entries[number];
    if (entry->valid)
        return;
    entry->valid = 1;
    entry->next_holder = (int32_t)state->atom_holder[atom];
    state->atom_holder[atom] = number;
    state->instances[entry->instance].valid++;
}

/* A task writes an entry, which alone holds the newest value then. Requirements of one task never
 * share data: where their boxes overlap, the pieces have holes, and what the task wrote by another
 * requirement stays. */
void overwrite(struct state *state, int64_t atom, int64_t number, int64_t task)
{
    struct entry *entry = &state->entries[number];
    if (entry->writer != task) {
        entry->before = entry->writer;
        entry->writer = (int32_t)task;
    }
    int32_t *link = &state->atom_holder[atom];
    while (*link >= 0) {
        struct entry *other = &state->entries[*link];
        if (other->writer == task) {
            link = &other->next_holder;
            continue;
        }
        other->valid = 0;
        other->lost_to = (int32_t)task;
        state->instances[other->instance].valid--;
        *link = other->next_holder;
    }
    hold(state, atom, number);
}

void read_by(struct state *state, int64_t entry, int64_t operation)
{
    struct entry *read = &state->entries[entry];
    read->readers = add(state, &state->lists->readers, read->readers, operation);
}

/* An operation that changes an entry waits for all that read it, and for who wrote it. */
void after_users(const struct state *state, int64_t number, int64_t operation)
{
    const struct entry *entry = &state->entries[number];
    const struct listed *readers = state->lists->readers.listed;
    for (int64_t i = entry->readers; i >= 0; i = readers[i].next)
        edge(state->graph, readers[i].operation, operation);
    edge(state->graph, entry->writer, operation);
}

/* The same, and whoever waits for the operation need not wait for them. */
void after_readers(struct state *state, int64_t number, int64_t operation)
{
    after_users(state, number, operation);
    state->entries[number].readers = -1;
}

/* The valid entry of an atom from which it reaches a memory soonest; the oldest of equals. */
int64_t nearest(const struct state *state, int64_t atom, int64_t target)
{
    const struct input *in = state->in;
    int64_t best = -1;
    double best_cost = INFINITY;
    for (int64_t i = state->atom_holder[atom]; i >= 0; i = state->entries[i].next_holder) {
        int64_t source = memory_of(state, i);
        int64_t kinds = in->memory_kind[source] * MEMORY_KINDS + in->memory_kind[target];
        int64_t at = (kinds * WHERE_CODES + where_code(in, source, target)) * 2;
        double cost = in->route_cost[at] + in->route_cost[at + 1] * in->atom_bytes[atom];
        if (cost <= best_cost) {
            best = i;
            best_cost = cost;
        }
    }
    return best;
}

/* An instance at the site that covers the slot: the slot's own, else the smallest wider one. */
int64_t find(const struct state *state, int64_t site, int64_t slot, int64_t exact)
{
    const struct input *in = state->in;
    const int64_t *at_site = state->instance_of + site * in->slots;
    if (at_site[slot] >= 0 && state->instances[at_site[slot]].alive)
        return at_site[slot];
    if (exact)
        return -1;
    for (int64_t i = in->wider_start[slot]; i < in->wider_start[slot + 1]; i++) {
        int64_t other = at_site[in->wider_values[i]];
        if (other >= 0 && state->instances[other].alive)
            return other;
    }
    return -1;
}

/* An instance that holds nothing yet, under the number that is known for it. */
int64_t reset_instance(struct state *state, int64_t *known, int64_t site, int64_t slot,
                       enum life life)
{
    const struct input *in = state->in;
    int64_t atoms = atoms_of(in, slot);
    if (*known < 0) {
        *known = state->instance_count++;
        state->instances[*known].entry = (int32_t)state->entry_count;
        state->entry_count += atoms;
    }
    int32_t first = state->instances[*known].entry;
    state->instances[*known] = (struct instance){(int32_t)site, (int32_t)slot, first, 0, 1,
                                                  (char)life, 0, 1.0};
    for (int64_t i = first; i < first + atoms; i++)
        state->entries[i] = (struct entry){(int32_t)*known, -1, -1, -1, -1, -1, 0};
    return *known;
}

/* A new instance for a slot, or -1 where the memory is full. */
int64_t make(struct state *state, int64_t site, int64_t slot)
{
    const struct input *in = state->in;
    if (!allocate(state, in->derived.site_memory[site], in->slot_bytes[slot]))
        return -1;
    return reset_instance(state, &state->instance_of[site * in->slots + slot], site, slot, STAYS);
}
