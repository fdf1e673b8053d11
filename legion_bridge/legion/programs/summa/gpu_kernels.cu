#include "summa.h"

namespace summa {
namespace {

constexpr int EDGE = 16;

// Each block of threads makes EDGE x EDGE elements of c, from tiles of a and b in shared memory.
__global__ void multiply(Tile a, Tile b, Tile c)
{
    __shared__ double part_a[EDGE][EDGE], part_b[EDGE][EDGE + 1];
    const long row = blockIdx.y * static_cast<long>(EDGE) + threadIdx.y;
    const long column = blockIdx.x * static_cast<long>(EDGE) + threadIdx.x;
    double sum = 0;
    for (long k = 0; k < a.columns; k += EDGE) {
        const long at_a = k + threadIdx.x, at_b = k + threadIdx.y;
        part_a[threadIdx.y][threadIdx.x] =
            row < a.rows && at_a < a.columns ? a.base[row * a.step_row + at_a * a.step_column] : 0;
        part_b[threadIdx.y][threadIdx.x] =
            at_b < b.rows && column < b.columns ? b.base[at_b * b.step_row + column * b.step_column]
                                                : 0;
        __syncthreads();
        for (int n = 0; n < EDGE; n++)
            sum += part_a[threadIdx.y][n] * part_b[n][threadIdx.x];
        __syncthreads();
    }
    if (row < c.rows && column < c.columns)
        c.base[row * c.step_row + column * c.step_column] += sum;
}

unsigned blocks(long extent) { return static_cast<unsigned>((extent + EDGE - 1) / EDGE); }

}  // namespace

// On the default stream, for which Legion waits at the end of the task.
void multiply_add_on_gpu(Tile a, Tile b, Tile c)
{
    multiply<<<dim3(blocks(c.columns), blocks(c.rows)), dim3(EDGE, EDGE)>>>(a, b, c);
}

}  // namespace summa
