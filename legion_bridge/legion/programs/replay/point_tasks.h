// The tasks of the plan.
#ifndef MAPPERTUNE_REPLAY_POINT_TASKS_H
#define MAPPERTUNE_REPLAY_POINT_TASKS_H

#include "cpu_kernels.h"
#include "slab.h"
#include "world.h"

namespace replay {

void register_point_tasks(const Plan &plan);
// Lets the tasks see the world.
void share(const World *world);

// Where an instance holds a field; `traversal` says in which order its points will be visited.
Slab slab_of(const Legion::PhysicalRegion &region, const Legion::Domain &domain, int field,
             size_t bytes, char traversal, Privilege privilege);

}  // namespace replay

#endif
