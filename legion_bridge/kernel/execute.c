/* Execution: when each operation of the graph begins and ends.
 *
 * A discrete-event simulation: an operation that is ready begins as soon as its processor, or all
 * links on its path, are free. It waits in the queue of the first that is not, and is looked at
 * again when that one is; who came first goes first, those that become ready at that moment come
 * after them, and of equals the earlier in program order goes first. Large copies over a network wait
 * for no link: they share theirs (flows.c).
 */
#include "flows.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At its time an operation is ready, or a resource looks at those that wait for it. */
enum { TURN, READY };

/* Times are not negative, so that their bits have their order. Turns come before operations that are
 * ready by then. */
struct event {
    uint64_t time;
    uint64_t what; /* kind, and number of the resource or the operation */
};

struct heap {
    struct event *events;
    int64_t size;
};

/* A processor, a rank's runtime, a link, the lock of some folds, or the permits under an instance
 * limit: when it is free again, who had it last, and the operations that wait for it. */
struct resource {
    double free;
    int32_t holder, first, last;
    int32_t permits; /* left under a limit */
    char woken;      /* whether its first waiting operation has its turn scheduled */
    char flows;      /* held by a flow, whose end nobody knows */
};

/* Seconds for which a resource works in the measured iterations, and in as many up to the last. */
struct busy {
    double measured, latest;
};

struct run {
    const struct input *in;
    const struct graph *graph; /* but for the place of a task that no map places */
    struct schedule *schedule;
    struct resource *resources; /* processors, runtimes of the ranks, links, locks, limits */
    struct timing *timing; /* of each operation */
    int32_t *next_waiting;
    int64_t first_link, first_lock, first_limit;
    int any_unpinned; /* whether something may run on whichever processor is free */
    int all_timed;    /* whether the program's clock runs for all launches */
    struct busy *busy; /* of each resource but locks and limits; then what shares a rank's cores */
    int64_t latest;    /* the first of the iterations up to the last, as many as are measured */
    double to_grid;
    double now;
    struct heap heap;
    struct flows flows;
    int traced; /* whether waits are noted */
    int failed; /* no memory on the host */
};

/* Without branches: nobody can foretell which of two events is sooner. */
static inline int before(struct event a, struct event b)
{
    return (a.time < b.time) | ((a.time == b.time) & (a.what < b.what));
}

static struct event event_at(double time, uint64_t kind, int64_t number)
{
    struct event event = {.what = kind << 32 | (uint64_t)number};
    memcpy(&event.time, &time, sizeof time);
    return event;
}

static double time_of(struct event event)
{
    double time;
    memcpy(&time, &event.time, sizeof time);
    return time;
}

static struct event turn_of(int64_t resource, double time)
{
    return event_at(time, TURN, resource);
}

static struct event ready_at(int64_t operation, double time)
{
    return event_at(time, READY, operation);
}

static void rise(struct event *events, int64_t position, struct event event)
{
    while (position > 0) {
        int64_t above = (position - 1) / 2;
        if (!before(event, events[above]))
            break;
        events[position] = events[above];
        position = above;
    }
    events[position] = event;
}

static void push(struct heap *heap, struct event event)
{
    rise(heap->events, heap->size++, event);
}

/* The gap goes down to a leaf, and the last event, which was a leaf, rises from there. */
static struct event pop(struct heap *heap)
{
    struct event *events = heap->events, first = events[0], last = events[--heap->size];
    int64_t position = 0, below = 1;
    for (; below + 1 < heap->size; below = 2 * position + 1) {
        below += before(events[below + 1], events[below]);
        events[position] = events[below];
        position = below;
    }
    if (below < heap->size) {
        events[position] = events[below];
        position = below;
    }
    rise(events, position, last);
    return first;
}

static void add_link(const struct run *run, struct link_path *path, int64_t first, int64_t scope,
                     int64_t rank, int64_t owner)
{
    int64_t link = link_at(run->in, first, scope, rank, owner);
    path->links[path->count++] = link;
    path->slowest = smaller(path->slowest, run->in->link_bandwidth[link]);
}

