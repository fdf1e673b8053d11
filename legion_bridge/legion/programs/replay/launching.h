// Launches, by the top-level task or by a point of another launch.
#ifndef MAPPERTUNE_REPLAY_LAUNCHING_H
#define MAPPERTUNE_REPLAY_LAUNCHING_H

#include <functional>
#include <vector>

#include "world.h"

namespace replay {

// What a point task is told.
struct LaunchArguments {
    int phase, launch;
    int64_t parent_point;
};

class Launcher {
public:
    // The point of the parent that launches; 0 at the top level.
    Launcher(const World &world, Legion::Context ctx, Legion::Runtime *runtime, int64_t point)
        : world(world), ctx(ctx), runtime(runtime), point(point)
    {
    }

    // The launches of a phase that no other makes, in program order.
    void launch_phase(Phase phase, const std::function<void(const Launch &)> &before);
    void launch_children(Phase phase, int parent);

private:
    void launch(Phase phase, int number);
    template <typename AnyLauncher> void add_futures(AnyLauncher &launcher, const Launch &launch);

    const World &world;
    Legion::Context ctx;
    Legion::Runtime *runtime;
    const int64_t point;
    std::vector<Legion::Future> results;  // of the launches of this phase, the latest of each
    int results_of = -1;
};

}  // namespace replay

#endif
