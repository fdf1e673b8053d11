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
    state->limit_queue = state->replays ? -1 : given->limit_queue[point];
    graph->limit[analysis] = state->limit_queue;
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
        graph->limit[state->complete[point]] = state->limit_queue;
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

/* A trace that is recorded with its mapping is replayed without the mapper, and without limits;
 * but not where an instance of it was collected. */
static void begin_iteration(struct state *state, int64_t iteration)
{
    const struct input *given = state->given;
    int recorded = given->settings[RECORDED] != 0;
    int traced = iteration >= given->settings[UNTRACED] && !(recorded && state->collected);
    state->replays = recorded && traced;
    state->factor = traced ? 1.0 : given->costs[COST_UNTRACED];
    state->collected = 0;
}

static enum status run(struct state *state)
{
    const struct input *given = state->given;
    int64_t setup = given->settings[SETUP_LAUNCHES];
    for (int64_t iteration = -1; iteration < given->settings[ITERATIONS]; iteration++) {
        int64_t first = iteration < 0 ? 0 : setup;
        int64_t last = iteration < 0 ? setup : given->launches;
        begin_iteration(state, iteration);
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