static int64_t route_between(const struct input *in, int64_t source, int64_t target)
{
    int64_t kinds = in->memory_kind[source] * MEMORY_KINDS + in->memory_kind[target];
    return kinds * WHERE_CODES + where_code(in, source, target);
}

/* Whether so many bytes share their links with other copies. */
static int flows_on(const struct input *in, int64_t route, double bytes)
{
    return in->flow_above[route] > 0.0 && bytes > in->flow_above[route];
}

static void find_path(const struct run *run, int64_t route, int flow, int64_t source, int64_t target,
                      struct link_path *path)
{
    const struct input *in = run->in;
    const int64_t *links = flow ? in->flow_links : in->route_links;
    const int64_t *scopes = flow ? in->flow_scopes : in->route_scopes;
    const int64_t *sides = flow ? in->flow_sides : in->route_sides;
    path->count = 0;
    path->slowest = flow ? in->flow_rate[route] : INFINITY;
    path->latency = in->route_latency[route];
    for (int64_t i = route * MOST_LINKS; i < (route + 1) * MOST_LINKS && scopes[i] >= 0; i++) {
        int64_t end = sides[i] ? target : source;
        add_link(run, path, links[i], scopes[i], in->memory_rank[end], in->memory_owner[end]);
    }
}

/* The links between a processor and a memory that it reads and writes in place. */
static void find_access_path(const struct run *run, int64_t processor, int64_t memory_kind,
                             struct link_path *path)
{
    const struct input *in = run->in;
    int64_t at = in->processor_kind[processor] * MEMORY_KINDS + memory_kind;
    const int64_t *scopes = in->access_scopes;
    path->count = 0;
    path->slowest = in->access_bandwidth[at];
    path->latency = 0.0;
    for (int64_t i = at * MOST_LINKS; i < (at + 1) * MOST_LINKS && scopes[i] >= 0; i++)
        add_link(run, path, in->access_links[i], scopes[i], in->processor_rank[processor],
                 processor);
}

/* Puts an operation into the queue of a resource: at its end, but a runtime's work before the tasks that
 * wait for a processor. */
static void queue_up(struct run *run, int64_t number, int64_t operation)
{
    struct resource *resource = &run->resources[number];
    int64_t before = resource->last;
    if (number < run->in->processors && run->graph->operation[operation].kind == RUNTIME) {
        before = -1;
        for (int64_t i = resource->first;
             i >= 0 && run->graph->operation[i].kind == RUNTIME; i = run->next_waiting[i])
            before = i;
    }
    if (resource->first < 0 || before < 0) {
        run->next_waiting[operation] = resource->first;
        resource->first = (int32_t)operation;
    } else {
        run->next_waiting[operation] = run->next_waiting[before];
        run->next_waiting[before] = (int32_t)operation;
    }
    if (run->next_waiting[operation] < 0)
        resource->last = (int32_t)operation;
}

/* Lets an operation wait for a resource. */
static void wait_for(struct run *run, int64_t number, int64_t operation)
{
    struct resource *resource = &run->resources[number];
    queue_up(run, number, operation);
    /* A limit wakes when a permit is returned, and a flow's lock when it ends. */
    if (number < run->first_limit && !resource->woken && !resource->flows) {
        resource->woken = 1;
        push(&run->heap, turn_of(number, resource->free));
    }
}

static void take(struct run *run, int64_t number, int64_t operation, double until)
{
    run->resources[number].free = until;
    run->resources[number].holder = (int32_t)operation;
}

/* The first link of a path that is not free, or -1. */
static int64_t busy_link(const struct run *run, const struct link_path *path)
{
    for (int64_t i = 0; i < path->count; i++)
        if (run->resources[run->first_link + path->links[i]].free > run->now)
            return run->first_link + path->links[i];
    return -1;
}

/* Seconds as a multiple of a power of two. Sums of such are exact, so that what takes equally long
 * takes equally long at any time of a run, to the bit. */
static double on_grid(const struct run *run, double seconds)
{
    return (seconds + run->to_grid) - run->to_grid;
}

/* Adding this to a number of seconds rounds them to a grid of 2^-40 s, which is exact for 2^13 s;
 * runs that may take longer have a coarser grid. */
