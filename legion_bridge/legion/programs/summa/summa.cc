// SUMMA, a distributed matrix product C += A B of doubles; Legion, and nothing else. It has no
// mapper of its own.
//
//   summa [-n ROWS] [-p TILES] [-t TIMES] [Legion's own options]
//
// The matrices are cut into TILES x TILES tiles. In step k, point (i, j) of the launch `multiply`
// takes tile (i, k) of A and tile (k, j) of B, so that the tiles of a column of A, and of a row of
// B, are read by many points at once. It prints
//
//   ELAPSED <seconds> s
//   THROUGHPUT <billions of operations a second> GFLOP/s
//   VERIFIED, or what is wrong, with exit code 1
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "legion.h"
#include "summa.h"

using namespace Legion;
using namespace summa;

namespace {

enum Tasks : TaskID { TOP = 1, INIT, MULTIPLY, VERIFY };
enum Projections : ProjectionID { TILE_OF_A = 1, TILE_OF_B };
constexpr FieldID VALUE = 100;
constexpr ReductionOpID ADD_COUNTS = 1;

struct Settings {
    coord_t rows = 512, tiles = 2;
    int times = 1;
};

Settings settings;

template <PrivilegeMode MODE>
using Accessor = FieldAccessor<MODE, double, 2, coord_t, Realm::AffineAccessor<double, 2, coord_t>>;

// The tile that a point takes in a step, which is the argument.
template <bool OF_A> class TileOfStep : public ProjectionFunctor {
public:
    using ProjectionFunctor::project;
    LogicalRegion project(LogicalPartition tiles, const DomainPoint &point, const Domain &,
                          const void *step, size_t) override
    {
        const coord_t k = *static_cast<const coord_t *>(step);
        const Point<2> color = OF_A ? Point<2>(point[0], k) : Point<2>(k, point[1]);
        return runtime->get_logical_subregion_by_color(tiles, DomainPoint(color));
    }
    bool is_functional() const override { return true; }
    unsigned get_depth() const override { return 0; }
};

Rect<2> bounds_of(const Task *task, unsigned index, Context ctx, Runtime *runtime)
{
    return runtime->get_index_space_domain(ctx, task->regions[index].region.get_index_space());
}

// Values are small integers, whose products and sums are exact.
double value_of_a(coord_t row, coord_t column) { return static_cast<double>(row % 7 + column % 5); }
double value_of_b(coord_t row, coord_t column) { return static_cast<double>(row % 3 - column % 4); }

void init(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    const Rect<2> rect = bounds_of(task, 0, ctx, runtime);
    const Accessor<LEGION_WRITE_DISCARD> a(regions[0], VALUE), b(regions[1], VALUE);
    const Accessor<LEGION_WRITE_DISCARD> c(regions[2], VALUE);
    for (PointInRectIterator<2> p(rect); p(); p++) {
        a[*p] = value_of_a(p[0], p[1]);
        b[*p] = value_of_b(p[0], p[1]);
        c[*p] = 0;
    }
}

template <PrivilegeMode MODE> Tile tile_of(const PhysicalRegion &region, const Rect<2> &rect)
{
    const Accessor<MODE> accessor(region, VALUE);
    const auto at = [&](coord_t row, coord_t column) {
        return const_cast<double *>(
            accessor.ptr(Point<2>(rect.lo[0] + row, rect.lo[1] + column)));
    };
    Tile tile{at(0, 0), 0, 0, rect.hi[0] - rect.lo[0] + 1, rect.hi[1] - rect.lo[1] + 1};
    if (tile.rows > 1) tile.step_row = at(1, 0) - tile.base;
    if (tile.columns > 1) tile.step_column = at(0, 1) - tile.base;
    return tile;
}

template <bool GPU>
void multiply(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
              Runtime *runtime)
{
    const Tile c = tile_of<LEGION_READ_WRITE>(regions[0], bounds_of(task, 0, ctx, runtime));
    const Tile a = tile_of<LEGION_READ_ONLY>(regions[1], bounds_of(task, 1, ctx, runtime));
    const Tile b = tile_of<LEGION_READ_ONLY>(regions[2], bounds_of(task, 2, ctx, runtime));
#ifdef MAPPERTUNE_CUDA
    if (GPU) {
        multiply_add_on_gpu(a, b, c);
        return;
    }
#endif
    multiply_add(a, b, c);
}

// The sum over k of (i mod 7 + k mod 5) (k mod 3 - j mod 4), multiplied out.
long verify(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
            Runtime *runtime)
{
    const Rect<2> rect = bounds_of(task, 0, ctx, runtime);
    const Accessor<LEGION_READ_ONLY> c(regions[0], VALUE);
    double sum3 = 0, sum5 = 0, sum53 = 0;
    for (coord_t k = 0; k < settings.rows; k++) {
        sum3 += static_cast<double>(k % 3);
        sum5 += static_cast<double>(k % 5);
        sum53 += static_cast<double>(k % 5 * (k % 3));
    }
    long wrong = 0;
    for (PointInRectIterator<2> p(rect); p(); p++) {
        const auto i = static_cast<double>(p[0] % 7), j = static_cast<double>(p[1] % 4);
        const double once = i * sum3 - static_cast<double>(settings.rows) * i * j + sum53 - j * sum5;
        const double got = c[*p];
        wrong += got != once * settings.times;
    }
    return wrong;
}

class SumOfCounts {
public:
    using LHS = long;
    using RHS = long;
    static constexpr long identity = 0;
    template <bool EXCLUSIVE> static void apply(LHS &lhs, RHS rhs) { fold<EXCLUSIVE>(lhs, rhs); }
    template <bool EXCLUSIVE> static void fold(RHS &whole, RHS part)
    {
        if (EXCLUSIVE)
            whole += part;
        else
            __atomic_fetch_add(&whole, part, __ATOMIC_RELAXED);
    }
};
constexpr long SumOfCounts::identity;

struct Matrix {
    LogicalRegion region;
    LogicalPartition tiles;
};

Matrix make_matrix(Context ctx, Runtime *runtime, IndexSpaceT<2> colors, const std::string &name)
{
    const coord_t last = settings.rows - 1;
    const IndexSpaceT<2> space = runtime->create_index_space(ctx, Rect<2>({0, 0}, {last, last}));
    const FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), VALUE);
    runtime->attach_name(fields, VALUE, "value");
    std::map<Point<2>, DomainT<2>> rects;
    for (PointInRectIterator<2> p(Rect<2>({0, 0}, {settings.tiles - 1, settings.tiles - 1})); p();
         p++) {
        Rect<2> rect;
        for (int d = 0; d < 2; d++) {
            rect.lo[d] = p[d] * settings.rows / settings.tiles;
            rect.hi[d] = (p[d] + 1) * settings.rows / settings.tiles - 1;
        }
        rects[*p] = rect;
    }
    const IndexPartition tiles = runtime->create_partition_by_domain(
        ctx, space, rects, colors, false, LEGION_DISJOINT_COMPLETE_KIND);
    Matrix made;
    made.region = runtime->create_logical_region(ctx, space, fields);
    made.tiles = runtime->get_logical_partition(made.region, tiles);
    runtime->attach_name(made.region, name.c_str());
    runtime->attach_name(made.tiles, (name + "_tiles").c_str());
    return made;
}

