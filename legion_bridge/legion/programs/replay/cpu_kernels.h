// What point tasks do to their data on a CPU, in integers modulo a power of two: sums come out the
// same in whatever order they are taken.
#ifndef MAPPERTUNE_REPLAY_CPU_KERNELS_H
#define MAPPERTUNE_REPLAY_CPU_KERNELS_H

#include "plan.h"
#include "slab.h"

namespace replay {

class CpuKernels {
public:
    explicit CpuKernels(uint64_t seed) : mix(seed) {}

    void read(const Slab &slab, Passes passes);
    void update(const Slab &slab, Passes passes);
    void write(const Slab &slab, Passes passes);
    void reduce(const Slab &slab, Passes passes);
    // Scattered: reads, updates of what the task holds alone, and reductions into what it may not.
    void gather(const Slab &slab, int64_t count);
    void scatter(const Slab &slab, int64_t count);
    void scatter_shared(const Slab &slab, int64_t count);
    void compute(Rate rate, double flops);

    uint64_t result() const { return mix; }

private:
    void take(uint64_t sum) { mix = (mix ^ sum) * 0x9E3779B97F4A7C15ull + 1; }

    uint64_t mix;
};

}  // namespace replay

#endif