static double grid_for(const struct graph *graph, double replicas)
{
    double to_grid = 0x1.8p12, sum = 0.0;
    for (int64_t i = 0; i < graph->operations; i++)
        sum += graph->operation[i].seconds;
    for (sum *= replicas; sum > 0x1p10 && isfinite(sum); sum /= 2.0)
        to_grid *= 2.0;
    return to_grid;
}

/* Whether the program's clock runs for an operation, and nothing was measured before it. */
static int is_counted(const struct run *run, const struct operation *of)
{
    return of->iteration >= run->in->window.first &&
           (run->all_timed || run->in->launch_timed[run->in->point_launch[of->point]]);
}

/* Counts the work of a resource. */
static void count_work(struct run *run, int64_t number, const struct operation *of, double seconds)
{
    if (of->iteration < run->in->window.end)
        run->busy[number].measured += seconds;
    if (of->iteration >= run->latest)
        run->busy[number].latest += seconds;
}

/* How long a link is in use by itself. */
static double use_of(const struct run *run, int64_t link, double bytes, int copies)
{
    double seconds = copies * run->in->link_overhead[link] + bytes / run->in->link_bandwidth[link];
    return on_grid(run, seconds);
}

/* Counts what a link carries. */
static void count_use(struct run *run, int64_t link, const struct operation *of, double bytes,
                      double seconds)
{
    count_work(run, run->first_link + link, of, seconds);
    if (of->iteration >= run->in->window.end)
        return;
    run->schedule->link_busy[link] += seconds;
    run->schedule->link_bytes[link] += bytes;
}

/* Takes all links of a path from now on, each for as long as it needs, or for as long as all of it
 * takes where it is exclusive; returns when the last of them is through, had all been free. The bytes
 * that count in time stand for `carried` ones. */
static double occupy(struct run *run, const struct link_path *path, double bytes, double carried,
                     int copies, int64_t operation)
{
    const struct operation *of = &run->graph->operation[operation];
    int counted = is_counted(run, of);
    double longest = 0.0, uses[MOST_LINKS];
    for (int64_t i = 0; i < path->count; i++) {
        uses[i] = use_of(run, path->links[i], bytes, copies);
        longest = larger(longest, uses[i]);
    }
    for (int64_t i = 0; i < path->count; i++) {
        int64_t link = path->links[i];
        double seconds = run->in->link_exclusive[link] ? longest : uses[i];
        double until = larger(run->resources[run->first_link + link].free, run->now) + seconds;
        take(run, run->first_link + link, operation, until);
        if (run->flows.count > 0)
            hold_flows(&run->flows, run->now, link, until);
        if (counted)
            count_use(run, link, of, carried, seconds);
    }
    return run->now + longest;
}

/* The core of a rank that is free soonest, where the runtime has none of its own; else, or where there
 * is none, -1. */
static int64_t soonest_core(const struct run *run, int64_t rank)
{
    const struct input *in = run->in;
    int64_t best = -1;
    for (int64_t i = 0; in->settings[SETTING_shares_cores] && i < in->processors; i++)
        if (in->processor_rank[i] == rank &&
            (best < 0 || run->resources[i].free < run->resources[best].free))
            best = i;
    return best;
}

/* Work beside the tasks that the kernel of the operating system divides among the cores, copies for
 * example: if all are busy, it holds up the one that is free soonest. */
static void hold_up_core(struct run *run, int64_t rank, double seconds)
{
    int64_t core = soonest_core(run, rank);
    if (core >= 0 && run->resources[core].free > run->now)
        run->resources[core].free += seconds;
}

/* Counts what is done on the cores of a rank beside its tasks, as the work of all of them together. */
static void count_beside(struct run *run, int64_t rank, const struct operation *of, double seconds)
{
    if (run->in->settings[SETTING_shares_cores] && is_counted(run, of))
        count_work(run, run->first_lock + rank, of, seconds);
}

