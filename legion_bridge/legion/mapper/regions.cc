// What regions are called, and requirements that must share an instance.
#include <algorithm>
#include <numeric>

#include "decision_log.h"
#include "failure.h"
#include "policy_mapper.h"
#include "task_names.h"

namespace mappertune {
namespace {

template <typename Handle>
void add_name(const MapperRuntime *runtime, MapperContext ctx, Handle handle, Policy::Names &names)
{
    const void *text = nullptr;
    size_t size = 0;
    if (!runtime->retrieve_semantic_information(ctx, handle, LEGION_NAME_SEMANTIC_TAG, text, size,
                                                true, false))
        return;
    const std::string name = static_cast<const char *>(text);
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
}

size_t root_of(std::vector<size_t> &parents, size_t index)
{
    while (parents[index] != index)
        index = parents[index] = parents[parents[index]];
    return index;
}

}  // namespace

// The names on the way from the region to its root, of logical regions and partitions or, where
// they have none, of their index spaces and index partitions; then the number of the requirement.
Policy::Names PolicyMapper::names_of(MapperContext ctx, const RegionRequirement &requirement,
                                     unsigned index)
{
    Policy::Names names;
    const auto add = [&](auto logical, auto of_index) {
        const size_t before = names.size();
        add_name(runtime, ctx, logical, names);
        if (names.size() == before) add_name(runtime, ctx, of_index, names);
    };
    LogicalRegion region = requirement.region;
    add(region, region.get_index_space());
    while (runtime->has_parent_logical_partition(ctx, region)) {
        const Legion::LogicalPartition partition =
            runtime->get_parent_logical_partition(ctx, region);
        add(partition, partition.get_index_partition());
        region = runtime->get_parent_logical_region(ctx, partition);
        add(region, region.get_index_space());
    }
    names.push_back(std::to_string(index));
    return names;
}

std::string names_text(const Policy::Names &names)
{
    std::string text;
    for (const std::string &name : names)
        text += (text.empty() ? "" : ",") + name;
    return text;
}

// Requirements that the variant wants in one instance get one, which covers all their regions.
void PolicyMapper::map_colocated(MapperContext ctx, Mapping &mapping, std::vector<bool> &done)
{
    const Task &task = mapping.task;
    const auto &colocations =
        runtime->find_execution_constraints(ctx, task.task_id, mapping.variant)
            .colocation_constraints;
    if (colocations.empty()) return;
    std::vector<size_t> parents(task.regions.size());
    std::iota(parents.begin(), parents.end(), 0);
    for (const auto &colocation : colocations)
        for (const unsigned index : colocation.indexes)
            if (index < parents.size())
                parents[root_of(parents, index)] = root_of(parents, *colocation.indexes.begin());
    std::map<size_t, std::vector<unsigned>> groups;
    for (unsigned index = 0; index < task.regions.size(); index++)
        if (!done[index] && !task.regions[index].privilege_fields.empty())
            groups[root_of(parents, index)].push_back(index);
    for (const auto &group : groups) {
        if (group.second.size() < 2) continue;
        map_group(ctx, mapping, group.second);
        for (const unsigned index : group.second)
            done[index] = true;
    }
}

// The policy's answer for the first requirement of the group counts for all.
void PolicyMapper::map_group(MapperContext ctx, Mapping &mapping,
                             const std::vector<unsigned> &group)
{
    const Task &task = mapping.task;
    const RegionRequirement &first = task.regions[group[0]];
    const Request wanted = request_of(ctx, mapping, group[0]);
    if (wanted.is_virtual)
        fail("virtual-leaf", at_region(task.get_task_name(), group[0]),
             "it is mapped to VIRTUAL, but its task wants it beside other regions in an instance");
    narrow_targets(mapping, wanted.memory, group[0]);
    const Asking asking(*this, ctx, wanted);
    LayoutConstraintSet constraints;
    const auto own = mapping.constraints->layouts.find(group[0]);
    if (own != mapping.constraints->layouts.end())
        constraints = runtime->find_layout_constraints(ctx, own->second);
    constraints.field_constraint = Legion::FieldConstraint();
    complete_layout(ctx, constraints, wanted.memory, first);
    std::vector<LogicalRegion> regions;
    for (const unsigned index : group) {
        const LogicalRegion region = default_policy_select_instance_region(
            ctx, wanted.memory, task.regions[index], constraints, false, true);
        if (std::find(regions.begin(), regions.end(), region) == regions.end())
            regions.push_back(region);
    }
    PhysicalInstance instance;
    bool created = false;
    size_t bytes = 0;
    const bool made = runtime->find_or_create_physical_instance(
        ctx, wanted.memory, constraints, regions, instance, created, true,
        LEGION_GC_DEFAULT_PRIORITY, wanted.layout.exact != 0, &bytes);
    if (!made) refuse_instance(mapping, wanted, bytes);
    for (const unsigned index : group)
        mapping.output.chosen_instances[index].assign(1, instance);
    log_line("colocate %s point=%s regions=%zu id=%lx", policy_name(task.get_task_name()).c_str(),
             point_text(task).c_str(), group.size(), instance.get_instance_id());
}

}  // namespace mappertune
