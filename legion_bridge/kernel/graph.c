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
    if (capacity > MOST_OPERATIONS)
        graph->failed = 1;
    if (graph->failed)
        return;
    graph->operation = grown(graph->operation, sizeof *graph->operation, capacity, &graph->failed);
    if (!graph->failed)
        graph->operation_capacity = capacity;
}

void grow_edges(struct graph *graph)
{
    int64_t capacity = graph->edge_capacity ? 2 * graph->edge_capacity : 4096;
    if (capacity > MOST_OPERATIONS)
        graph->failed = 1;
    if (graph->failed)
        return;
    graph->edge = grown(graph->edge, sizeof *graph->edge, capacity, &graph->failed);
    if (!graph->failed)
        graph->edge_capacity = capacity;
}

/* Puts an operation at the head of a list in a pool; returns the new head. */
int32_t add(struct state *state, struct pool *pool, int64_t head, int64_t operation)
{
    if (pool->used == pool->capacity) {
        int64_t capacity = pool->capacity ? 2 * pool->capacity : 1024;
        int *failed = &state->graph->failed;
        *failed |= capacity > MOST_OPERATIONS;
        if (!*failed)
            pool->listed = grown(pool->listed, sizeof *pool->listed, capacity, failed);
        if (*failed)
            return (int32_t)head;
        pool->capacity = capacity;
    }
    pool->listed[pool->used] = (struct listed){(int32_t)operation, (int32_t)head};
    return (int32_t)pool->used++;
}

void free_lists(struct lists *lists)
{
    free(lists->readers.listed);
    free(lists->allocation.listed);
    free(lists->freed);
    memset(lists, 0, sizeof *lists);
}

/* What ends when two operations have ended: `last`, which is the `first` of them so far or stands
 * for several, and another. */
int64_t join_after(struct graph *graph, int64_t first, int64_t last, int64_t other)
{
    if (other < 0 || other == first)
        return last;
    if (last == first) {
        last = new_operation(graph, JOIN, 0, 0.0, graph->operation[first].point, graph->operation[first].iteration);
        edge(graph, first, last);
    }
    edge(graph, other, last);
    return last;
}

void free_graph(struct graph *graph)
{
    free(graph->operation);
    free(graph->edge);
    memset(graph, 0, sizeof *graph);
}