/* Gives an operation its times and wakes those that waited for it. */
static void finish(struct run *run, int64_t operation, double end)
{
    const struct operation *of = &run->graph->operation[operation];
    const struct edge *edges = run->graph->edge;
    run->timing[operation].start = run->now;
    run->timing[operation].end = end;
    for (int32_t i = of->first_edge; i >= 0; i = edges[i].next) {
        struct timing *target = &run->timing[edges[i].target];
        int last = end >= target->ready; /* nobody can foretell: no branch */
        target->ready = last ? end : target->ready;
        target->cause = last ? (int32_t)operation : target->cause;
        if (--target->waits == 0)
            push(&run->heap, ready_at(edges[i].target, target->ready));
    }
    if (of->limit >= 0 && of->kind != RUNTIME) {
        run->resources[run->first_limit + of->limit].holder = (int32_t)operation;
        push(&run->heap, turn_of(run->first_limit + of->limit,
                                 end + on_grid(run, run->in->costs[COST_permit])));
    }
}

/* Takes the lock of a fold, if it has one, until it ends; or for as long as it flows. */
static void lock_until(struct run *run, int64_t operation, double end, char flows)
{
    int64_t lock = run->graph->operation[operation].lock;
    if (lock < 0)
        return;
    take(run, run->first_lock + lock, operation, end);
    run->resources[run->first_lock + lock].flows = flows;
}

/* Begins a copy or fold whose links are shared; nobody knows yet when it will end. */
static void begin_shared(struct run *run, const struct link_path *path, double bytes,
                         int64_t operation)
{
    double held = 0.0;
    for (int64_t i = 0; i < path->count; i++)
        held = larger(held, run->resources[run->first_link + path->links[i]].free);
    if (!begin_flow(&run->flows, run->now, operation, path, bytes, held))
        run->failed = 1;
    const struct operation *of = &run->graph->operation[operation];
    for (int64_t i = 0; is_counted(run, of) && i < path->count; i++)
        count_use(run, path->links[i], of, of->bytes, use_of(run, path->links[i], bytes, 1));
    lock_until(run, operation, INFINITY, 1);
}

/* Ends the flows that are due. */
static void end_flows(struct run *run)
{
    struct flow flow;
    run->now = run->flows.next;
    while (end_flow(&run->flows, &flow)) {
        double end = run->now + on_grid(run, flow.path.latency);
        int64_t lock = run->graph->operation[flow.operation].lock;
        finish(run, flow.operation, end);
        run->timing[flow.operation].start = flow.start;
        if (lock < 0)
            continue;
        lock_until(run, flow.operation, end, 0);
        if (run->resources[run->first_lock + lock].first >= 0) {
            run->resources[run->first_lock + lock].woken = 1;
            push(&run->heap, turn_of(run->first_lock + lock, end));
        }
    }
}

/* Tries to begin a copy, fold or fill; returns the resource it must wait for, or -1. */
static int64_t begin_copy(struct run *run, int64_t operation)
{
    const struct operation *of = &run->graph->operation[operation];
    int64_t source = of->source, target = of->place, lock = of->lock;
    if (lock >= 0 && run->resources[run->first_lock + lock].free > run->now)
        return run->first_lock + lock;
    double bytes = of->load;
    int64_t route = route_between(run->in, source, target);
    int flow = flows_on(run->in, route, bytes);
    struct link_path path;
    find_path(run, route, flow, source, target, &path);
    if (flow) {
        begin_shared(run, &path, bytes, operation);
        return -1;
    }
    int64_t busy = busy_link(run, &path);
    if (busy >= 0)
        return busy;
    double end = occupy(run, &path, bytes, of->bytes, 1, operation);
    count_beside(run, run->in->memory_rank[target], of, end - run->now);
    hold_up_core(run, run->in->memory_rank[target], end - run->now);
    double arrived = on_grid(run, path.latency) + end;
    lock_until(run, operation, arrived, 0);
    finish(run, operation, arrived);
    return -1;
}

/* Tries to begin what one processor does in a collective operation, over its own links; returns the
 * resource it must wait for, or -1. It is no part of `begin`, which most runs use for all else. */
