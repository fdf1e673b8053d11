/* Asks compiled mappers what stdin says, and writes one line of answer for each line: built with
 * sanitizers, it shows that no question reads or writes where it must not.
 *
 *   P library nodes cpu gpu io py proc omp    load; the questions that follow are for this mapper
 *   I task kind n extents... point...         one point of an index launch of n dimensions
 *   D task kind n extents...                  a whole launch domain
 *   S task kind parent_kind node processor    a single task; a negative node: no parent
 *   R task region kind memory                 what the rules say
 */
#include "mapper_abi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMENSIONS = 16, MAX_POINTS = 10000 };

static const mapper_api *api;
static mapper_policy *policy;
static mapper_error error;
static mapper_point points[MAX_POINTS];

static int number(void)
{
    int n;
    if (scanf("%d", &n) != 1) exit(2);
    return n;
}

static const char *word(char *room)
{
    if (scanf("%255s", room) != 1) exit(2);
    return room;
}

static void ignore(void *context, const char *text)
{
    *(size_t *)context += strlen(text);
}

static void say_points(int32_t code, int32_t count)
{
    printf("%d", code);
    for (int32_t i = 0; !code && i < count; i++)
        printf(" %d,%d", points[i].node, points[i].processor);
    if (code) printf(" %s %d %zu", error.label, error.line, strlen(error.text));
    printf("\n");
}

static void load(void)
{
    static size_t printed;
    char path[256];
    mapper_machine machine = {.print = ignore, .print_context = &printed};
    void *library = dlopen(word(path), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    if (policy) api->unload(policy);
    api = dlsym(library, "mapper_policy_api");
    machine.nodes = number();
    for (int kind = 0; kind < MAPPER_PROCESSOR_KINDS; kind++)
        machine.processors[kind] = number();
    int32_t code = api->load(&machine, &policy, &error);
    printf("%d %s\n", code, code ? error.label : "loaded");
}

static void index_launch(int whole)
{
    char task[256];
    int32_t extents[MAX_DIMENSIONS], point[MAX_DIMENSIONS], count = 1;
    word(task);
    int kind = number();
    int n = number();
    for (int d = 0; d < n; d++) {
        extents[d] = number();
        count *= extents[d];
    }
    for (int d = 0; !whole && d < n; d++)
        point[d] = number();
    if (!policy) return;
    int32_t code = whole ? api->index_domain(policy, task, kind, n, NULL, extents, points, &error)
                         : api->index_point(policy, task, kind, n, NULL, extents, point, points,
                                            MAX_POINTS, &count, &error);
    say_points(code, count);
}

static void single_task(void)
{
    char task[256];
    word(task);
    int kind = number();
    int parent_kind = number();
    int32_t node = number();
    int32_t processor = number();
    mapper_point parent = {node, processor};
    int32_t count = 0;
    if (!policy) return;
    int32_t code = api->single_task(policy, task, kind, node < 0 ? NULL : &parent, parent_kind,
                                    points, MAX_POINTS, &count, &error);
    say_points(code, count);
}

static void rules(void)
{
    char task[256], region[256];
    const int8_t *kinds;
    int8_t memories[4];
    int32_t kind_count, memory_count, limit, collects, replicates, mapped;
    mapper_layout layout;
    word(task);
    const char *names[1] = {word(region)};
    int kind = number();
    int memory = number();
    if (!policy) return;
    api->task_kinds(policy, task, &kinds, &kind_count);
    api->memories(policy, task, names, 1, kind, memories, 4, &memory_count);
    api->layout(policy, task, names, 1, memory, kind, &layout);
    api->instance_limit(policy, task, &limit);
    api->collects(policy, task, names, 1, &collects);
    api->control_replicates(policy, task, &replicates);
    api->has_map(policy, task, kind, 0, &mapped);
    printf("%d kinds, %d memories, layout %d, limit %d, collects %d, replicates %d, mapped %d\n",
           kind_count, memory_count, layout.found, limit, collects, replicates, mapped);
}

int main(void)
{
    char verb[256];
    while (scanf("%255s", verb) == 1)
        switch (verb[0]) {
        case 'P': load(); break;
        case 'I': index_launch(0); break;
        case 'D': index_launch(1); break;
        case 'S': single_task(); break;
        default: rules(); break;
        }
    if (policy) api->unload(policy);
    return 0;
}
