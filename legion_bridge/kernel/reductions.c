/* Reductions: to instances of their own, of which somebody folds the sums into the data. */
#include "state.h"

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
int reduce(struct state *state, int64_t occurrence, int64_t memory, int64_t task,
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
