/* Execution: when each operation of the graph begins and ends.
 *
 * A discrete-event simulation with one rule: an operation that is ready begins as soon as its
 * processor, or all links on its way, are free; who is ready first goes first, and of equals the
 * earlier in program order. Because nothing becomes ready before the present, operations can be
 * given their times in the order in which they become ready: one heap is all there is.
 */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct event {
    double time;
    int64_t operation;
};

struct heap {
    struct event *events;
    int64_t size;
};

/* A resource: when it is free again, and who had it last. */
struct resource {
    double free;
    int64_t holder;
};

struct run {
    const struct input *given;
    const struct graph *graph;
    struct schedule *schedule;
    struct resource *processors, *links; /* after the processors, the ranks' runtime */
    int64_t *waits;
    struct heap heap;
};

static int before(struct event a, struct event b)
{
    return a.time < b.time || (a.time == b.time && a.operation < b.operation);
}

static void push(struct heap *heap, struct event event)
{
    int64_t position = heap->size++;
    while (position > 0) {
        int64_t above = (position - 1) / 2;
        if (!before(event, heap->events[above]))
            break;
        heap->events[position] = heap->events[above];
        position = above;
    }
    heap->events[position] = event;
}

static struct event pop(struct heap *heap)
{
    struct event first = heap->events[0], last = heap->events[--heap->size];
    int64_t position = 0;
    for (;;) {
        int64_t below = 2 * position + 1;
        if (below >= heap->size)
            break;
        if (below + 1 < heap->size && before(heap->events[below + 1], heap->events[below]))
            below++;
        if (!before(heap->events[below], last))
            break;
        heap->events[position] = heap->events[below];
        position = below;
    }
    heap->events[position] = last;
    return first;
}

/* The links on a way, and the slowest of them. */
struct way {
    int64_t links[MOST_LINKS], count;
    double slowest, latency;
};

static void add_link(const struct run *run, struct way *way, int64_t first, int64_t scope,
                     int64_t rank, int64_t owner)
{
    int64_t link = first;
    if (scope == 0)
        link += owner;
    else if (scope == 1)
        link += rank;
    else
        link += run->given->rank_node[rank];
    way->links[way->count++] = link;
    way->slowest = fmin(way->slowest, run->given->link_bandwidth[link]);
}

static struct way route(const struct run *run, int64_t source, int64_t target)
{
    const struct input *given = run->given;
    int64_t kinds = given->memory_kind[source] * MEMORY_KINDS + given->memory_kind[target];
    int64_t at = kinds * WHERE_CODES + where_code(given, source, target);
    struct way way = {{0}, 0, INFINITY, given->route_latency[at]};
    for (int64_t i = at * MOST_LINKS; i < (at + 1) * MOST_LINKS; i++) {
        int64_t scope = given->route_scopes[i];
        if (scope < 0)
            break;
        int64_t end = given->route_sides[i] ? target : source;
        add_link(run, &way, given->route_links[i], scope, given->memory_rank[end],
                 given->memory_owner[end]);
    }
    return way;
}

/* The links between a processor and a memory that it reads and writes in place. */
static struct way access_way(const struct run *run, int64_t processor, int64_t memory_kind)
{
    const struct input *given = run->given;
    int64_t at = given->processor_kind[processor] * MEMORY_KINDS + memory_kind;
    struct way way = {{0}, 0, given->access_bandwidth[at], 0.0};
    for (int64_t i = at * MOST_LINKS; i < (at + 1) * MOST_LINKS; i++) {
        int64_t scope = given->access_scopes[i];
        if (scope < 0)
            break;
        add_link(run, &way, given->access_links[i], scope, given->processor_rank[processor],
                 processor);
    }
    return way;
}

/* Takes all links of a way, each for as long as it needs; returns when all of them were free. */
static double reserve(struct run *run, const struct way *way, double bytes, int64_t operation,
                      double ready)
{
    double begin = ready;
    for (int64_t i = 0; i < way->count; i++) {
        const struct resource *link = &run->links[way->links[i]];
        if (link->free > begin) {
            begin = link->free;
            run->schedule->cause[operation] = link->holder;
        }
    }
    for (int64_t i = 0; i < way->count; i++) {
        int64_t link = way->links[i];
        double seconds = bytes / run->given->link_bandwidth[link];
        run->links[link] = (struct resource){begin + seconds, operation};
        if (run->graph->iteration[operation] >= run->given->settings[MEASURED_FROM]) {
            run->schedule->link_busy[link] += seconds;
            run->schedule->link_bytes[link] += bytes;
        }
    }
    return begin;
}

