// A field of a piece, wherever an instance has put it: the layout is in the strides alone.
#ifndef MAPPERTUNE_REPLAY_SLAB_H
#define MAPPERTUNE_REPLAY_SLAB_H

#include <cstdint>

#ifdef __CUDACC__
#define ON_ANY __host__ __device__
#else
#define ON_ANY
#endif

namespace replay {

struct Slab {
    char *base;             // of the piece's first point
    int64_t stride[3];      // bytes from point to point, in the order of traversal: inmost first
    int64_t extent[3];      // points, in that order
    int64_t place[3];       // what a step adds to the point's number, which no layout changes
    int word, words;        // a field is so many words of 1, 2, 4 or 8 bytes
    uint64_t seed;          // of the field

    int64_t volume() const { return extent[0] * extent[1] * extent[2]; }
};

// A fraction of a piece, or several passes over it.
struct Passes {
    int64_t rows;  // of the outmost dimension that has several
    int64_t times;
};

// Numbers for scattered accesses: points in an order without order, the same in every run.
struct Scatter {
    static constexpr uint64_t FACTOR = 6364136223846793005ull, SHIFT = 1442695040888963407ull;

    uint64_t state;

    // As `next` that often; in the logarithm of it, as powers of a matrix are taken.
    ON_ANY void skip(uint64_t count)
    {
        uint64_t factor = FACTOR, shift = SHIFT;
        for (; count > 0; count /= 2) {
            if (count % 2) state = state * factor + shift;
            shift *= factor + 1;
            factor *= factor;
        }
    }

    ON_ANY uint64_t next(uint64_t volume)
    {
        state = state * FACTOR + SHIFT;
#ifdef __CUDA_ARCH__
        return __umul64hi(state, volume);
#else
        return static_cast<uint64_t>((static_cast<unsigned __int128>(state) * volume) >> 64);
#endif
    }
};

}  // namespace replay

#endif
