#include "gpu_kernels.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "reductions.inl"

namespace replay {
namespace {

using Word = unsigned long long;
constexpr int THREADS = 256;
constexpr int MOST_BLOCKS = 4096;
enum State { MIX, SUM, STATES };

void check(cudaError_t code)
{
    if (code == cudaSuccess) return;
    fprintf(stderr, "replay: error: a GPU kernel failed: %s\n", cudaGetErrorString(code));
    abort();
}

unsigned blocks(int64_t threads)
{
    return static_cast<unsigned>(
        std::clamp<int64_t>((threads + THREADS - 1) / THREADS, 1, MOST_BLOCKS));
}

// Layouts that hold fields together need not keep them aligned, and a GPU loads aligned words only.
template <typename T> __device__ T load(const char *at)
{
    if (reinterpret_cast<uintptr_t>(at) % sizeof(T) == 0) return *reinterpret_cast<const T *>(at);
    T value = 0;
    for (unsigned b = 0; b < sizeof(T); b++)
        value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(at[b])) << (8 * b));
    return value;
}

template <typename T> __device__ void store(char *at, T value)
{
    if (reinterpret_cast<uintptr_t>(at) % sizeof(T) == 0) {
        *reinterpret_cast<T *>(at) = value;
        return;
    }
    for (unsigned b = 0; b < sizeof(T); b++)
        at[b] = static_cast<char>(value >> (8 * b));
}

// Adds up over the threads of a warp, then over all warps.
__device__ void add_to_sum(Word *state, Word sum)
{
    for (int distance = warpSize / 2; distance > 0; distance /= 2)
        sum += __shfl_down_sync(0xFFFFFFFFu, sum, distance);
    if (threadIdx.x % warpSize == 0) atomicAdd(&state[SUM], sum);
}

enum class Action { READ, UPDATE, WRITE, REDUCE };

template <Action ACTION, typename T>
__global__ void sweep(Slab slab, int64_t rows0, int64_t rows1, int64_t rows2, Word *state)
{
    const T mix = static_cast<T>(state[MIX] + slab.seed);
    const int64_t volume = rows0 * rows1 * rows2 * slab.words;
    const int64_t all = static_cast<int64_t>(gridDim.x) * blockDim.x;
    Word sum = 0;
    for (int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; n < volume;
         n += all) {
        // Threads side by side visit points side by side.
        const int64_t i = n % rows0, w = n / rows0 % slab.words;
        const int64_t j = n / rows0 / slab.words % rows1, k = n / rows0 / slab.words / rows1;
        char *at = slab.base + i * slab.stride[0] + j * slab.stride[1] + k * slab.stride[2] +
                   w * static_cast<int64_t>(sizeof(T));
        const T place =
            static_cast<T>(i * slab.place[0] + j * slab.place[1] + k * slab.place[2] + w);
        if (ACTION == Action::READ) {
            sum += static_cast<T>(load<T>(at) ^ place);
        } else if (ACTION == Action::UPDATE) {
            const T old = load<T>(at);
            sum += static_cast<T>(old ^ place);
            store<T>(at, static_cast<T>(old * 5 + mix + place));
        } else if (ACTION == Action::WRITE) {
            store<T>(at, static_cast<T>(mix + place));
        } else {
            Sum<T>::template fold<false>(*reinterpret_cast<T *>(at), static_cast<T>(mix + place));
        }
    }
    if (ACTION == Action::READ || ACTION == Action::UPDATE) add_to_sum(state, sum);
}

enum class Touch { READ, ADD };

// As on a CPU, but with each thread at its own place in the sequence of numbers.
template <Touch TOUCH, typename T> __global__ void touch(Slab slab, int64_t count, Word *state)
{
    const auto volume = static_cast<uint64_t>(slab.extent[0] * slab.extent[1] * slab.extent[2]);
    const int64_t all = static_cast<int64_t>(gridDim.x) * blockDim.x;
    Word sum = 0;
    for (int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; n < count;
         n += all) {
        Scatter scatter{slab.seed};
        scatter.skip(static_cast<uint64_t>(n));
        const uint64_t number = scatter.next(volume);
        int64_t offset = 0;
        for (int d = 0; d < 3; d++)
            offset += static_cast<int64_t>(number) / slab.place[d] % slab.extent[d] *
                      slab.stride[d];
        char *at = slab.base + offset;
        if (TOUCH == Touch::READ)
            sum += static_cast<T>(load<T>(at) ^ static_cast<T>(number));
        else
            Sum<T>::template fold<false>(*reinterpret_cast<T *>(at), static_cast<T>(number));
    }
    if (TOUCH == Touch::READ) add_to_sum(state, sum);
}

__global__ void begin(Word *state, Word seed)
{
    state[MIX] = seed;
    state[SUM] = 0;
}

