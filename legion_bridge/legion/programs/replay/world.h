// The plan's data as Legion's: index spaces, regions, partitions, with the names of the plan.
#ifndef MAPPERTUNE_REPLAY_WORLD_H
#define MAPPERTUNE_REPLAY_WORLD_H

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "legion.h"
#include "plan.h"

namespace replay {

constexpr Legion::FieldID FIRST_FIELD = 100;
constexpr Legion::TaskID FIRST_TASK = 100;
constexpr Legion::ProjectionID PIECE_OF_POINT = 1;

Legion::Domain domain_of(const Box &box, int dimension);
// The number of a point of a launch, row-major.
int64_t number_of(const Legion::DomainPoint &point, const Legion::Domain &domain);

// Which piece each point of an index launch takes: its arguments are the colours by point number,
// or nothing where those are the same.
class PieceOfPoint : public Legion::ProjectionFunctor {
public:
    using ProjectionFunctor::project;
    Legion::LogicalRegion project(Legion::LogicalPartition pieces, const Legion::DomainPoint &point,
                                  const Legion::Domain &domain) override;
    Legion::LogicalRegion project(Legion::LogicalPartition pieces, const Legion::DomainPoint &point,
                                  const Legion::Domain &domain, const void *colors,
                                  size_t size) override;
    bool is_functional() const override { return true; }
    bool is_exclusive() const override { return true; }
    unsigned get_depth() const override { return 0; }
};

// Made by the top-level task before any launch, and only read from then on: all tasks of the one
// process see it.
class World {
public:
    World(const Plan &plan, Legion::Context ctx, Legion::Runtime *runtime);

    const Plan &plan;
    std::vector<Legion::LogicalRegion> roots;

    Legion::Domain launch_domain(Phase phase, int launch) const;
    Legion::RegionRequirement single_requirement(Phase phase, int launch, unsigned index,
                                                 int64_t point) const;
    // For a launch by a point of its parent; 0 at the top level.
    Legion::RegionRequirement index_requirement(Phase phase, int launch, unsigned index,
                                                int64_t parent_point) const;

private:
    using Key = std::pair<Legion::LogicalRegion, int>;

    void make_region(Legion::Context ctx, int number);
    void make_partition(Legion::Context ctx, Legion::LogicalRegion within, const Box &bounds,
                        int number);
    void make_sparse(Legion::Context ctx, Phase phase, int launch);
    void make_nested(Legion::Context ctx, Phase phase, int launch);
    int64_t color_of(Phase phase, int launch, unsigned index, int64_t point) const;
    Box bounds_of(Phase phase, int launch, unsigned index, int64_t point) const;
    // What the point of the parent holds for a requirement: a region of which it takes a part.
    Legion::LogicalRegion holder(Phase phase, int launch, unsigned index,
                                 int64_t parent_point) const;
    bool is_same_piece(Phase phase, int launch, unsigned index, int64_t point) const;
    Legion::LogicalRegion region_at(Phase phase, int launch, unsigned index, int64_t point) const;
    void finish(Legion::RegionRequirement &made, const Requirement &requirement) const;

    Legion::Runtime *runtime;
    std::map<Key, Legion::LogicalPartition> partitions;
    std::map<std::pair<Phase, int>, Legion::Domain> sparse;  // launch domains that are no boxes
};

}  // namespace replay

#endif