static void run_copy(struct run *run, int64_t operation)
{
    const struct graph *graph = run->graph;
    struct way way = route(run, graph->source[operation], graph->place[operation]);
    double bytes = graph->bytes[operation];
    if (graph->kind[operation] == FOLD)
        bytes *= run->given->costs[COST_FOLD];
    double begin = reserve(run, &way, bytes, operation, run->schedule->ready[operation]);
    run->schedule->start[operation] = begin;
    run->schedule->end[operation] = begin + way.latency + bytes / way.slowest;
}

static void run_on_processor(struct run *run, int64_t operation)
{
    const struct graph *graph = run->graph;
    struct schedule *schedule = run->schedule;
    int task = graph->kind[operation] == TASK;
    int64_t place = graph->place[operation] + (task ? 0 : run->given->processors);
    struct resource *processor = &run->processors[place];
    double begin = schedule->ready[operation];
    if (processor->free > begin) {
        begin = processor->free;
        schedule->cause[operation] = processor->holder;
    }
    double end = begin + graph->seconds[operation];
    if (task && graph->bytes[operation] > 0.0) {
        struct way way = access_way(run, graph->place[operation], graph->source[operation]);
        double bytes = graph->bytes[operation];
        int64_t cause = schedule->cause[operation];
        double through = reserve(run, &way, bytes, operation, begin) + bytes / way.slowest;
        if (through > end)
            end = through;
        else
            schedule->cause[operation] = cause; /* the links did not matter */
    }
    *processor = (struct resource){end, operation};
    schedule->start[operation] = begin;
    schedule->end[operation] = end;
}

static void run_operation(struct run *run, int64_t operation)
{
    const struct graph *graph = run->graph;
    struct schedule *schedule = run->schedule;
    switch (graph->kind[operation]) {
    case RUNTIME:
    case TASK:
        run_on_processor(run, operation);
        break;
    case JOIN:
        schedule->start[operation] = schedule->end[operation] = schedule->ready[operation];
        break;
    default:
        run_copy(run, operation);
    }
    double end = schedule->end[operation];
    for (int64_t i = graph->first_edge[operation]; i >= 0; i = graph->edge_next[i]) {
        int64_t target = graph->edge_target[i];
        if (end >= schedule->ready[target]) {
            schedule->ready[target] = end;
            schedule->cause[target] = operation;
        }
        if (--run->waits[target] == 0)
            push(&run->heap, (struct event){schedule->ready[target], target});
    }
}

static int open_run(struct run *run)
{
    size_t operations = (size_t)run->graph->operations;
    size_t processors = (size_t)(run->given->processors + run->given->ranks);
    size_t links = (size_t)run->given->links;
    struct schedule *schedule = run->schedule;
    schedule->ready = calloc(operations + 1, sizeof(double));
    schedule->start = calloc(operations + 1, sizeof(double));
    schedule->end = calloc(operations + 1, sizeof(double));
    schedule->cause = malloc((operations + 1) * sizeof(int64_t));
    schedule->link_busy = calloc(links + 1, sizeof(double));
    schedule->link_bytes = calloc(links + 1, sizeof(double));
    run->processors = calloc(processors + 1, sizeof *run->processors);
    run->links = calloc(links + 1, sizeof *run->links);
    run->waits = malloc((operations + 1) * sizeof(int64_t));
    run->heap.events = malloc((operations + 1) * sizeof *run->heap.events);
    return schedule->ready && schedule->start && schedule->end && schedule->cause &&
           schedule->link_busy && schedule->link_bytes && run->processors && run->links &&
           run->waits && run->heap.events;
}

enum status execute(const struct input *given, const struct graph *graph,
                    struct schedule *schedule)
{
    struct run run = {.given = given, .graph = graph, .schedule = schedule};
    enum status status = NO_HOST_MEMORY;
    memset(schedule, 0, sizeof *schedule);
    if (open_run(&run)) {
        for (int64_t i = 0; i < graph->operations; i++) {
            schedule->cause[i] = -1;
            run.waits[i] = graph->waits[i];
        }
        for (int64_t i = 0; i < graph->operations; i++)
            if (graph->waits[i] == 0)
                push(&run.heap, (struct event){0.0, i});
        int64_t done = 0;
        while (run.heap.size > 0) {
            run_operation(&run, pop(&run.heap).operation);
            done++;
        }
        status = done == graph->operations ? PLANNED : CYCLE;
    }
    free(run.processors);
    free(run.links);
    free(run.waits);
    free(run.heap.events);
    return status;
}

void free_schedule(struct schedule *schedule)
{
    free(schedule->ready);
    free(schedule->start);
    free(schedule->end);
    free(schedule->cause);
    free(schedule->link_busy);
    free(schedule->link_bytes);
    memset(schedule, 0, sizeof *schedule);
}
