// Loops over data gain from vectors; the flags of other files are no concern of theirs.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#include "cpu_kernels.h"

#include <algorithm>
#include <cstring>

// Compiled several times over; the best for the processor is chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace replay {
namespace {

// Layouts that hold fields together need not keep them aligned.
template <typename T> inline T load(const char *at)
{
    T value;
    memcpy(&value, at, sizeof value);
    return value;
}

template <typename T> inline void store(char *at, T value) { memcpy(at, &value, sizeof value); }

template <typename T> inline void add_atomically(char *at, T value)
{
    __atomic_fetch_add(reinterpret_cast<T *>(at), value, __ATOMIC_RELAXED);
}

// Rows of neighbouring points. Where `stride` is the size of a word it is told to the compiler,
// which then makes vectors of them.
template <typename T>
inline __attribute__((always_inline)) uint64_t read_row(const char *at, int64_t stride, int64_t n,
                                                        int64_t place, int64_t step)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += load<T>(at + i * stride) ^ static_cast<T>(place + i * step);
    return sum;
}

template <typename T>
inline __attribute__((always_inline)) uint64_t
update_row(char *at, int64_t stride, int64_t n, int64_t place, int64_t step, uint64_t mix)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const T old = load<T>(at + i * stride), number = static_cast<T>(place + i * step);
        sum += old ^ number;
        store<T>(at + i * stride, static_cast<T>(old * 5 + static_cast<T>(mix) + number));
    }
    return sum;
}

template <typename T>
inline __attribute__((always_inline)) void
write_row(char *at, int64_t stride, int64_t n, int64_t place, int64_t step, uint64_t mix)
{
    for (int64_t i = 0; i < n; i++)
        store<T>(at + i * stride, static_cast<T>(mix + static_cast<uint64_t>(place + i * step)));
}

template <typename T>
inline __attribute__((always_inline)) void
reduce_row(char *at, int64_t stride, int64_t n, int64_t place, int64_t step, uint64_t mix)
{
    for (int64_t i = 0; i < n; i++)
        add_atomically<T>(at + i * stride,
                          static_cast<T>(mix + static_cast<uint64_t>(place + i * step)));
}

enum class Action { READ, UPDATE, WRITE, REDUCE };

template <Action ACTION, typename T>
inline __attribute__((always_inline)) uint64_t row(char *at, int64_t stride, int64_t n,
                                                   int64_t place, int64_t step, uint64_t mix)
{
    if (ACTION == Action::READ) return read_row<T>(at, stride, n, place, step);
    if (ACTION == Action::UPDATE) return update_row<T>(at, stride, n, place, step, mix);
    if (ACTION == Action::WRITE)
        write_row<T>(at, stride, n, place, step, mix);
    else
        reduce_row<T>(at, stride, n, place, step, mix);
    return 0;
}

template <Action ACTION, typename T>
inline __attribute__((always_inline)) uint64_t sweep(const Slab &slab, int64_t rows, uint64_t mix)
{
    int64_t extent[3] = {slab.extent[0], slab.extent[1], slab.extent[2]};
    const int outmost = extent[2] > 1 ? 2 : extent[1] > 1 ? 1 : 0;
    extent[outmost] = std::min(extent[outmost], rows);
    const bool dense = slab.stride[0] == static_cast<int64_t>(sizeof(T)) && slab.words == 1;
    uint64_t sum = 0;
    for (int64_t k = 0; k < extent[2]; k++)
        for (int64_t j = 0; j < extent[1]; j++)
            for (int w = 0; w < slab.words; w++) {
                char *at = slab.base + k * slab.stride[2] + j * slab.stride[1] + w * sizeof(T);
                const int64_t place = k * slab.place[2] + j * slab.place[1] + w;
                if (dense && slab.place[0] == 1)
                    sum += row<ACTION, T>(at, sizeof(T), extent[0], place, 1, mix);
                else if (dense)
                    sum += row<ACTION, T>(at, sizeof(T), extent[0], place, slab.place[0], mix);
                else
                    sum += row<ACTION, T>(at, slab.stride[0], extent[0], place, slab.place[0], mix);
            }
    return sum;
}

template <Action ACTION>
inline __attribute__((always_inline)) uint64_t sweep_words(const Slab &slab, int64_t rows,
                                                           uint64_t mix)
{
    switch (slab.word) {
    case 8: return sweep<ACTION, uint64_t>(slab, rows, mix);
    case 4: return sweep<ACTION, uint32_t>(slab, rows, mix);
    case 2: return sweep<ACTION, uint16_t>(slab, rows, mix);
    default: return sweep<ACTION, uint8_t>(slab, rows, mix);
    }
}

FOR_EACH_PROCESSOR uint64_t read_all(const Slab &slab, int64_t rows)
{
    return sweep_words<Action::READ>(slab, rows, 0);
}

