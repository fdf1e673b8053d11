/* Copies of the newest values, and the folds of reductions into them. */
#include "state.h"

/* Under which the operations of a requirement have the lock of its folds; joins of folds come after
 * it, by instance. */
#define LOCK_KEY INT64_MIN

/* An operation on behalf of the point task that was analysed, once that is done. */
int64_t operation_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                      int64_t analysis, int64_t region)
{
    struct graph *graph = state->graph;
    int64_t point = graph->operation[analysis].point, iteration = graph->operation[analysis].iteration;
    int64_t number = new_operation(graph, kind, target, 0.0, point, iteration);
    graph->operation[number].source = (int32_t)source;
    graph->operation[number].region = (int32_t)region;
    edge(graph, analysis, number);
    edge(graph, state->fence, number);
    const struct listed *pending = state->lists->allocation.listed;
    for (int64_t i = state->allocation_head; i >= 0; i = pending[i].next)
        edge(graph, pending[i].operation, number);
    return number;
}

/* A copy or fold, whose planning is part of the analysis. */
int64_t transfer_for(struct state *state, enum kind kind, int64_t source, int64_t target,
                     int64_t analysis, int64_t region)
{
    const struct input *in = state->in;
    int64_t kinds = in->memory_kind[source] * MEMORY_KINDS + in->memory_kind[target];
    int64_t at = kinds * WHERE_CODES + where_code(in, source, target);
    state->graph->operation[analysis].seconds += state->factor * in->route_analysis[at];
    return operation_for(state, kind, source, target, analysis, region);
}

/* Lets a copy, fold or fill carry some more bytes, each of which counts for so many in time. */
void carry(struct state *state, int64_t operation, double bytes, double weight)
{
    state->graph->operation[operation].bytes += bytes;
    state->graph->operation[operation].load += weight * bytes;
}

/* Lets a fold carry some more sums, which both ends read; a network carries them alone. */
void carry_sums(struct state *state, int64_t fold, double bytes)
{
    const struct graph *graph = state->graph;
    int far = where_code(state->in, graph->operation[fold].source, graph->operation[fold].place) == WHERE_NETWORK;
    carry(state, fold, bytes, far ? 1.0 : state->in->costs[COST_fold]);
}

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

/* One atom of a reduction instance was used up: by a fold, which has waited for the last task that
 * reduced to it, or by that task itself. Its room is given to others at once, or later. */
void spend(struct state *state, int64_t node, int64_t operation, int later)
{
    int64_t occurrence = state->pending_occurrence[node];
    struct reduction *reduction = &state->reductions[occurrence];
    state->pending_occurrence[node] = -1;
    state->spent_by[node] = operation;
    if (--reduction->left > 0)
        return;
    const struct input *in = state->in;
    int64_t slot = in->slot_values[occurrence], first = state->occurrence_atom[occurrence];
    int64_t atoms = atoms_of(in, slot);
    int64_t last = operation;
    for (int64_t i = first; i < first + atoms; i++)
        last = join_after(state->graph, operation, last, state->spent_by[i]);
    if (later)
        free_later(state, reduction->memory, in->slot_bytes[slot], last);
    else
        free_after(state, reduction->memory, in->slot_bytes[slot], last);
}

/* The first reduction of an atom that is to be folded, or -1. Points of one launch never share data
 * that some of them reduce: where their boxes overlap, the pieces have holes. */
int64_t due(const struct state *state, int64_t atom)
{
    int64_t node = state->atom_pending[atom];
    while (node >= 0 && state->reductions[state->pending_occurrence[node]].last >=
                            state->first_of_launch)
        node = state->pending_next[node];
    return node;
}

/* Takes the first reduction that is to be folded out of an atom's list; -1 where there is none. */
int64_t take_due(struct state *state, int64_t atom)
{
    int64_t node = due(state, atom), *link = &state->atom_pending[atom];
    if (node < 0)
        return -1;
    while (*link != node)
        link = &state->pending_next[*link];
    *link = state->pending_next[node];
    return node;
}

/* Forgets the reductions that were made to an atom which is now overwritten: nobody waits for more
 * than their end. */
void discard(struct state *state, int64_t atom)
{
    for (int64_t node; (node = take_due(state, atom)) >= 0;)
        spend(state, node, state->reductions[state->pending_occurrence[node]].operation, 0);
}