void add_tiles(IndexTaskLauncher &launcher, const Matrix &matrix, PrivilegeMode privilege)
{
    RegionRequirement requirement(matrix.tiles, 0, privilege, LEGION_EXCLUSIVE, matrix.region);
    requirement.add_field(VALUE);
    launcher.add_region_requirement(requirement);
}

void add_tiles_of_step(IndexTaskLauncher &launcher, const Matrix &matrix, ProjectionID projection,
                       coord_t step)
{
    RegionRequirement requirement(matrix.tiles, projection, LEGION_READ_ONLY, LEGION_EXCLUSIVE,
                                  matrix.region);
    requirement.add_field(VALUE);
    requirement.set_projection_args(&step, sizeof step);
    launcher.add_region_requirement(requirement);
}

int exit_code = 0;

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const IndexSpaceT<2> colors =
        runtime->create_index_space(ctx, Rect<2>({0, 0}, {settings.tiles - 1, settings.tiles - 1}));
    const Matrix a = make_matrix(ctx, runtime, colors, "A");
    const Matrix b = make_matrix(ctx, runtime, colors, "B");
    const Matrix c = make_matrix(ctx, runtime, colors, "C");
    IndexTaskLauncher first(INIT, colors, UntypedBuffer(), ArgumentMap());
    for (const Matrix &matrix : {a, b, c})
        add_tiles(first, matrix, LEGION_WRITE_DISCARD);
    runtime->execute_index_space(ctx, first);
    runtime->issue_execution_fence(ctx).get_void_result();

    const double start = Realm::Clock::current_time();
    for (int n = 0; n < settings.times; n++)
        for (coord_t k = 0; k < settings.tiles; k++) {
            IndexTaskLauncher launcher(MULTIPLY, colors, UntypedBuffer(), ArgumentMap());
            add_tiles(launcher, c, LEGION_READ_WRITE);
            add_tiles_of_step(launcher, a, TILE_OF_A, k);
            add_tiles_of_step(launcher, b, TILE_OF_B, k);
            runtime->execute_index_space(ctx, launcher);
        }
    runtime->issue_execution_fence(ctx).get_void_result();
    const double elapsed = Realm::Clock::current_time() - start;

    IndexTaskLauncher last(VERIFY, colors, UntypedBuffer(), ArgumentMap());
    add_tiles(last, c, LEGION_READ_ONLY);
    const long wrong = runtime->execute_index_space(ctx, last, ADD_COUNTS).get_result<long>();

    const auto n = static_cast<double>(settings.rows);
    printf("ELAPSED %.6f s\n", elapsed);
    printf("THROUGHPUT %.6g GFLOP/s\n", 2e-9 * n * n * n * settings.times / elapsed);
    if (wrong == 0)
        printf("VERIFIED\n");
    else
        printf("WRONG at %ld elements\n", wrong);
    fflush(stdout);
    exit_code = wrong != 0;
}