__attribute__((noinline)) static int64_t begin_collective(struct run *run, int64_t operation)
{
    const struct operation *of = &run->graph->operation[operation];
    const double amounts[] = {of->bytes, of->load};
    const int64_t wheres[] = {WHERE_RANK, WHERE_NETWORK};
    int64_t kind = run->in->memory_kind[of->place] * (MEMORY_KINDS + 1);
    struct link_path paths[2];
    for (int i = 0; i < 2; i++) {
        paths[i].count = 0;
        if (amounts[i] > 0.0)
            find_path(run, kind * WHERE_CODES + wheres[i], 0, of->place, of->place, &paths[i]);
        int64_t busy = busy_link(run, &paths[i]);
        if (busy >= 0)
            return busy;
    }
    double weight = 1.0 / run->in->algorithm_share[of->lock], end = run->now;
    for (int i = 0; i < 2; i++)
        if (amounts[i] > 0.0)
            end = larger(end, occupy(run, &paths[i], weight * amounts[i], amounts[i], 0, operation));
    finish(run, operation, end + on_grid(run, of->seconds));
    return -1;
}

/* The processor that a task which no map places gets: of all that are alike the first to be free. */
static int64_t soonest(const struct run *run, int64_t processor)
{
    const struct input *in = run->in;
    int64_t best = processor;
    for (int64_t i = processor - 1; i >= 0 && are_alike(in, i, processor); i--)
        if (run->resources[i].free < run->resources[best].free)
            best = i;
    for (int64_t i = processor + 1; i < in->processors && are_alike(in, i, processor); i++)
        if (run->resources[i].free < run->resources[best].free)
            best = i;
    return best;
}

/* Tries to begin a task or a rank's runtime work; returns the resource it must wait for, or -1.
 * What a task moves to and from zero-copy memory queues behind what its links carry already. A runtime
 * without cores of its own works on one of the processors, between tasks, and before those that wait. */
static int64_t begin_on_processor(struct run *run, int64_t operation)
{
    struct operation *of = &run->graph->operation[operation];
    int task = of->kind == TASK;
    if (task && run->any_unpinned && run->in->unpinned[of->point])
        of->place = (int32_t)soonest(run, of->place);
    int64_t number = of->place + (task ? 0 : run->in->processors);
    if (run->resources[number].free > run->now)
        return number;
    int limited = !task && of->limit >= 0;
    if (limited && run->resources[run->first_limit + of->limit].permits == 0)
        return run->first_limit + of->limit;
    int64_t core = task ? -1 : soonest_core(run, of->place);
    if (core >= 0 && run->resources[core].free > run->now)
        return core;
    if (limited) /* mapping takes a permit; the end of the point returns it */
        run->resources[run->first_limit + of->limit].permits--;
    double seconds = on_grid(run, of->seconds), end = run->now + seconds;
    if (task && of->bytes > 0.0) {
        struct link_path path;
        find_access_path(run, of->place, of->source, &path);
        double through = run->now;
        for (int64_t i = 0; i < path.count; i++)
            through = larger(through, run->resources[run->first_link + path.links[i]].free);
        end = larger(end, through + on_grid(run, of->bytes / path.slowest));
        occupy(run, &path, of->bytes, of->bytes, 0, operation);
    }
    take(run, number, operation, end);
    if (is_counted(run, of))
        count_work(run, number, of, end - run->now);
    if (core >= 0) {
        double beside = on_grid(run, seconds * run->in->costs[COST_threads]);
        take(run, core, operation, end);
        count_beside(run, of->place, of, beside);
        hold_up_core(run, of->place, beside - seconds);
    }
    finish(run, operation, end);
    return -1;
}

/* Notes that an operation waits for a resource from now on. */
static void note_wait(struct run *run, int64_t number, int64_t operation)
{
    struct schedule *schedule = run->schedule;
    if (schedule->wait_count == schedule->wait_capacity) {
        int64_t capacity = schedule->wait_capacity ? 2 * schedule->wait_capacity : 1024;
        schedule->wait = grown(schedule->wait, sizeof *schedule->wait, capacity, &run->failed);
        if (run->failed)
            return;
        schedule->wait_capacity = capacity;
    }
    schedule->wait[schedule->wait_count++] =
        (struct wait){operation, number >= run->first_limit, run->timing[operation].cause, run->now};
}

