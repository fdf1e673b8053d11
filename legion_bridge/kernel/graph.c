/* The graph of operations, and lists of operations. */
#include "state.h"

#include <stdlib.h>
#include <string.h>

/* An array with the capacity for more elements; the array itself, and `failed`, without memory. */
void *grown(void *array, size_t size, int64_t capacity, int *failed)
{
    void *larger = realloc(array, size * (size_t)capacity);
    if (larger == NULL)
        *failed = 1;
    return larger == NULL ? array : larger;
}

void grow_operations(struct graph *graph)
{
    int64_t capacity = graph->operation_capacity ? 2 * graph->operation_capacity : 1024;
    int64_t **integers[] = {&graph->kind,      &graph->place,  &graph->source, &graph->point,
                            &graph->iteration, &graph->region, &graph->waits,  &graph->first_edge,
                            &graph->limit,     &graph->lock};
    double **numbers[] = {&graph->bytes, &graph->seconds, &graph->load};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        *integers[i] = grown(*integers[i], sizeof **integers[i], capacity, &graph->failed);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = grown(*numbers[i], sizeof **numbers[i], capacity, &graph->failed);
    if (!graph->failed)
        graph->operation_capacity = capacity;
}

int64_t new_operation(struct graph *graph, enum kind kind, int64_t place, double seconds,
                      int64_t point, int64_t iteration)
{
    if (graph->operations == graph->operation_capacity)
        grow_operations(graph);
    if (graph->operations == MOST_OPERATIONS)
        graph->failed = 1;
    if (graph->failed)
        return 0;
    int64_t number = graph->operations++;
    graph->kind[number] = kind;
    graph->place[number] = place;
    graph->source[number] = -1;
    graph->bytes[number] = 0.0;
    graph->load[number] = 0.0;
    graph->seconds[number] = seconds;
    graph->point[number] = point;
    graph->iteration[number] = iteration;
    graph->region[number] = -1;
    graph->waits[number] = 0;
    graph->first_edge[number] = -1;
    graph->limit[number] = -1;
    graph->lock[number] = -1;
    return number;
}

void edge(struct graph *graph, int64_t before, int64_t after)
{
    if (before < 0 || before == after || graph->failed)
        return;
    if (graph->edges == graph->edge_capacity) {
        int64_t capacity = graph->edge_capacity ? 2 * graph->edge_capacity : 4096;
        if (capacity > MOST_OPERATIONS)
            graph->failed = 1;
        if (graph->failed)
            return;
        graph->edge = grown(graph->edge, sizeof *graph->edge, capacity, &graph->failed);
        if (graph->failed)
            return;
        graph->edge_capacity = capacity;
    }
    int64_t number = graph->edges++;
    graph->edge[number] = (struct edge){(int32_t)graph->first_edge[before], (int32_t)after};
    graph->first_edge[before] = number;
    graph->waits[after]++;
}

/* Puts an operation at the head of a list in a pool; returns the new head. */
int64_t add(struct state *state, struct pool *pool, int64_t head, int64_t operation)
{
    if (pool->used == pool->capacity) {
        int64_t capacity = pool->capacity ? 2 * pool->capacity : 1024;
        int *failed = &state->graph->failed;
        pool->operation = grown(pool->operation, sizeof(int64_t), capacity, failed);
        pool->next = grown(pool->next, sizeof(int64_t), capacity, failed);
        if (*failed)
            return head;
        pool->capacity = capacity;
    }
    int64_t number = pool->used++;
    pool->operation[number] = operation;
    pool->next[number] = head;
    return number;
}

/* What ends when two operations have ended: `last`, which is the `first` of them so far or stands
 * for several, and another. */
int64_t join_after(struct graph *graph, int64_t first, int64_t last, int64_t other)
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
                      graph->bytes,     graph->seconds,     graph->limit,  graph->edge,
                      graph->lock,      graph->load};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    memset(graph, 0, sizeof *graph);
}
