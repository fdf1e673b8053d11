// Sums modulo a power of two: the same in whatever order they are taken.
#ifndef MAPPERTUNE_REPLAY_REDUCTIONS_H
#define MAPPERTUNE_REPLAY_REDUCTIONS_H

#include "legion.h"
#include "plan.h"

namespace replay {

void register_reductions();

// The sum of 8-byte words, which also adds up what points return.
constexpr Legion::ReductionOpID SUM_OF_RESULTS = 8;

// The operator of a requirement, by the size of its fields.
inline Legion::ReductionOpID reduction_of(const Plan &plan, const Requirement &requirement)
{
    const Region &region = plan.regions[requirement.region];
    return static_cast<Legion::ReductionOpID>(region.fields[requirement.fields.at(0)].bytes);
}

}  // namespace replay

#endif