__global__ void take(Word *state, Word seed)
{
    state[MIX] = (state[MIX] ^ (state[SUM] + seed)) * 0x9E3779B97F4A7C15ull + 1;
    state[SUM] = 0;
}

template <typename T> __global__ void multiply_add(int64_t rounds, Word *state)
{
    T chain[4] = {T(threadIdx.x), T(1), T(2), T(3)};
    for (int64_t n = 0; n < rounds; n++)
        for (T &value : chain)
            value = value * T(0.999) + T(0.5);
    // Never so, which the compiler does not know.
    if (chain[0] + chain[1] + chain[2] + chain[3] == T(-1)) state[SUM] = 0;
}

template <Action ACTION> void run(const Slab &slab, Passes passes, Word *state)
{
    int64_t rows[3] = {slab.extent[0], slab.extent[1], slab.extent[2]};
    const int outmost = rows[2] > 1 ? 2 : rows[1] > 1 ? 1 : 0;
    rows[outmost] = std::min(rows[outmost], passes.rows);
    const unsigned grid = blocks(rows[0] * rows[1] * rows[2] * slab.words);
    for (int64_t t = 0; t < passes.times; t++) {
        switch (slab.word) {
        case 8: sweep<ACTION, uint64_t><<<grid, THREADS>>>(slab, rows[0], rows[1], rows[2], state); break;
        case 4: sweep<ACTION, uint32_t><<<grid, THREADS>>>(slab, rows[0], rows[1], rows[2], state); break;
        case 2: sweep<ACTION, uint16_t><<<grid, THREADS>>>(slab, rows[0], rows[1], rows[2], state); break;
        default: sweep<ACTION, uint8_t><<<grid, THREADS>>>(slab, rows[0], rows[1], rows[2], state);
        }
        if (ACTION == Action::READ || ACTION == Action::UPDATE)
            take<<<1, 1>>>(state, ACTION == Action::READ ? slab.seed : 0);
    }
    check(cudaGetLastError());
}

template <Touch TOUCH> void run_touch(const Slab &slab, int64_t count, Word *state)
{
    if (slab.volume() > 0) {
        const unsigned grid = blocks(count);
        switch (slab.word) {
        case 8: touch<TOUCH, uint64_t><<<grid, THREADS>>>(slab, count, state); break;
        case 4: touch<TOUCH, uint32_t><<<grid, THREADS>>>(slab, count, state); break;
        case 2: touch<TOUCH, uint16_t><<<grid, THREADS>>>(slab, count, state); break;
        default: touch<TOUCH, uint8_t><<<grid, THREADS>>>(slab, count, state);
        }
    }
    if (TOUCH == Touch::READ) take<<<1, 1>>>(state, 0);
    check(cudaGetLastError());
}

}  // namespace

// All on the default stream, for which Legion waits at the end of the task.
GpuKernels::GpuKernels(uint64_t seed)
{
    check(cudaMallocAsync(reinterpret_cast<void **>(&state), STATES * sizeof(Word), nullptr));
    begin<<<1, 1>>>(state, seed);
}

GpuKernels::~GpuKernels() { check(cudaFreeAsync(state, nullptr)); }

void GpuKernels::read(const Slab &slab, Passes passes) { run<Action::READ>(slab, passes, state); }
void GpuKernels::update(const Slab &slab, Passes passes)
{
    run<Action::UPDATE>(slab, passes, state);
}
void GpuKernels::write(const Slab &slab, Passes passes) { run<Action::WRITE>(slab, passes, state); }
void GpuKernels::reduce(const Slab &slab, Passes passes)
{
    run<Action::REDUCE>(slab, passes, state);
}
void GpuKernels::gather(const Slab &slab, int64_t count)
{
    run_touch<Touch::READ>(slab, count, state);
}
void GpuKernels::scatter(const Slab &slab, int64_t count)
{
    run_touch<Touch::ADD>(slab, count, state);
}
void GpuKernels::scatter_shared(const Slab &slab, int64_t count)
{
    run_touch<Touch::ADD>(slab, count, state);
}

void GpuKernels::compute(Rate rate, double flops)
{
    constexpr int64_t IN_FLIGHT = 256 * 1024;  // threads
    const auto rounds = static_cast<int64_t>(flops / (8.0 * IN_FLIGHT));
    if (rounds == 0) return;
    if (rate == Rate::FP32)
        multiply_add<float><<<IN_FLIGHT / THREADS, THREADS>>>(rounds, state);
    else
        multiply_add<double><<<IN_FLIGHT / THREADS, THREADS>>>(rounds, state);
    check(cudaGetLastError());
}

uint64_t GpuKernels::result() const
{
    Word mix = 0;
    check(cudaMemcpy(&mix, state + MIX, sizeof mix, cudaMemcpyDeviceToHost));
    return mix;
}

}  // namespace replay