/* Begins an operation, or lets it wait; returns whether it began. */
static int begin(struct run *run, int64_t operation)
{
    int64_t busy = -1;
    switch (run->graph->operation[operation].kind) {
    case RUNTIME:
    case TASK:
        busy = begin_on_processor(run, operation);
        break;
    case JOIN:
        finish(run, operation, run->now);
        break;
    case COLLECTIVE:
        busy = begin_collective(run, operation);
        break;
    default:
        busy = begin_copy(run, operation);
    }
    if (busy < 0)
        return 1;
    if (run->traced)
        note_wait(run, busy, operation);
    run->timing[operation].cause = run->resources[busy].holder;
    wait_for(run, busy, operation);
    return 0;
}

/* Tasks that no map places and a runtime's work that wait for a processor go to one that is free sooner. */
static int64_t move_on(struct run *run, int64_t number)
{
    struct resource *resource = &run->resources[number];
    int64_t begun = 0, next, operation = resource->first;
    resource->first = -1;
    for (; operation >= 0; operation = next) {
        next = run->next_waiting[operation];
        int64_t sooner = number;
        const struct operation *of = &run->graph->operation[operation];
        if (of->kind == RUNTIME)
            sooner = soonest_core(run, of->place);
        else if (run->in->unpinned[of->point])
            sooner = soonest(run, number);
        if (sooner == number) {
            wait_for(run, number, operation);
            continue;
        }
        run->timing[operation].cause = run->resources[sooner].holder;
        begun += begin(run, operation);
    }
    return begun;
}

/* A resource is free: those that wait for it are looked at in turn until one takes it. */
static int64_t wake(struct run *run, int64_t number)
{
    struct resource *resource = &run->resources[number];
    int limit = number >= run->first_limit;
    int64_t begun = 0;
    resource->permits += limit;
    while (resource->first >= 0 && (limit ? resource->permits > 0 : resource->free <= run->now)) {
        int64_t operation = resource->first;
        resource->first = run->next_waiting[operation];
        run->timing[operation].cause = resource->holder;
        begun += begin(run, operation);
    }
    if (run->any_unpinned && number < run->in->processors)
        begun += move_on(run, number);
    resource->woken = !limit && resource->first >= 0 && !resource->flows;
    if (resource->woken)
        push(&run->heap, turn_of(number, resource->free));
    return begun;
}

/* Makes room for as many operations as there are; what a schedule had for fewer is let go. */
static int open_schedule(struct schedule *schedule, const struct graph *graph, size_t links)
{
    schedule->wait_count = 0;
    if (schedule->capacity < graph->operations) {
        size_t capacity = (size_t)graph->operation_capacity;
        free_schedule(schedule);
        schedule->timing = malloc(capacity * sizeof *schedule->timing);
        schedule->next_waiting = malloc(capacity * sizeof *schedule->next_waiting);
        if (schedule->timing == NULL || schedule->next_waiting == NULL)
            return 0;
        schedule->capacity = graph->operation_capacity;
    }
    free(schedule->link_busy);
    free(schedule->link_bytes);
    schedule->link_busy = calloc(links + 1, sizeof(double));
    schedule->link_bytes = calloc(links + 1, sizeof(double));
    return schedule->link_busy != NULL && schedule->link_bytes != NULL;
}

static int open_run(struct run *run)
{
    const struct input *in = run->in;
    size_t processors = (size_t)(in->processors + in->ranks), links = (size_t)in->links;
    size_t locks = (size_t)run->graph->locks;
    size_t resources = processors + links + locks + (size_t)in->derived.queues;
    run->resources = calloc(resources + 1, sizeof *run->resources);
    run->busy = calloc(processors + links + (size_t)in->ranks + 1, sizeof *run->busy);
    /* Each operation may be ready and return a permit; each resource may be due once. */
    run->heap.events = malloc((2 * (size_t)run->graph->operations + resources + 1) *
                              sizeof *run->heap.events);
    if (!open_schedule(run->schedule, run->graph, links) ||
        !(run->resources && run->busy && run->heap.events) || !open_flows(&run->flows, in))
        return 0;
    run->any_unpinned = in->settings[SETTING_shares_cores] != 0;
    for (int64_t i = 0; i < in->points; i++)
        run->any_unpinned |= in->unpinned[i] != 0;
    run->all_timed = 1;
    for (int64_t i = in->settings[SETTING_setup_launches]; i < in->launches; i++)
        run->all_timed &= in->launch_timed[i] != 0;
    run->latest = in->window.iterations - (in->window.end - in->window.first);
    run->first_link = (int64_t)processors;
    run->first_lock = (int64_t)(processors + links);
    run->first_limit = (int64_t)(processors + links + locks);
    for (size_t i = 0; i < resources; i++)
        run->resources[i] = (struct resource){0.0, -1, -1, -1, 0, 0, 0};
    for (int64_t i = 0; i < in->derived.queues; i++) {
        int64_t size = in->derived.limit_size[i];
        run->resources[run->first_limit + i].permits =
            (int32_t)(size < MOST_OPERATIONS ? size : MOST_OPERATIONS);
    }
    run->timing = run->schedule->timing;
    run->next_waiting = run->schedule->next_waiting;
    run->to_grid = run->flows.to_grid = grid_for(run->graph, in->costs[COST_replicas]);
    return 1;
}

