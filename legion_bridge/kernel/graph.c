/* The graph of operations, and lists of operations. */
#include "state.h"

#include <stdlib.h>
#include <string.h>

int grow(void **array, size_t size, int64_t room)
{
    void *larger = realloc(*array, size * (size_t)room);
    if (larger == NULL)
        return 0;
    *array = larger;
    return 1;
}

int grow_operations(struct graph *graph)
{
    int64_t room = graph->operation_room ? 2 * graph->operation_room : 1024;
    int64_t **ints[] = {&graph->kind,      &graph->place,  &graph->source, &graph->point,
                        &graph->iteration, &graph->region, &graph->waits,  &graph->first_edge,
                        &graph->limit};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        if (!grow((void **)ints[i], sizeof(int64_t), room))
            return 0;
    if (!grow((void **)&graph->bytes, sizeof(double), room) ||
        !grow((void **)&graph->seconds, sizeof(double), room))
        return 0;
    graph->operation_room = room;
    return 1;
}

int64_t new_operation(struct graph *graph, enum kind kind, int64_t place, double seconds,
                      int64_t point, int64_t iteration)
{
    if (graph->operations == graph->operation_room && !grow_operations(graph)) {
        graph->failed = 1;
        return 0;
    }
    int64_t number = graph->operations++;
    graph->kind[number] = kind;
    graph->place[number] = place;
    graph->source[number] = -1;
    graph->bytes[number] = 0.0;
    graph->seconds[number] = seconds;
    graph->point[number] = point;
    graph->iteration[number] = iteration;
    graph->region[number] = -1;
    graph->waits[number] = 0;
    graph->first_edge[number] = -1;
    graph->limit[number] = -1;
    return number;
}

void edge(struct graph *graph, int64_t before, int64_t after)
{
    if (before < 0 || before == after || graph->failed)
        return;
    if (graph->edges == graph->edge_room) {
        int64_t room = graph->edge_room ? 2 * graph->edge_room : 4096;
        if (!grow((void **)&graph->edge_next, sizeof(int64_t), room) ||
            !grow((void **)&graph->edge_target, sizeof(int64_t), room)) {
            graph->failed = 1;
            return;
        }
        graph->edge_room = room;
    }
    int64_t number = graph->edges++;
    graph->edge_target[number] = after;
    graph->edge_next[number] = graph->first_edge[before];
    graph->first_edge[before] = number;
    graph->waits[after]++;
}

/* Puts an operation at the head of a list in a pool; returns the new head. */
int64_t add(struct state *state, struct pool *pool, int64_t head, int64_t operation)
{
    if (pool->used == pool->room) {
        int64_t room = pool->room ? 2 * pool->room : 1024;
        if (!grow((void **)&pool->operation, sizeof(int64_t), room) ||
            !grow((void **)&pool->next, sizeof(int64_t), room)) {
            state->graph->failed = 1;
            return head;
        }
        pool->room = room;
    }
    int64_t number = pool->used++;
    pool->operation[number] = operation;
    pool->next[number] = head;
    return number;
}

/* What ends when two operations have ended: `last`, which is the `first` of them so far or stands
 * for several, and another. */
int64_t both(struct graph *graph, int64_t first, int64_t last, int64_t other)
{
    if (other < 0 || other == first)
        return last;
    if (last == first) {
        last = new_operation(graph, JOIN, 0, 0.0, graph->point[first], graph->iteration[first]);
        edge(graph, first, last);
    }
    edge(graph, other, last);
    return last;
}

void free_graph(struct graph *graph)
{
    void *arrays[] = {graph->kind,      graph->place,       graph->source, graph->point,
                      graph->region,    graph->iteration,   graph->waits,  graph->first_edge,
                      graph->bytes,     graph->seconds,     graph->limit,  graph->edge_next,
                      graph->edge_target};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    memset(graph, 0, sizeof *graph);
}