void read_settings(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        const std::string option = argv[i];
        if (option == "-n") settings.rows = atoll(argv[++i]);
        else if (option == "-p") settings.tiles = atoll(argv[++i]);
        else if (option == "-t") settings.times = atoi(argv[++i]);
    }
    if (settings.tiles > 0 && settings.rows >= settings.tiles && settings.times > 0) return;
    fprintf(stderr, "summa: error: use summa [-n ROWS] [-p TILES] [-t TIMES], with at least a row "
                    "a tile\n");
    exit(2);
}

template <void (*TASK)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID id, const char *name, Processor::Kind kind, bool leaf = true)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(kind));
    registrar.set_leaf(leaf);
    Runtime::preregister_task_variant<TASK>(registrar, name);
}

}  // namespace

int main(int argc, char **argv)
{
    read_settings(argc, argv);
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top_level", Processor::LOC_PROC, false);
    add<init>(INIT, "init", Processor::LOC_PROC);
    add<multiply<false>>(MULTIPLY, "multiply", Processor::LOC_PROC);
#ifdef MAPPERTUNE_CUDA
    add<multiply<true>>(MULTIPLY, "multiply", Processor::TOC_PROC);
#endif
    {
        TaskVariantRegistrar registrar(VERIFY, "verify");
        registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
        registrar.set_leaf();
        Runtime::preregister_task_variant<long, verify>(registrar, "verify");
    }
    Runtime::register_reduction_op<SumOfCounts>(ADD_COUNTS);
    Runtime::preregister_projection_functor(TILE_OF_A, new TileOfStep<true>());
    Runtime::preregister_projection_functor(TILE_OF_B, new TileOfStep<false>());
    const int code = Runtime::start(argc, argv);
    return code ? code : exit_code;
}