/* What the processors of a rank have to do each, with all that shares their cores. */
static struct busy shared_work(const struct run *run, int64_t rank)
{
    const struct input *in = run->in;
    struct busy all = run->busy[run->first_lock + rank];
    double cores = 0.0;
    for (int64_t i = 0; i < in->processors; i++) {
        if (in->processor_rank[i] != rank)
            continue;
        cores += 1.0;
        all.measured += run->busy[i].measured;
        all.latest += run->busy[i].latest;
    }
    return (struct busy){all.measured / larger(cores, 1.0), all.latest / larger(cores, 1.0)};
}

/* Starts what waits for nothing, and goes on until nothing happens any more. */
static enum status follow(struct run *run)
{
    const struct graph *graph = run->graph;
    for (int64_t i = 0; i < graph->operations; i++) {
        int32_t waits = graph->operation[i].waits;
        run->timing[i].ready = 0.0;
        run->timing[i].cause = -1;
        run->timing[i].waits = waits;
        if (waits == 0)
            push(&run->heap, ready_at(i, 0.0));
    }
    int64_t done = 0;
    while (!run->failed && (run->heap.size > 0 || run->flows.count > 0)) {
        const struct event *due = run->heap.size > 0 ? run->heap.events : NULL;
        if (run->flows.changed && (due == NULL || time_of(*due) > run->now))
            share_links(&run->flows);
        if (!run->flows.changed && run->flows.count > 0 &&
            (due == NULL || run->flows.next <= time_of(*due))) {
            end_flows(run);
            continue;
        }
        if (due == NULL)
            continue;
        struct event event = pop(&run->heap);
        run->now = time_of(event);
        int64_t number = (int64_t)(event.what & UINT32_MAX);
        done += event.what >> 32 == READY ? begin(run, number) : wake(run, number);
    }
    if (run->failed)
        return NO_HOST_MEMORY;
    struct schedule *schedule = run->schedule;
    schedule->busiest = schedule->busiest_at_last = 0.0;
    for (int64_t i = 0; i < run->first_lock; i++) {
        schedule->busiest = larger(schedule->busiest, run->busy[i].measured);
        schedule->busiest_at_last = larger(schedule->busiest_at_last, run->busy[i].latest);
    }
    for (int64_t rank = 0; run->in->settings[SETTING_shares_cores] && rank < run->in->ranks; rank++) {
        struct busy all = shared_work(run, rank);
        schedule->busiest = larger(schedule->busiest, all.measured);
        schedule->busiest_at_last = larger(schedule->busiest_at_last, all.latest);
    }
    return done == graph->operations ? PLANNED : CYCLE;
}

enum status execute(const struct input *in, const struct graph *graph,
                    struct schedule *schedule, int traced)
{
    struct run run = {.in = in, .graph = graph, .schedule = schedule, .traced = traced};
    enum status status = open_run(&run) ? follow(&run) : NO_HOST_MEMORY;
    free(run.resources);
    free(run.busy);
    close_flows(&run.flows);
    free(run.heap.events);
    return status;
}

void free_schedule(struct schedule *schedule)
{
    free(schedule->timing);
    free(schedule->next_waiting);
    free(schedule->link_busy);
    free(schedule->link_bytes);
    free(schedule->wait);
    memset(schedule, 0, sizeof *schedule);
}
