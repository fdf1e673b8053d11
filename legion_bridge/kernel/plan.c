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
    int64_t rank = in->derived.runtime_rank[point], parent = in->point_parent[point];
    int64_t width = in->point_requirement[point + 1] - in->point_requirement[point];
    double seconds = state->factor * (in->costs[COST_point] +
                                      in->costs[COST_requirement] * (double)width) +
                     state->owed[rank];
    if (!state->replays)
        seconds += state->factor * in->costs[COST_refinement] *
                   (double)in->point_refinements[point];
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
    int64_t processor = in->processor[point], iteration = graph->operation[analysis].iteration;
    int64_t task =
        new_operation(graph, TASK, processor, in->seconds[point], point, iteration);
    graph->operation[task].bytes = in->link_bytes[point];
    graph->operation[task].source = (int32_t)in->link_memory[point];
    edge(graph, analysis, task);
    edge(graph, state->fence, task);
    int64_t complete = task;
    if (in->has_children[point]) {
        complete = new_operation(graph, JOIN, processor, 0.0, point, iteration);
        edge(graph, task, complete);
    }
    state->execution[point] = task;
    state->complete[point] = complete;
    state->limit_queue = state->replays ? -1 : in->derived.limit_queue[point];
    graph->operation[analysis].limit = (int32_t)state->limit_queue;
    if (state->limit_queue >= 0) {
        release_before(state, state->limit_queue);
        int64_t *queued = &state->last_in_queue[state->limit_queue];
        if (state->in_turn)
            edge(graph, *queued, analysis);
        *queued = analysis;
    }
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

static void begin_launch(struct state *state, int64_t launch, int64_t iteration)
{
    const struct input *in = state->in;
    int64_t first = in->launch_point[launch];
    state->next_point[launch] = first;
    state->new_join[launch] = -1;
    if (in->launch_joins[launch])
        state->new_join[launch] = new_operation(state->graph, JOIN, 0, 0.0, first, iteration);
    if (in->launch_parent[launch] >= 0)
        return;
    for (int64_t rank = 0; rank < in->ranks; rank++) /* whether or not it runs a point of it */
        state->owed[rank] += state->factor * (in->costs[COST_launch] +
                                              in->costs[COST_domain] * (double)in->launch_volume[launch]);
}

static void end_launch(struct state *state, int64_t launch)
{
    state->join[launch] = state->new_join[launch];
    if (state->in->launch_blocking[launch])
        state->blocked = state->join[launch];
}

/* A point waits for the launches whose futures it takes. Depth first, of those that its parent has
 * launched before only the parent's own points are known. */
static void await_futures(struct state *state, int64_t launch, int64_t point)
{
    const struct input *in = state->in;
    int64_t parent = in->launch_parent[launch];
    for (int64_t i = in->after_start[launch]; i < in->after_start[launch + 1]; i++) {
        int64_t before = in->after_values[i];
        int sibling = parent >= 0 && in->launch_parent[before] == parent && before < launch;
        int64_t join = state->depth_first && sibling ? state->sibling_join[before]
                                                     : state->join[before];
        edge(state->graph, join, state->execution[point]);
    }
}

/* The next points of a launch: all, or, depth first, those that one point of its parent makes, each
 * with all that it launches itself. */
static enum status run_points(struct state *state, int64_t launch, int64_t parent,
                              int64_t iteration)
{
    const struct input *in = state->in;
    struct graph *graph = state->graph;
    int64_t *next = &state->next_point[launch], last = in->launch_point[launch + 1];
    int64_t first_operation = graph->operations, before = -1, own = -1;
    if (in->settings[SETTING_collective] && !state->depth_first) {
        state->first_of_launch = first_operation;
        gather(state, *next, last);
    }
    if (parent >= 0 && in->launch_joins[launch])
        own = new_operation(graph, JOIN, 0, 0.0, *next < last ? *next : 0, iteration);
    for (; *next < last && (parent < 0 || in->point_parent[*next] == parent); ++*next) {
        int64_t point = *next;
        state->first_of_launch = first_operation;
        if (in->launch_parent[launch] >= 0 && in->point_parent[point] != before) {
            before = in->point_parent[point];
            state->owed[in->derived.runtime_rank[point]] += state->factor * in->costs[COST_launch];
        }
        int64_t analysis = analyse(state, point, iteration);
        enum status status = run_point(state, point, analysis);
        if (status != PLANNED)
            return status;
        await_futures(state, launch, point);
        graph->operation[state->complete[point]].limit = (int32_t)state->limit_queue;
        if (state->new_join[launch] >= 0)
            edge(graph, state->complete[point], state->new_join[launch]);
        if (own >= 0)
            edge(graph, state->complete[point], own);
        for (int64_t child = state->depth_first ? state->first_child[launch] : -1;
             child >= 0 && status == PLANNED; child = state->next_sibling[child])
            status = run_points(state, child, point, iteration);
        if (status != PLANNED)
            return status;
    }
    state->sibling_join[launch] = own;
    if (in->settings[SETTING_collective])
        scatter(state);
    return PLANNED;
}