/* Applies the reductions that one task made to an atom. */
static int64_t fold(struct state *state, int64_t atom, int64_t number, int64_t node, int64_t analysis)
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
    carry_sums(state, operation, state->in->atom_bytes[atom]);
    after_users(state, number, operation);
    spend(state, node, operation, 0);
    return operation;
}

/* The lock of the folds of a requirement. */
static int64_t lock_of_folds(struct state *state)
{
    int64_t lock = merged(state, LOCK_KEY);
    if (lock < 0) {
        lock = state->graph->locks++;
        merge(state, LOCK_KEY, lock);
    }
    return lock;
}

/* The end of the folds of a requirement into an instance. */
static int64_t join_of_folds(struct state *state, int64_t instance, int64_t analysis)
{
    const struct graph *graph = state->graph;
    int64_t key = LOCK_KEY + 1 + instance, join = merged(state, key);
    if (join < 0) {
        join = new_operation(state->graph, JOIN, 0, 0.0, graph->operation[analysis].point,
                             graph->operation[analysis].iteration);
        merge(state, key, join);
    }
    return join;
}

/* Applies all reductions to an atom that are due. Where several tasks made some, their folds have no order among
 * themselves: a reservation keeps them apart, and whichever is ready first goes first. */
static void fold_all(struct state *state, int64_t atom, int64_t number, int64_t analysis)
{
    int64_t node = take_due(state, atom), last;
    struct entry *entry = &state->entries[number];
    if (due(state, atom) < 0) {
        last = fold(state, atom, number, node, analysis);
    } else {
        int64_t lock = lock_of_folds(state);
        last = join_of_folds(state, entry->instance, analysis);
        for (; node >= 0; node = take_due(state, atom)) {
            int64_t operation = fold(state, atom, number, node, analysis);
            state->graph->operation[operation].lock = (int32_t)lock;
            edge(state->graph, operation, last);
        }
    }
    entry->readers = -1;
    entry->writer = (int32_t)last;
}

/* How many bytes a copied byte stands for, by the layouts of both ends, and as the target's memory
 * may be fresh. */
static double weight_of(const struct state *state, int64_t source, int64_t target)
{
    const struct input *in = state->in;
    const struct instance *to = &state->instances[state->entries[target].instance];
    int64_t from = state->instances[state->entries[source].instance].site;
    int64_t layout = in->derived.site_layout[to->site];
    double weight =
        in->layout_weight[in->derived.site_layout[from] * in->layouts + layout];
    return to->life != STAYS ? weight + in->costs[COST_fresh] * to->room : weight;
}

/* The copy that brings the newest value of an atom to an entry, from the nearest instance that
 * holds it; -1 where nobody has written it. What the task itself writes by another requirement it
 * copies before. */
static int64_t fetch(struct state *state, int64_t atom, int64_t entry, int64_t task,
                     int64_t analysis)
{
    int64_t target = memory_of(state, entry), region = region_of(state, entry);
    int64_t source = nearest(state, atom, target);
    if (source < 0)
        return -1;
    int64_t mine = state->entries[source].writer == task;
    if (mine && state->entries[source].before < 0)
        return -1;
    int64_t memory = memory_of(state, source), copy = merged(state, memory);
    if (copy < 0) {
        copy = transfer_for(state, COPY, memory, target, analysis, region);
        merge(state, memory, copy);
    }
    carry(state, copy, state->in->atom_bytes[atom], weight_of(state, source, entry));
    if (mine) {
        edge(state->graph, state->entries[source].before, copy);
        edge(state->graph, copy, task);
    } else {
        edge(state->graph, state->entries[source].writer, copy);
    }
    read_by(state, source, copy);
    return copy;
}

/* Makes an entry valid for a task: a copy of the newest value, and the folds that are due. */
void bring(struct state *state, int64_t atom, int64_t number, int64_t task, int64_t analysis)
{
    struct entry *entry = &state->entries[number];
    if (state->gathering.groups > 0 && take_part(state, atom, number, task, analysis))
        return;
    if (!entry->valid && entry->lost_to == task) {
        hold(state, atom, number);
    } else if (!entry->valid) {
        int64_t copy = fetch(state, atom, number, task, analysis);
        if (copy >= 0) {
            after_readers(state, number, copy);
            entry->writer = (int32_t)copy;
        }
        if (state->untracked)
            return; /* Legion does not record it as valid: nobody copies from it */
        hold(state, atom, number);
    }
    if (due(state, atom) < 0)
        return;
    invalidate(state, atom);
    hold(state, atom, number);
    fold_all(state, atom, number, analysis);
}
