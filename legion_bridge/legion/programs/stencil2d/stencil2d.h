// What the tasks compute, apart from Legion: grids of doubles with strides.
#ifndef MAPPERTUNE_STENCIL2D_H
#define MAPPERTUNE_STENCIL2D_H

namespace stencil2d {

constexpr int RADIUS = 2;

// Steps are in doubles, and as the instance has them: neither need be 1.
struct Grid {
    double *base;
    long step_x, step_y;
};

// The weight of the neighbours at a distance, on the positive side; negative on the other.
#ifdef __CUDACC__
__host__ __device__
#endif
inline constexpr double weight(int distance) { return 1.0 / (2.0 * distance * RADIUS); }

void apply_star(Grid in, Grid out, long nx, long ny);
void add_one(Grid grid, long nx, long ny);
#ifdef MAPPERTUNE_CUDA
void apply_star_on_gpu(Grid in, Grid out, long nx, long ny);
void add_one_on_gpu(Grid grid, long nx, long ny);
#endif

}  // namespace stencil2d

#endif