/* Does something for a launch and, depth first, for those below it. */
static void begin_tree(struct state *state, int64_t launch, int64_t iteration)
{
    begin_launch(state, launch, iteration);
    for (int64_t child = state->depth_first ? state->first_child[launch] : -1; child >= 0;
         child = state->next_sibling[child])
        begin_tree(state, child, iteration);
}

static void end_tree(struct state *state, int64_t launch)
{
    end_launch(state, launch);
    for (int64_t child = state->depth_first ? state->first_child[launch] : -1; child >= 0;
         child = state->next_sibling[child])
        end_tree(state, child);
}

/* One launch: runtime work, then its points. Depth first, nested launches come with their parent. */
static enum status run_launch(struct state *state, int64_t launch, int64_t iteration)
{
    if (state->depth_first && state->in->launch_parent[launch] >= 0)
        return PLANNED;
    begin_tree(state, launch, iteration);
    enum status status = run_points(state, launch, -1, iteration);
    end_tree(state, launch);
    return status;
}

/* Links each launch to those that its points make, in their order. */
static void link_children(struct state *state)
{
    const struct input *in = state->in;
    for (int64_t launch = in->launches - 1; launch >= 0; launch--) {
        int64_t parent = in->launch_parent[launch];
        if (parent < 0)
            continue;
        state->next_sibling[launch] = state->first_child[parent];
        state->first_child[parent] = launch;
    }
}

