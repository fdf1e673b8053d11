// What the tasks compute, apart from Legion: tiles of doubles with strides.
#ifndef MAPPERTUNE_SUMMA_H
#define MAPPERTUNE_SUMMA_H

namespace summa {

// Steps are in doubles, and as the instance has them: neither need be 1.
struct Tile {
    double *base;
    long step_row, step_column;
    long rows, columns;
};

// c += a b
void multiply_add(Tile a, Tile b, Tile c);
#ifdef MAPPERTUNE_CUDA
void multiply_add_on_gpu(Tile a, Tile b, Tile c);
#endif

}  // namespace summa

#endif
