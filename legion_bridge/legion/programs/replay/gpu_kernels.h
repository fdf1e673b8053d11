// What point tasks do to their data on a GPU: the same numbers as on a CPU.
#ifndef MAPPERTUNE_REPLAY_GPU_KERNELS_H
#define MAPPERTUNE_REPLAY_GPU_KERNELS_H

#include "plan.h"
#include "slab.h"

namespace replay {

// Each call is one kernel and at most one more; none waits for the GPU but `result`.
class GpuKernels {
public:
    explicit GpuKernels(uint64_t seed);
    ~GpuKernels();
    GpuKernels(const GpuKernels &) = delete;
    GpuKernels &operator=(const GpuKernels &) = delete;

    void read(const Slab &slab, Passes passes);
    void update(const Slab &slab, Passes passes);
    void write(const Slab &slab, Passes passes);
    void reduce(const Slab &slab, Passes passes);
    void gather(const Slab &slab, int64_t count);
    void scatter(const Slab &slab, int64_t count);
    void scatter_shared(const Slab &slab, int64_t count);
    void compute(Rate rate, double flops);

    uint64_t result() const;

private:
    unsigned long long *state;  // on the GPU: the mix, and the sum of the kernel under way
};

}  // namespace replay

#endif
