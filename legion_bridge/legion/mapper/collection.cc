// Collecting memory: instances that are read only go as soon as nothing needs them.
//
// The runtime forgets an instance that it is told not to track once the task is done. Reductions
// that it folded into that instance for the reader are then lost, because it takes them for done
// (seen with Legion 25.12). So only regions into which nothing was reduced so far are untracked; in
// others an instance is collected when later writes make it stale.
#include <mutex>
#include <set>

#include "policy_mapper.h"

namespace mappertune {
namespace {

std::mutex reductions_mutex;
std::set<Legion::RegionTreeID> reduced_trees;  // of all mappers of the process

}  // namespace

// Every operation that reduces is seen here before any reader of what it reduced is mapped.
void note_reduction(const RegionRequirement &requirement)
{
    if (requirement.privilege != LEGION_REDUCE) return;
    const std::lock_guard<std::mutex> lock(reductions_mutex);
    reduced_trees.insert(requirement.parent.get_tree_id());
}

// Asked for each task anew: what was never reduced may be so by now.
void PolicyMapper::untrack(Mapping &mapping, const std::set<unsigned> &collected) const
{
    // Another node's reductions are not seen here.
    if (collected.empty() || view.nodes() > 1) return;
    const std::lock_guard<std::mutex> lock(reductions_mutex);
    for (const unsigned index : collected)
        if (!reduced_trees.count(mapping.task.regions[index].parent.get_tree_id()))
            mapping.output.untracked_valid_regions.insert(index);
}

void PolicyMapper::map_copy(MapperContext ctx, const Legion::Copy &copy,
                            const MapCopyInput &input, MapCopyOutput &output)
{
    for (const RegionRequirement &requirement : copy.dst_requirements)
        note_reduction(requirement);
    DefaultMapper::map_copy(ctx, copy, input, output);
}

void PolicyMapper::map_inline(MapperContext ctx, const Legion::InlineMapping &inline_mapping,
                              const MapInlineInput &input, MapInlineOutput &output)
{
    note_reduction(inline_mapping.requirement);
    DefaultMapper::map_inline(ctx, inline_mapping, input, output);
}

}  // namespace mappertune