/* Whether a limit holds for some task that launches others. */
static int limits_parents(const struct input *in)
{
    for (int64_t point = 0; point < in->points; point++)
        if (in->derived.limit_queue[point] >= 0 && in->has_children[point])
            return 1;
    return 0;
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

/* Room for what is written before it is read. */
static void *space(int64_t count, size_t size, int *failed)
{
    void *array = count > MOST_OPERATIONS ? NULL : malloc((size_t)(count + 1) * size);
    if (array == NULL)
        *failed = 1;
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

static int open_state(struct state *state, const struct input *in)
{
    int failed = 0;
    state->blocked = state->fence = -1;
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
    state->instance_of = integers(in->derived.sites * in->slots, -1, &failed);
    state->instances = space(2 * in->occurrences, sizeof(struct instance), &failed);
    state->entries = space(entries, sizeof(struct entry), &failed);
    state->atom_holder = space(in->atoms, sizeof *state->atom_holder, &failed);
    for (int64_t i = 0; !failed && i < in->atoms; i++)
        state->atom_holder[i] = -1;
    state->atom_pending = integers(in->atoms, -1, &failed);
    state->pending_next = integers(atoms, -1, &failed);
    state->pending_occurrence = integers(atoms, -1, &failed);
    state->spent_by = integers(atoms, -1, &failed);
    state->transient_of = integers(in->occurrences, -1, &failed);
    state->deferred = space(in->occurrences, sizeof(struct deferred_release), &failed);
    state->deferred_in = empty_fifos(in->memories, &failed);
    state->deferred_behind = empty_fifos(in->derived.queues, &failed);
    state->reductions = zeros(in->occurrences, sizeof(struct reduction), &failed);
    state->freed_in = empty_fifos(in->memories, &failed);
    state->passed = integers(in->derived.queues, 0, &failed);
    state->kept_by = empty_fifos(in->derived.queues, &failed);
    /* Of a requirement: copies by source memory, folds by reduction, joins of folds by
     * instance, and one lock. */
    int64_t most_merged = in->memories + 3 * in->occurrences + 1;
    state->merged_key = integers(most_merged, -1, &failed);
    state->merged_operation = integers(most_merged, -1, &failed);
    state->execution = integers(in->points, -1, &failed);
    state->complete = integers(in->points, -1, &failed);
    state->last_child = integers(in->points, -1, &failed);
    state->last_on_rank = integers(in->ranks, -1, &failed);
    state->owed = zeros(in->ranks, sizeof(double), &failed);
    state->join = integers(in->launches, -1, &failed);
    state->new_join = integers(in->launches, -1, &failed);
    state->sibling_join = integers(in->launches, -1, &failed);
    state->next_point = integers(in->launches, 0, &failed);
    state->first_child = integers(in->launches, -1, &failed);
    state->next_sibling = integers(in->launches, -1, &failed);
    state->last_in_queue = integers(in->derived.queues, -1, &failed);
    if (in->settings[SETTING_collective])
        state->atom_portion = space(in->atoms, sizeof *state->atom_portion, &failed);
    for (int64_t i = 0; !failed && state->atom_portion != NULL && i < in->atoms; i++)
        state->atom_portion[i] = -1;
    return !failed;
}

static void close_state(struct state *state)
{
    void *arrays[] = {state->occurrence_atom, state->used,          state->instance_of,
                      state->instances,       state->entries,       state->atom_holder,
                      state->atom_pending,    state->pending_next,  state->pending_occurrence,
                      state->reductions,      state->freed_in,
                      state->kept_by,         state->merged_key,    state->merged_operation,
                      state->execution,       state->complete,      state->last_child,
                      state->last_on_rank,    state->owed,          state->join,
                      state->spent_by,
                      state->idle,            state->transient_of,
                      state->deferred,       state->deferred_in,    state->deferred_behind,
                      state->passed,          state->new_join,      state->sibling_join,
                      state->next_point,      state->first_child,   state->next_sibling,
                      state->last_in_queue,  state->atom_portion};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free_gathering(&state->gathering);
}

/* What begins now runs after all points that were planned so far. */
static int64_t new_fence(struct state *state, int64_t iteration)
{
    int64_t fence = new_operation(state->graph, JOIN, 0, 0.0, 0, iteration);
    for (int64_t point = 0; point < state->in->points; point++)
        edge(state->graph, state->complete[point], fence);
    return fence;
}

/* A trace that is recorded with its mapping is replayed without the mapper, and without limits;
 * but not where an instance of it was collected: then it is recorded anew, behind a fence. */
static void begin_iteration(struct state *state, int64_t iteration)
{
    const struct input *in = state->in;
    int recorded = in->settings[SETTING_recorded] != 0;
    int first = iteration < in->settings[SETTING_untraced];
    int anew = !first && recorded && state->collected;
    state->replays = recorded && !first && !anew;
    state->factor = first || anew ? in->costs[COST_untraced] : 1.0;
    if (anew)
        state->factor *= in->costs[COST_recording];
    state->fence = anew ? new_fence(state, iteration) : -1;
    state->collected = 0;
}

struct state *open_plan(const struct input *in, int in_turn, struct graph *graph,
                        struct lists *lists, double *peak)
{
    struct state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return NULL;
    graph->operations = graph->edges = graph->locks = graph->failed = 0;
    lists->readers.used = lists->allocation.used = lists->freed_count = 0;
    state->in = in;
    state->graph = graph;
    state->lists = lists;
    state->peak = peak;
    if (!open_state(state, in)) {
        close_plan(state);
        return NULL;
    }
    state->iteration = -1;
    state->in_turn = (char)in_turn;
    state->depth_first = (char)(in_turn && limits_parents(in));
    link_children(state);
    return state;
}

static enum status plan_iteration(struct state *state)
{
    const struct input *in = state->in;
    int64_t setup = in->settings[SETTING_setup_launches];
    int64_t first = state->iteration < 0 ? 0 : setup;
    int64_t last = state->iteration < 0 ? setup : in->launches;
    begin_iteration(state, state->iteration);
    for (int64_t i = 0; i < in->points; i++)
        state->last_child[i] = -1;
    for (int64_t launch = first; launch < last; launch++) {
        enum status status = run_launch(state, launch, state->iteration);
        if (state->graph->failed)
            return NO_HOST_MEMORY;
        if (state->not_alike)
            return NOT_ALIKE;
        if (status != PLANNED)
            return status;
    }
    release_all(state);
    return PLANNED;
}

enum status plan(struct state *state, int64_t failure[2])
{
    enum status status = PLANNED;
    for (; status == PLANNED && state->iteration < state->in->window.iterations;
         state->iteration++)
        status = plan_iteration(state);
    failure[0] = state->failed_requirement;
    failure[1] = state->failed_slot;
    return status;
}

void close_plan(struct state *state)
{
    close_state(state);
    free(state);
}
