/* Planning: from decisions to the operation graph, in program order.
 *
 * This is what Legion's dependence analysis, mapping and physical analysis come to. Each point task
 * finds or makes instances in the memories that the mapper chose; copies are issued from the
 * nearest valid instance; reductions go to instances of their own and are folded in by the next
 * reader; writers wait for the readers of the instance that they write.
 */
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Point tasks and launches. */

/* The runtime's work for a point: in program order in each context (the task that launches). */
static int64_t analyse(struct state *state, int64_t point, int64_t iteration)
{
    const struct input *in = state->in;
    int64_t rank = in->runtime_rank[point], parent = in->point_parent[point];
    int64_t width = in->point_requirement[point + 1] - in->point_requirement[point];
    double seconds = state->factor * (in->costs[COST_point] +
                                      in->costs[COST_requirement] * (double)width) +
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
    const struct input *in = state->in;
    struct graph *graph = state->graph;
    int64_t processor = in->processor[point], iteration = graph->iteration[analysis];
    int64_t task =
        new_operation(graph, TASK, processor, in->seconds[point], point, iteration);
    graph->bytes[task] = in->link_bytes[point];
    graph->source[task] = in->link_memory[point];
    edge(graph, analysis, task);
    int64_t complete = task;
    if (in->has_children[point]) {
        complete = new_operation(graph, JOIN, processor, 0.0, point, iteration);
        edge(graph, task, complete);
    }
    state->execution[point] = task;
    state->complete[point] = complete;
    state->limit_queue = state->replays ? -1 : in->limit_queue[point];
    graph->limit[analysis] = state->limit_queue;
    if (state->limit_queue >= 0)
        release_before(state, state->limit_queue);
    if (in->point_parent[point] >= 0)
        edge(graph, complete, state->complete[in->point_parent[point]]);
    for (int64_t r = in->point_requirement[point]; r < in->point_requirement[point + 1];
         r++) {
        enum status status = require(state, r, task, analysis);
        if (status != PLANNED)
            return status;
    }
    for (int64_t r = in->point_requirement[point]; r < in->point_requirement[point + 1]; r++)
        defer_releases(state, r, task);
    if (state->limit_queue >= 0)
        state->passed[state->limit_queue]++;
    return PLANNED;
}

