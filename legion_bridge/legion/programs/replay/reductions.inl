// Compiled by nvcc where there is one, so that copies on a GPU can reduce, too; else by C++.
#include "reductions.h"

#include "slab.h"

namespace replay {
namespace {

template <typename T> struct Sum {
    using LHS = T;
    using RHS = T;
    static constexpr T identity = 0;

    template <bool EXCLUSIVE> ON_ANY static void apply(LHS &lhs, RHS rhs)
    {
        fold<EXCLUSIVE>(lhs, rhs);
    }

    template <bool EXCLUSIVE> ON_ANY static void fold(RHS &whole, RHS part)
    {
        if (EXCLUSIVE) {
            whole = static_cast<T>(whole + part);
            return;
        }
#ifdef __CUDA_ARCH__
        add_on_gpu(whole, part);
#else
        __atomic_fetch_add(&whole, part, __ATOMIC_RELAXED);
#endif
    }

#ifdef __CUDACC__
    // GPUs add words of 4 and 8 bytes; of smaller ones nothing but a comparison of 4 will do.
    __device__ static void add_on_gpu(T &whole, T part)
    {
        if constexpr (sizeof(T) == 8) {
            atomicAdd(reinterpret_cast<unsigned long long *>(&whole),
                      static_cast<unsigned long long>(part));
        } else if constexpr (sizeof(T) == 4) {
            atomicAdd(reinterpret_cast<unsigned *>(&whole), static_cast<unsigned>(part));
        } else {
            const auto at = reinterpret_cast<uintptr_t>(&whole);
            auto *word = reinterpret_cast<unsigned *>(at & ~uintptr_t(3));
            const unsigned shift = 8 * (at & 3);
            const unsigned mask = (sizeof(T) == 1 ? 0xFFu : 0xFFFFu) << shift;
            unsigned old = *word, seen;
            do {
                seen = old;
                const unsigned sum = (((seen & mask) >> shift) + part) << shift;
                old = atomicCAS(word, seen, (seen & ~mask) | (sum & mask));
            } while (old != seen);
        }
    }
#endif
};

template <typename T> constexpr T Sum<T>::identity;

}  // namespace

void register_reductions()
{
    Legion::Runtime::register_reduction_op<Sum<uint8_t>>(1);
    Legion::Runtime::register_reduction_op<Sum<uint16_t>>(2);
    Legion::Runtime::register_reduction_op<Sum<uint32_t>>(4);
    Legion::Runtime::register_reduction_op<Sum<uint64_t>>(SUM_OF_RESULTS);
}

}  // namespace replay
