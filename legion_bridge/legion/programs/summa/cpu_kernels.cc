// A blocked matrix product: blocks are packed, so that the inner loops run over neighbours whatever
// the layout is.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

#include "summa.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace summa {
namespace {

constexpr long ROWS = 6, COLUMNS = 8;     // of the products that stay in registers
constexpr long PANEL = 128, STRIP = 120;  // inner and outer extents of what stays in cache

// Copies a block, filled up with zeros to whole registers; `across` are those of one strip.
void pack(const double *from, long step_along, long along, long step_across, long across,
          long width, double *to)
{
    for (long start = 0; start < across; start += width)
        for (long k = 0; k < along; k++)
            for (long i = 0; i < width; i++)
                *to++ = start + i < across
                            ? from[(start + i) * step_across + k * step_along]
                            : 0.0;
}

// c = a b for packed strips of ROWS and COLUMNS, LANES doubles at a time.
template <long LANES>
inline __attribute__((always_inline)) void multiply_by(const double *a, const double *b, long depth,
                                                       double *c)
{
    typedef double Vector __attribute__((vector_size(LANES * sizeof(double))));
    constexpr long VECTORS = COLUMNS / LANES;
    Vector sum[ROWS][VECTORS] = {};
    for (long k = 0; k < depth; k++) {
        Vector row[VECTORS];
        memcpy(row, b + k * COLUMNS, sizeof row);
#pragma GCC unroll 6
        for (long i = 0; i < ROWS; i++)
#pragma GCC unroll 4
            for (long v = 0; v < VECTORS; v++)
                sum[i][v] += a[k * ROWS + i] * row[v];
    }
    memcpy(c, sum, sizeof sum);
}

using MultiplyStrips = void (*)(const double *a, const double *b, long depth, double *c);

void multiply_strips(const double *a, const double *b, long depth, double *c)
{
    multiply_by<2>(a, b, depth, c);
}

#if defined(__x86_64__) && defined(__GNUC__)
// A function for each width. The attribute target_clones would not do: GCC takes vectors apart for
// the oldest processor before it makes the clones.
__attribute__((target("avx2,fma"))) void multiply_strips_avx2(const double *a, const double *b,
                                                              long depth, double *c)
{
    multiply_by<4>(a, b, depth, c);
}

__attribute__((target("avx512f"))) void multiply_strips_avx512(const double *a, const double *b,
                                                               long depth, double *c)
{
    multiply_by<8>(a, b, depth, c);
}

MultiplyStrips fastest_strips()
{
    if (__builtin_cpu_supports("avx512f")) return multiply_strips_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return multiply_strips_avx2;
    return multiply_strips;
}
#else
MultiplyStrips fastest_strips() { return multiply_strips; }
#endif

void add(const double *sum, const Tile &c, long row, long column)
{
    const long rows = std::min(ROWS, c.rows - row), columns = std::min(COLUMNS, c.columns - column);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++)
            c.base[(row + i) * c.step_row + (column + j) * c.step_column] += sum[i * COLUMNS + j];
}

long rounded(long extent, long width) { return (extent + width - 1) / width * width; }

}  // namespace

void multiply_add(Tile a, Tile b, Tile c)
{
    std::vector<double> packed_a(static_cast<size_t>(rounded(STRIP, ROWS) * PANEL));
    std::vector<double> packed_b(static_cast<size_t>(rounded(c.columns, COLUMNS) * PANEL));
    double sum[ROWS * COLUMNS];
    static const MultiplyStrips multiply_strips_here = fastest_strips();
    for (long k = 0; k < a.columns; k += PANEL) {
        const long depth = std::min(PANEL, a.columns - k);
        pack(b.base + k * b.step_row, b.step_row, depth, b.step_column, c.columns, COLUMNS,
             packed_b.data());
        for (long i = 0; i < c.rows; i += STRIP) {
            const long rows = std::min(STRIP, c.rows - i);
            pack(a.base + i * a.step_row + k * a.step_column, a.step_column, depth, a.step_row,
                 rows, ROWS, packed_a.data());
            for (long column = 0; column < c.columns; column += COLUMNS)
                for (long row = 0; row < rows; row += ROWS) {
                    multiply_strips_here(packed_a.data() + row * depth,
                                         packed_b.data() + column * depth, depth, sum);
                    add(sum, c, i + row, column);
                }
        }
    }
}

}  // namespace summa