/* One launch: runtime work, then its points. */
static enum status run_launch(struct state *state, int64_t launch, int64_t iteration)
{
    const struct input *in = state->in;
    struct graph *graph = state->graph;
    int64_t first = in->launch_point[launch], last = in->launch_point[launch + 1];
    int64_t join = -1, before = -1;
    state->first_of_launch = graph->operations;
    if (in->launch_joins[launch])
        join = new_operation(graph, JOIN, 0, 0.0, first, iteration);
    int nested = in->launch_parent[launch] >= 0;
    if (!nested) /* every rank analyses it, whether or not it runs a point of it */
        for (int64_t rank = 0; rank < in->ranks; rank++)
            state->owed[rank] += state->factor * (in->costs[COST_launch] +
                                                  in->costs[COST_domain] * (double)(last - first));
    for (int64_t point = first; point < last; point++) {
        if (nested && in->point_parent[point] != before) {
            before = in->point_parent[point];
            state->owed[in->runtime_rank[point]] +=
                state->factor * in->costs[COST_launch];
        }
        int64_t analysis = analyse(state, point, iteration);
        enum status status = run_point(state, point, analysis);
        if (status != PLANNED)
            return status;
        for (int64_t i = in->after_start[launch]; i < in->after_start[launch + 1]; i++)
            edge(graph, state->join[in->after_values[i]], state->execution[point]);
        graph->limit[state->complete[point]] = state->limit_queue;
        if (join >= 0)
            edge(graph, state->complete[point], join);
    }
    state->join[launch] = join;
    if (in->launch_blocking[launch])
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

static struct fifo *empty_fifos(int64_t count, int *failed)
{
    struct fifo *fifos = zeros(count, sizeof *fifos, failed);
    for (int64_t i = 0; fifos != NULL && i < count; i++)
        fifos[i] = (struct fifo){-1, -1};
    return fifos;
}

static int open_state(struct state *state, const struct input *in, struct graph *graph,
                      double *peak)
{
    int failed = 0;
    memset(state, 0, sizeof *state);
    state->in = in;
    state->graph = graph;
    state->peak = peak;
    state->blocked = -1;
    state->allocation_head = -1;
    state->occurrence_atom = integers(in->occurrences, 0, &failed);
    if (failed)
        return 0;
    int64_t atoms = 0, entries = 0;
    for (int64_t r = 0; r < in->requirements; r++)
        for (int64_t i = in->slot_start[r]; i < in->slot_start[r + 1]; i++) {
            int64_t slot = in->slot_values[i];
            state->occurrence_atom[i] = atoms;
            atoms += atoms_of(in, slot);
            /* Each occurrence may have made an instance that stays, and a transient one. */
            entries += atoms_of(in, slot_to_make(in, r, slot)) + atoms_of(in, slot);
        }
    state->used = zeros(in->memories, sizeof(double), &failed);
    state->idle = zeros(in->memories, sizeof(double), &failed);
    state->instance_of = integers(in->sites * in->slots, -1, &failed);
    state->instances = zeros(2 * in->occurrences, sizeof(struct instance), &failed);
    state->entries = zeros(entries, sizeof(struct entry), &failed);
    state->atom_holder = integers(in->atoms, -1, &failed);
    state->atom_pending = integers(in->atoms, -1, &failed);
    state->pending_next = integers(atoms, -1, &failed);
    state->pending_occurrence = integers(atoms, -1, &failed);
    state->spent_by = integers(atoms, -1, &failed);
    state->transient_of = integers(in->occurrences, -1, &failed);
    state->deferred = zeros(in->occurrences, sizeof(struct deferred_release), &failed);
    state->deferred_in = empty_fifos(in->memories, &failed);
    state->deferred_behind = empty_fifos(in->queues, &failed);
    state->reductions = zeros(in->occurrences, sizeof(struct reduction), &failed);
    state->freed_in = empty_fifos(in->memories, &failed);
    state->passed = integers(in->queues, 0, &failed);
    state->kept_by = empty_fifos(in->queues, &failed);
    state->merged_key = integers(in->occurrences + in->memories, -1, &failed);
    state->merged_operation = integers(in->occurrences + in->memories, -1, &failed);
    state->execution = integers(in->points, -1, &failed);
    state->complete = integers(in->points, -1, &failed);
    state->last_child = integers(in->points, -1, &failed);
    state->last_on_rank = integers(in->ranks, -1, &failed);
    state->owed = zeros(in->ranks, sizeof(double), &failed);
    state->join = integers(in->launches, -1, &failed);
    return !failed;
}

static void close_state(struct state *state)
{
    void *arrays[] = {state->occurrence_atom, state->used,          state->instance_of,
                      state->instances,       state->entries,       state->atom_holder,
                      state->atom_pending,    state->pending_next,  state->pending_occurrence,
                      state->reductions,      state->freed,         state->freed_in,
                      state->kept_by,         state->merged_key,    state->merged_operation,
                      state->execution,       state->complete,      state->last_child,
                      state->last_on_rank,    state->owed,          state->join,
                      state->readers.next,    state->allocation.operation,
                      state->readers.operation, state->allocation.next, state->spent_by,
                      state->idle,            state->transient_of,
                      state->deferred,       state->deferred_in,    state->deferred_behind,
                      state->passed};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

/* A trace that is recorded with its mapping is replayed without the mapper, and without limits;
 * but not where an instance of it was collected. */
static void begin_iteration(struct state *state, int64_t iteration)
{
    const struct input *in = state->in;
    int recorded = in->settings[SETTING_recorded] != 0;
    int traced = iteration >= in->settings[SETTING_untraced] && !(recorded && state->collected);
    state->replays = recorded && traced;
    state->factor = traced ? 1.0 : in->costs[COST_untraced];
    state->collected = 0;
}

static enum status run(struct state *state)
{
    const struct input *in = state->in;
    int64_t setup = in->settings[SETTING_setup_launches];
    for (int64_t iteration = -1; iteration < in->settings[SETTING_iterations]; iteration++) {
        int64_t first = iteration < 0 ? 0 : setup;
        int64_t last = iteration < 0 ? setup : in->launches;
        begin_iteration(state, iteration);
        for (int64_t i = 0; i < in->points; i++)
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

enum status plan(const struct input *in, struct graph *graph, int64_t failure[2], double *peak)
{
    struct state state;
    memset(graph, 0, sizeof *graph);
    grow_operations(graph);
    if (graph->failed)
        return NO_HOST_MEMORY;
    enum status status = NO_HOST_MEMORY;
    if (open_state(&state, in, graph, peak))
        status = run(&state);
    failure[0] = state.failed_requirement;
    failure[1] = state.failed_slot;
    close_state(&state);
    return status;
}