FOR_EACH_PROCESSOR uint64_t update_all(const Slab &slab, int64_t rows, uint64_t mix)
{
    return sweep_words<Action::UPDATE>(slab, rows, mix);
}

FOR_EACH_PROCESSOR void write_all(const Slab &slab, int64_t rows, uint64_t mix)
{
    sweep_words<Action::WRITE>(slab, rows, mix);
}

void reduce_all(const Slab &slab, int64_t rows, uint64_t mix)
{
    sweep_words<Action::REDUCE>(slab, rows, mix);
}

enum class Touch { READ, ADD, ADD_ATOMICALLY };

template <typename T> uint64_t touch(const Slab &slab, int64_t count, Touch how)
{
    const auto volume = static_cast<uint64_t>(slab.volume());
    if (volume == 0) return 0;
    Scatter scatter{slab.seed};
    const bool line = slab.extent[1] == 1 && slab.extent[2] == 1;
    uint64_t sum = 0;
    for (int64_t n = 0; n < count; n++) {
        const uint64_t number = scatter.next(volume);
        int64_t offset = static_cast<int64_t>(number) * slab.stride[0];
        if (!line) {
            // Numbers follow the places of points, not the traversal, so that any agrees.
            offset = 0;
            for (int d = 0; d < 3; d++)
                offset += static_cast<int64_t>(number) / slab.place[d] % slab.extent[d] *
                          slab.stride[d];
        }
        char *at = slab.base + offset;
        switch (how) {
        case Touch::READ: sum += load<T>(at) ^ static_cast<T>(number); break;
        case Touch::ADD: store<T>(at, static_cast<T>(load<T>(at) + number)); break;
        case Touch::ADD_ATOMICALLY: add_atomically<T>(at, static_cast<T>(number)); break;
        }
    }
    return sum;
}

uint64_t touch_words(const Slab &slab, int64_t count, Touch how)
{
    switch (slab.word) {
    case 8: return touch<uint64_t>(slab, count, how);
    case 4: return touch<uint32_t>(slab, count, how);
    case 2: return touch<uint16_t>(slab, count, how);
    default: return touch<uint8_t>(slab, count, how);
    }
}

volatile double sink;

// Independent chains of multiply-adds: as many as fill a core's pipelines in vectors.
template <typename T, int CHAINS>
inline __attribute__((always_inline)) void multiply_add(double flops)
{
    T chain[CHAINS];
    for (int c = 0; c < CHAINS; c++)
        chain[c] = static_cast<T>(c);
    const auto rounds = static_cast<int64_t>(flops / (2 * CHAINS));
    for (int64_t n = 0; n < rounds; n++)
        for (int c = 0; c < CHAINS; c++)
            chain[c] = chain[c] * static_cast<T>(0.999) + static_cast<T>(0.5);
    double sum = 0;
    for (int c = 0; c < CHAINS; c++)
        sum += static_cast<double>(chain[c]);
    sink = sum;
}

FOR_EACH_PROCESSOR void compute_fp32(double flops) { multiply_add<float, 32>(flops); }
FOR_EACH_PROCESSOR void compute_fp64(double flops) { multiply_add<double, 16>(flops); }
FOR_EACH_PROCESSOR void compute_dgemm(double flops) { multiply_add<double, 48>(flops); }

}  // namespace

void CpuKernels::read(const Slab &slab, Passes passes)
{
    for (int64_t t = 0; t < passes.times; t++)
        take(read_all(slab, passes.rows) + slab.seed);
}

void CpuKernels::update(const Slab &slab, Passes passes)
{
    for (int64_t t = 0; t < passes.times; t++)
        take(update_all(slab, passes.rows, mix + slab.seed));
}

void CpuKernels::write(const Slab &slab, Passes passes)
{
    for (int64_t t = 0; t < passes.times; t++)
        write_all(slab, passes.rows, mix + slab.seed);
}

void CpuKernels::reduce(const Slab &slab, Passes passes)
{
    for (int64_t t = 0; t < passes.times; t++)
        reduce_all(slab, passes.rows, mix + slab.seed);
}

void CpuKernels::gather(const Slab &slab, int64_t count)
{
    take(touch_words(slab, count, Touch::READ));
}

void CpuKernels::scatter(const Slab &slab, int64_t count)
{
    touch_words(slab, count, Touch::ADD);
}

void CpuKernels::scatter_shared(const Slab &slab, int64_t count)
{
    touch_words(slab, count, Touch::ADD_ATOMICALLY);
}

void CpuKernels::compute(Rate rate, double flops)
{
    switch (rate) {
    case Rate::FP32: return compute_fp32(flops);
    case Rate::FP64: return compute_fp64(flops);
    case Rate::DGEMM: return compute_dgemm(flops);
    }
}

}  // namespace replay
