// What Realm cannot copy.
//
// A copy, fill or fold lists where its rectangles lie in an instance, in a ring of 1000 numbers: two
// for the first bytes that lie together, and two for each further stride. Realm reserves two a
// dimension for each rectangle and field, which is too few where no dimension is without a stride:
// in an instance with its fields together, or whose order of dimensions is not that of the other
// instance of the copy. Once the ring is full the list is written over: the run aborts, or data ends
// up where it does not belong (seen with Legion 25.12). Few copies are that long: only those of
// pieces with holes. In a region tree with such pieces all instances must have fields apart and one
// order of dimensions.
#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "failure.h"
#include "policy_mapper.h"

namespace mappertune {
namespace {

constexpr size_t RING = 1000;

// An argument that was mapped, as messages call it.
struct Argument {
    std::string task;
    unsigned index = 0;
};

// What was mapped of a region tree.
struct Tree {
    std::set<IndexSpace> unmeasured;  // looked at only once a layout needs it
    size_t rectangles = 1;            // of the piece that has most
    size_t fields = 0;                // that one task reads, at most
    bool together = false;            // some instance has its fields together
    bool orders[2] = {};              // F and C: some instance has that order
    Argument odd;                     // the first that made it hard to copy

    // Whether it is hard to copy once an instance has a layout, too.
    bool hard_with(const mapper_layout &layout, int dimensions) const
    {
        const bool c_order = layout.c_order != 0;
        return together || layout.aos || (dimensions > 1 && orders[!c_order]);
    }
    bool overflows(int dimensions) const
    {
        return rectangles * fields * 2 * (static_cast<size_t>(dimensions) + 1) > RING;
    }
};

std::mutex trees_mutex;
std::map<Legion::RegionTreeID, Tree> trees;  // of all mappers of the process

// What is reduced is folded into what was there.
bool reads(const RegionRequirement &requirement)
{
    return (requirement.privilege & (LEGION_READ_PRIV | LEGION_REDUCE)) != 0;
}

template <int N>
size_t rectangles_in(const Domain &domain)
{
    const Legion::DomainT<N> points = domain;
    size_t count = 0;
    for (Legion::RectInDomainIterator<N> it(points); it(); it++)
        count++;
    return count;
}

size_t rectangles_of(const Domain &domain)
{
    if (domain.dense()) return 1;
    switch (domain.get_dim()) {
#define MAPPERTUNE_RECTANGLES(N) \
    case N: return rectangles_in<N>(domain);
        LEGION_FOREACH_N(MAPPERTUNE_RECTANGLES)
#undef MAPPERTUNE_RECTANGLES
    }
    return 1;
}

}  // namespace

// Looks at the pieces of a tree that were mapped so far. The runtime may let the thread do
// something else meanwhile, so no mutex is held.
void PolicyMapper::measure_pieces(MapperContext ctx, Legion::RegionTreeID tree)
{
    std::set<IndexSpace> spaces;
    {
        const std::lock_guard<std::mutex> lock(trees_mutex);
        spaces.swap(trees[tree].unmeasured);
    }
    size_t most = 1;
    for (const IndexSpace &space : spaces)
        most = std::max(most, rectangles_of(runtime->get_index_space_domain(ctx, space)));
    const std::lock_guard<std::mutex> lock(trees_mutex);
    trees[tree].rectangles = std::max(trees[tree].rectangles, most);
}

// Ends the run before Realm would lose its place.
void PolicyMapper::check_copies(MapperContext ctx, const Mapping &mapping, Request &wanted)
{
    const RegionRequirement &requirement = mapping.task.regions[wanted.index];
    const IndexSpace space = requirement.region.get_index_space();
    const Legion::RegionTreeID id = requirement.region.get_tree_id();
    const int dimensions = space.get_dim();
    const size_t fields = requirement.privilege_fields.size();
    // One field alone is neither apart nor together: its instance gets the layout that can be copied.
    if (wanted.layout.aos && !wanted.variant_order && fields == 1 &&
        rectangles_of(runtime->get_index_space_domain(ctx, space)) > 1)
        wanted.layout.aos = 0;
    bool hard = false;
    {
        const std::lock_guard<std::mutex> lock(trees_mutex);
        Tree &tree = trees[id];
        tree.unmeasured.insert(space);
        if (reads(requirement)) tree.fields = std::max(tree.fields, fields);
        hard = tree.hard_with(wanted.layout, dimensions);
    }
    if (hard) measure_pieces(ctx, id);
    const std::lock_guard<std::mutex> lock(trees_mutex);
    Tree &tree = trees[id];
    const bool overflows = hard && tree.overflows(dimensions);
    if (tree.odd.task.empty() && tree.hard_with(wanted.layout, dimensions))
        tree.odd = {mapping.rules.name, wanted.index};
    tree.together = tree.together || wanted.layout.aos;
    tree.orders[wanted.layout.c_order != 0] = true;
    if (!overflows || tree.odd.task.empty()) return;
    fail("realm-copy", at_region(tree.odd.task.c_str(), tree.odd.index),
         "pieces of its region have holes, and consist of up to %zu boxes: this Realm copies them "
         "only between instances with SOA and one order of dimensions, and it gets %s",
         tree.rectangles, tree.together ? "AOS" : "another order than others");
}

}  // namespace mappertune
