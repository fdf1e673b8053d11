// Loops over data gain from vectors; the flags of other files are no concern of theirs.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#include "stencil2d.h"

namespace stencil2d {
namespace {

// `step` is 1 where the points of a row lie side by side, which the compiler is then told.
inline __attribute__((always_inline)) void star_row(const double *in, double *out, long n,
                                                    long step_in, long step_out, long row)
{
    for (long x = 0; x < n; x++) {
        const double *at = in + x * step_in;
        double sum = 0;
        for (int r = 1; r <= RADIUS; r++)
            sum += weight(r) * (at[r * step_in] - at[-r * step_in] + at[r * row] - at[-r * row]);
        out[x * step_out] += sum;
    }
}

inline __attribute__((always_inline)) void add_row(double *row, long n, long step)
{
    for (long x = 0; x < n; x++)
        row[x * step] += 1;
}

}  // namespace

void apply_star(Grid in, Grid out, long nx, long ny)
{
    for (long y = 0; y < ny; y++) {
        const double *from = in.base + y * in.step_y;
        double *to = out.base + y * out.step_y;
        if (in.step_x == 1 && out.step_x == 1)
            star_row(from, to, nx, 1, 1, in.step_y);
        else
            star_row(from, to, nx, in.step_x, out.step_x, in.step_y);
    }
}

void add_one(Grid grid, long nx, long ny)
{
    for (long y = 0; y < ny; y++) {
        double *row = grid.base + y * grid.step_y;
        if (grid.step_x == 1)
            add_row(row, nx, 1);
        else
            add_row(row, nx, grid.step_x);
    }
}

}  // namespace stencil2d
