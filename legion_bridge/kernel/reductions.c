/* Reductions: to instances of their own, of which somebody folds the sums into the data. */
#include "state.h"

/* An atom of a reduction instance, by its position in the slot, is to be folded by the next reader. */
static void await_fold(struct state *state, int64_t occurrence, int64_t position)
{
    const struct input *in = state->in;
    int64_t slot = in->slot_values[occurrence];
    int64_t atom = in->slot_atom_values[in->slot_atom_start[slot] + position];
    int64_t node = state->occurrence_atom[occurrence] + position;
    state->pending_occurrence[node] = occurrence;
    state->pending_next[node] = state->atom_pending[atom];
    state->atom_pending[atom] = node;
}

/* A reduction goes on in the instance of the last one, of which somebody has yet to read all or a
 * part; what was read already is filled again, once it was. */
static void reduce_on(struct state *state, int64_t occurrence, int64_t task, int64_t analysis)
{
    const struct input *in = state->in;
    struct reduction *reduction = &state->reductions[occurrence];
    int64_t slot = in->slot_values[occurrence], fill = -1;
    int64_t first = in->slot_atom_start[slot], atoms = in->slot_atom_start[slot + 1] - first;
    for (int64_t i = 0; i < atoms; i++) {
        int64_t node = state->occurrence_atom[occurrence] + i;
        if (state->pending_occurrence[node] >= 0)
            continue;
        if (fill < 0) {
            fill = operation_for(state, FILL, reduction->memory, reduction->memory, analysis,
                                 in->slot_region[slot]);
            edge(state->graph, reduction->operation, fill);
            edge(state->graph, fill, task);
        }
        carry(state, fill, in->atom_bytes[in->slot_atom_values[first + i]], 1.0);
        edge(state->graph, state->spent_by[node], fill);
        await_fold(state, occurrence, i);
        reduction->left++;
    }
    edge(state->graph, reduction->operation, task);
    reduction->operation = reduction->last = task;
    reduction->join = -1;
}

/* What a nested task has reduced is folded into the reduction instance of the task that launched
 * it, as soon as it has ended. Such folds have no order among themselves: a lock keeps them apart. */
static void reduce_into(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
                        int64_t analysis)
{
    const struct input *in = state->in;
    struct reduction *above = &state->reductions[in->fold_into[occurrence]];
    if (above->join < 0) {
        const struct graph *graph = state->graph;
        above->first = above->operation;
        above->join = new_operation(state->graph, JOIN, 0, 0.0, graph->operation[task].point,
                                    graph->operation[task].iteration);
        above->lock = state->graph->locks++;
        above->operation = above->join;
    }
    int64_t slot = in->slot_values[occurrence];
    int64_t parent = in->point_parent[state->graph->operation[task].point];
    int64_t fold = transfer_for(state, FOLD, memory, above->memory, analysis,
                                in->slot_region[slot]);
    carry_sums(state, fold, in->slot_bytes[slot]);
    state->graph->operation[fold].lock = (int32_t)above->lock;
    edge(state->graph, task, fold);
    edge(state->graph, above->first, fold);
    edge(state->graph, fold, above->join);
    edge(state->graph, fold, state->complete[parent]);
    above->last = fold;
    int64_t *complete = &state->complete[state->graph->operation[task].point];
    *complete = join_after(state->graph, task, *complete, fold);
    state->reductions[occurrence].operation = fold; /* its memory comes free with the task's */
}

/* A reduction of the same data in the same memory, which others have made and nobody has read: a runtime
 * with collective operations goes on adding to it. NULL where there is none. */
static struct reduction *open_sums(const struct state *state, int64_t slot, int64_t memory)
{
    const struct input *in = state->in;
    int64_t atom = in->slot_atom_values[in->slot_atom_start[slot]];
    for (int64_t node = due(state, atom); node >= 0; node = state->pending_next[node]) {
        int64_t occurrence = state->pending_occurrence[node];
        struct reduction *reduction = &state->reductions[occurrence];
        if (in->slot_values[occurrence] == slot && reduction->memory == memory &&
            reduction->left == atoms_of(in, slot) && reduction->last < state->first_of_launch)
            return reduction;
    }
    return NULL;
}

/* A reduction goes to an instance of its own; 0 where the memory is full. */
int reduce(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
           int64_t analysis)
{
    const struct input *in = state->in;
    struct reduction *reduction = &state->reductions[occurrence];
    int64_t slot = in->slot_values[occurrence];
    if (reduction->left > 0) {
        reduce_on(state, occurrence, task, analysis);
        return 1;
    }
    double bytes = in->slot_bytes[slot];
    int nested = in->fold_into[occurrence] >= 0;
    struct reduction *open = in->settings[SETTING_collective] && !nested
                                 ? open_sums(state, slot, memory)
                                 : NULL;
    if (open != NULL) {
        edge(state->graph, open->operation, task);
        open->operation = open->last = task;
        return 1;
    }
    if (!(nested ? allocate_transient(state, memory, bytes) : allocate(state, memory, bytes)))
        return 0;
    int64_t fill =
        operation_for(state, FILL, memory, memory, analysis, in->slot_region[slot]);
    carry(state, fill, bytes, 1.0);
    edge(state->graph, fill, task);
    if (nested) {
        reduce_into(state, occurrence, memory, task, analysis);
        return 1;
    }
    int64_t first = in->slot_atom_start[slot], atoms = in->slot_atom_start[slot + 1] - first;
    *reduction = (struct reduction){task, atoms, memory, task, -1, -1, -1};
    for (int64_t i = 0; i < atoms; i++)
        await_fold(state, occurrence, i);
    return 1;
}
