#include "policy.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "failure.h"
#include "settings.h"

namespace mappertune {
namespace {

// What the mapper's print statements say goes to standard error: a program's own output is read
// by others.
void print_text(void *, const char *text)
{
    fputs(text, stderr);
}

const mapper_api *open_policy(const std::string &path)
{
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("no-policy", "policy", "it cannot be loaded: %s", dlerror());
    const void *symbol = dlsym(library, "mapper_policy_api");
    if (!symbol)
        fail("no-policy", "policy", "%s is no compiled mapper: it lacks mapper_policy_api",
             path.c_str());
    const auto *api = static_cast<const mapper_api *>(symbol);
    if (api->version != MAPPER_ABI_VERSION ||
        api->size != static_cast<int32_t>(sizeof(mapper_api)))
        fail("policy-version", "policy",
             "%s has version %d of the interface, not version %d: compile the mapper again",
             path.c_str(), api->version, MAPPER_ABI_VERSION);
    return api;
}

const char *label_of(const mapper_error &error)
{
    return error.label ? error.label : "bad-policy";
}

// Whether a policy in its senses can have counted so many answers.
bool possible(int32_t count)
{
    return count >= 0 && count <= 1 << 20;
}

bool is_power_of_two(int32_t number)
{
    return number > 0 && (number & (number - 1)) == 0;
}

int32_t narrow(const char *task, Legion::coord_t coordinate)
{
    if (coordinate < INT32_MIN || coordinate > INT32_MAX)
        fail("launch-domain", at_task(task),
             "the coordinate %lld of its launch domain does not fit into the language's 32 bits",
             static_cast<long long>(coordinate));
    return static_cast<int32_t>(coordinate);
}

std::vector<const char *> pointers(const Policy::Names &names)
{
    std::vector<const char *> found;
    for (const std::string &name : names)
        found.push_back(name.c_str());
    return found;
}

}  // namespace

Policy::Policy(const mapper_machine &machine) : api(open_policy(settings().policy))
{
    mapper_machine shape = machine;
    shape.print = print_text;
    mapper_error error = {};
    const int32_t code = api->load(&shape, &policy, &error);
    if (code != MAPPER_OK || !policy)
        fail(label_of(error), "policy", "%s",
             error.text[0] ? error.text : "it does not load");
}

Policy::~Policy()
{
    api->unload(policy);
}

void Policy::refuse(const char *task, const char *question, int32_t code) const
{
    fail("bad-call", at_task(task), "the policy's answer to %s makes no sense (code %d)", question, code);
}

std::vector<int> Policy::task_kinds(const char *task) const
{
    const int8_t *kinds = nullptr;
    int32_t count = 0;
    const int32_t code = api->task_kinds(policy, task, &kinds, &count);
    if (code != MAPPER_OK || !possible(count)) refuse(task, "task_kinds", code);
    const std::vector<int> found(kinds, kinds + count);
    for (const int kind : found)
        if (kind < 0 || kind >= MAPPER_PROCESSOR_KINDS) refuse(task, "task_kinds", code);
    return found;
}

std::vector<int> Policy::memories(const char *task, const Names &names, int kind) const
{
    const std::vector<const char *> regions = pointers(names);
    std::vector<int8_t> found(16);
    int32_t count = 0;
    for (;;) {
        const int32_t code =
            api->memories(policy, task, regions.data(), static_cast<int32_t>(regions.size()), kind,
                          found.data(), static_cast<int32_t>(found.size()), &count);
        if (code != MAPPER_OK || !possible(count)) refuse(task, "memories", code);
        const bool complete = static_cast<size_t>(count) <= found.size();
        found.resize(count);
        if (!complete) continue;
        for (const int8_t memory : found)
            if (memory < 0 || memory >= MAPPER_MEMORY_KINDS) refuse(task, "memories", code);
        return std::vector<int>(found.begin(), found.end());
    }
}

mapper_layout Policy::layout(const char *task, const Names &names, int memory, int kind) const
{
    const std::vector<const char *> regions = pointers(names);
    mapper_layout layout = {};
    const int32_t code =
        api->layout(policy, task, regions.data(), static_cast<int32_t>(regions.size()), memory,
                    kind, &layout);
    if (code != MAPPER_OK || !memchr(layout.align, 0, sizeof layout.align))
        refuse(task, "layout", code);
    // Legion would align fields to 3 bytes, and the task's code would be the first to notice.
    if (layout.align[0] && !is_power_of_two(layout.alignment))
        fail("alignment", at_task(task),
             "an instance cannot be aligned to %d bytes: take a power of two, such as 64",
             layout.alignment);
    return layout;
}

int Policy::instance_limit(const char *task) const
{
    int32_t limit = 0;
    const int32_t code = api->instance_limit(policy, task, &limit);
    if (code != MAPPER_OK || limit < 0) refuse(task, "instance_limit", code);
    return limit;
}

bool Policy::collects(const char *task, const Names &names) const
{
    const std::vector<const char *> regions = pointers(names);
    int32_t answer = 0;
    const int32_t code = api->collects(policy, task, regions.data(),
                                       static_cast<int32_t>(regions.size()), &answer);
    if (code != MAPPER_OK) refuse(task, "collects", code);
    return answer != 0;
}

int Policy::control_replicates(const char *task) const
{
    int32_t answer = -1;
    const int32_t code = api->control_replicates(policy, task, &answer);
    if (code != MAPPER_OK) refuse(task, "control_replicates", code);
    return answer;
}

bool Policy::has_map(const char *task, int kind, int single) const
{
    int32_t answer = 0;
    const int32_t code = api->has_map(policy, task, kind, single, &answer);
    if (code != MAPPER_OK) refuse(task, "has_map", code);
    return answer != 0;
}

template <typename Question>
Policy::Places Policy::places_of(const char *task, const char *name, Question question) const
{
    Places places(1);
    for (;;) {
        int32_t count = 0;
        mapper_error error = {};
        const int32_t code =
            question(places.data(), static_cast<int32_t>(places.size()), &count, &error);
        if (code != MAPPER_OK) fail(label_of(error), at_task(task), "%s", error.text);
        if (!possible(count)) refuse(task, name, code);
        const bool complete = static_cast<size_t>(count) <= places.size();
        places.resize(count);
        if (complete) return places;
    }
}

// The bounds are those of the whole launch.
Policy::Places Policy::index_point(const char *task, int kind, const Legion::Domain &launch,
                                   const Legion::DomainPoint &point) const
{
    const int dimensions = launch.get_dim();
    const Legion::DomainPoint first = launch.lo(), last = launch.hi();
    std::vector<int32_t> lower(dimensions), extents(dimensions), coordinates(dimensions);
    for (int d = 0; d < dimensions; d++) {
        lower[d] = narrow(task, first[d]);
        extents[d] = narrow(task, last[d] - first[d] + 1);
        coordinates[d] = narrow(task, point[d]);
    }
    return places_of(task, "index_point", [&](auto... answer) {
        return api->index_point(policy, task, kind, dimensions, lower.data(), extents.data(),
                                coordinates.data(), answer...);
    });
}

Policy::Places Policy::single_task(const char *task, int kind, const mapper_point *parent,
                                   int parent_kind) const
{
    return places_of(task, "single_task", [&](auto... answer) {
        return api->single_task(policy, task, kind, parent, parent_kind, answer...);
    });
}

}  // namespace mappertune
