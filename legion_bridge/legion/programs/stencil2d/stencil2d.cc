// A star stencil of radius 2 over a square grid, on several pairs of fields; Legion, and nothing
// else. It has no mapper of its own.
//
//   stencil2d [-n POINTS] [-t STEPS] [-p PIECESxPIECES] [-f FIELDS] [Legion's own options]
//
// In each step `stencil` adds the weighted neighbours of each inner point of an input field to its
// output field, and `increment` adds one to the inputs: after t steps the output of a point is
// known, and is verified. Rows and columns of the neighbours come through a partition whose pieces
// overlap. It prints
//
//   ELAPSED <seconds> s
//   THROUGHPUT <points a second> points/s
//   VERIFIED, or what is wrong, with exit code 1
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "legion.h"
#include "stencil2d.h"

using namespace Legion;
using namespace stencil2d;

namespace {

enum Tasks : TaskID { TOP = 1, INIT, STENCIL, INCREMENT, VERIFY };
constexpr FieldID FIRST_INPUT = 100, FIRST_OUTPUT = 200;

struct Settings {
    coord_t points = 1024;
    int steps = 10, fields = 2;
    coord_t pieces_x = 2, pieces_y = 2;
};

Settings settings;

template <PrivilegeMode MODE>
using Accessor = FieldAccessor<MODE, double, 2, coord_t, Realm::AffineAccessor<double, 2, coord_t>>;

Rect<2> bounds_of(const Task *task, unsigned index, Context ctx, Runtime *runtime)
{
    return runtime->get_index_space_domain(ctx, task->regions[index].region.get_index_space());
}

template <PrivilegeMode MODE>
Grid grid_of(const PhysicalRegion &region, FieldID field, const Rect<2> &whole)
{
    const Accessor<MODE> accessor(region, field);
    const auto at = [&](coord_t x, coord_t y) {
        return const_cast<double *>(accessor.ptr(Point<2>(whole.lo[0] + x, whole.lo[1] + y)));
    };
    Grid grid{at(0, 0), 0, 0};
    if (whole.hi[0] > whole.lo[0]) grid.step_x = at(1, 0) - grid.base;
    if (whole.hi[1] > whole.lo[1]) grid.step_y = at(0, 1) - grid.base;
    return grid;
}

double initial(int field, coord_t x, coord_t y) { return static_cast<double>(x + 2 * y + field); }

void init(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    const Rect<2> rect = bounds_of(task, 0, ctx, runtime);
    for (int f = 0; f < settings.fields; f++) {
        const Accessor<LEGION_WRITE_DISCARD> in(regions[0], FIRST_INPUT + f);
        const Accessor<LEGION_WRITE_DISCARD> out(regions[0], FIRST_OUTPUT + f);
        for (PointInRectIterator<2> p(rect); p(); p++) {
            in[*p] = initial(f, p[0], p[1]);
            out[*p] = 0;
        }
    }
}

// Requirements: the output of the piece, the input of the piece with what lies around it.
template <bool GPU>
void stencil(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
             Runtime *runtime)
{
    const Rect<2> own = bounds_of(task, 0, ctx, runtime), halo = bounds_of(task, 1, ctx, runtime);
    // Points at the border of the grid, whose neighbours are not all there, stay as they are.
    Rect<2> inner(Point<2>(halo.lo[0] + RADIUS, halo.lo[1] + RADIUS),
                  Point<2>(halo.hi[0] - RADIUS, halo.hi[1] - RADIUS));
    inner = inner.intersection(own);
    if (inner.empty()) return;
    for (int f = 0; f < settings.fields; f++) {
        Grid in = grid_of<LEGION_READ_ONLY>(regions[1], FIRST_INPUT + f, halo);
        Grid out = grid_of<LEGION_READ_WRITE>(regions[0], FIRST_OUTPUT + f, own);
        in.base += (inner.lo[0] - halo.lo[0]) * in.step_x + (inner.lo[1] - halo.lo[1]) * in.step_y;
        out.base += (inner.lo[0] - own.lo[0]) * out.step_x + (inner.lo[1] - own.lo[1]) * out.step_y;
        const long nx = inner.hi[0] - inner.lo[0] + 1, ny = inner.hi[1] - inner.lo[1] + 1;
#ifdef MAPPERTUNE_CUDA
        if (GPU) {
            apply_star_on_gpu(in, out, nx, ny);
            continue;
        }
#endif
        apply_star(in, out, nx, ny);
    }
}

template <bool GPU>
void increment(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
               Runtime *runtime)
{
    const Rect<2> own = bounds_of(task, 0, ctx, runtime);
    const long nx = own.hi[0] - own.lo[0] + 1, ny = own.hi[1] - own.lo[1] + 1;
    for (int f = 0; f < settings.fields; f++) {
        const Grid in = grid_of<LEGION_READ_WRITE>(regions[0], FIRST_INPUT + f, own);
#ifdef MAPPERTUNE_CUDA
        if (GPU) {
            add_one_on_gpu(in, nx, ny);
            continue;
        }
#endif
        add_one(in, nx, ny);
    }
}

// The star's weights are antisymmetric: on the plane x + 2 y + c it gives 3 wherever c stands, so
// that each step adds 3.
long verify(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
            Runtime *runtime)
{
    const Rect<2> rect = bounds_of(task, 0, ctx, runtime);
    const coord_t last = settings.points - 1;
    long wrong = 0;
    for (int f = 0; f < settings.fields; f++) {
        const Accessor<LEGION_READ_ONLY> in(regions[0], FIRST_INPUT + f);
        const Accessor<LEGION_READ_ONLY> out(regions[0], FIRST_OUTPUT + f);
        for (PointInRectIterator<2> p(rect); p(); p++) {
            const bool border = p[0] < RADIUS || p[1] < RADIUS || p[0] > last - RADIUS ||
                                p[1] > last - RADIUS;
            const double wanted = border ? 0 : 3.0 * settings.steps;
            const double got_in = in[*p], got_out = out[*p];
            wrong += !(std::abs(got_out - wanted) <= 1e-8 * (1 + wanted)) ||
                     got_in != initial(f, p[0], p[1]) + settings.steps;
        }
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
constexpr ReductionOpID ADD_COUNTS = 1;

void add_fields(IndexTaskLauncher &launcher, unsigned index, bool inputs, bool outputs)
{
    for (int f = 0; f < settings.fields; f++) {
        if (inputs) launcher.add_field(index, FIRST_INPUT + f);
        if (outputs) launcher.add_field(index, FIRST_OUTPUT + f);
    }
}

struct Data {
    IndexSpaceT<2> colors;
    LogicalRegion grid;
    LogicalPartition tiles, halos;
};

LogicalPartition divide(Context ctx, Runtime *runtime, const Data &data, IndexSpaceT<2> space,
                        coord_t around, const char *name)
{
    const coord_t pieces[2] = {settings.pieces_x, settings.pieces_y};
    std::map<Point<2>, DomainT<2>> rects;
    for (PointInRectIterator<2> p(Rect<2>({0, 0}, {pieces[0] - 1, pieces[1] - 1})); p(); p++) {
        Rect<2> rect;
        for (int d = 0; d < 2; d++) {
            rect.lo[d] = std::max<coord_t>(p[d] * settings.points / pieces[d] - around, 0);
            rect.hi[d] = std::min((p[d] + 1) * settings.points / pieces[d] - 1 + around,
                                  settings.points - 1);
        }
        rects[*p] = rect;
    }
    const IndexPartition pieces_of_space = runtime->create_partition_by_domain(
        ctx, space, rects, data.colors, false,
        around ? LEGION_ALIASED_COMPLETE_KIND : LEGION_DISJOINT_COMPLETE_KIND);
    const LogicalPartition made = runtime->get_logical_partition(data.grid, pieces_of_space);
    runtime->attach_name(made, name);
    return made;
}

Data make_data(Context ctx, Runtime *runtime)
{
    Data data;
    const coord_t last = settings.points - 1;
    const IndexSpaceT<2> space = runtime->create_index_space(ctx, Rect<2>({0, 0}, {last, last}));
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    for (int f = 0; f < settings.fields; f++) {
        allocator.allocate_field(sizeof(double), FIRST_INPUT + f);
        allocator.allocate_field(sizeof(double), FIRST_OUTPUT + f);
        const std::string number = std::to_string(f);
        runtime->attach_name(fields, FIRST_INPUT + f, ("input" + number).c_str());
        runtime->attach_name(fields, FIRST_OUTPUT + f, ("output" + number).c_str());
    }
    data.grid = runtime->create_logical_region(ctx, space, fields);
    runtime->attach_name(data.grid, "grid");
    data.colors = runtime->create_index_space(
        ctx, Rect<2>({0, 0}, {settings.pieces_x - 1, settings.pieces_y - 1}));
    data.tiles = divide(ctx, runtime, data, space, 0, "tiles");
    data.halos = divide(ctx, runtime, data, space, RADIUS, "halos");
    return data;
}

void step(Context ctx, Runtime *runtime, const Data &data)
{
    IndexTaskLauncher star(STENCIL, data.colors, UntypedBuffer(), ArgumentMap());
    star.add_region_requirement(
        RegionRequirement(data.tiles, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, data.grid));
    add_fields(star, 0, false, true);
    star.add_region_requirement(
        RegionRequirement(data.halos, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, data.grid));
    add_fields(star, 1, true, false);
    runtime->execute_index_space(ctx, star);

    IndexTaskLauncher more(INCREMENT, data.colors, UntypedBuffer(), ArgumentMap());
    more.add_region_requirement(
        RegionRequirement(data.tiles, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, data.grid));
    add_fields(more, 0, true, false);
    runtime->execute_index_space(ctx, more);
}

int exit_code = 0;

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const Data data = make_data(ctx, runtime);
    IndexTaskLauncher first(INIT, data.colors, UntypedBuffer(), ArgumentMap());
    first.add_region_requirement(
        RegionRequirement(data.tiles, 0, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, data.grid));
    add_fields(first, 0, true, true);
    runtime->execute_index_space(ctx, first);
    runtime->issue_execution_fence(ctx).get_void_result();

    const double start = Realm::Clock::current_time();
    for (int n = 0; n < settings.steps; n++)
        step(ctx, runtime, data);
    runtime->issue_execution_fence(ctx).get_void_result();
    const double elapsed = Realm::Clock::current_time() - start;

    IndexTaskLauncher last(VERIFY, data.colors, UntypedBuffer(), ArgumentMap());
    last.add_region_requirement(
        RegionRequirement(data.tiles, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, data.grid));
    add_fields(last, 0, true, true);
    const long wrong = runtime->execute_index_space(ctx, last, ADD_COUNTS).get_result<long>();

    printf("ELAPSED %.6f s\n", elapsed);
    printf("THROUGHPUT %.6g points/s\n", static_cast<double>(settings.points) * settings.points *
                                             settings.steps / elapsed);
    if (wrong == 0)
        printf("VERIFIED\n");
    else
        printf("WRONG at %ld points\n", wrong);
    fflush(stdout);
    exit_code = wrong != 0;
}

void read_settings(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        const std::string option = argv[i];
        if (option == "-n") settings.points = atoll(argv[++i]);
        else if (option == "-t") settings.steps = atoi(argv[++i]);
        else if (option == "-f") settings.fields = atoi(argv[++i]);
        else if (option == "-p") {
            long long x = 0, y = 0;
            if (sscanf(argv[++i], "%lldx%lld", &x, &y) != 2) x = 0;
            settings.pieces_x = x;
            settings.pieces_y = y;
        }
    }
    const bool good = settings.steps > 0 && settings.fields > 0 && settings.fields <= 100 &&
                      settings.pieces_x > 0 && settings.pieces_y > 0 &&
                      settings.points >= 2 * RADIUS + 1 && settings.points >= settings.pieces_x &&
                      settings.points >= settings.pieces_y;
    if (good) return;
    fprintf(stderr, "stencil2d: error: use stencil2d [-n POINTS] [-t STEPS] [-p 2x2] [-f FIELDS], "
                    "with at least a point a piece, and %d points\n", 2 * RADIUS + 1);
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
    add<stencil<false>>(STENCIL, "stencil", Processor::LOC_PROC);
    add<increment<false>>(INCREMENT, "increment", Processor::LOC_PROC);
#ifdef MAPPERTUNE_CUDA
    add<stencil<true>>(STENCIL, "stencil", Processor::TOC_PROC);
    add<increment<true>>(INCREMENT, "increment", Processor::TOC_PROC);
#endif
    {
        TaskVariantRegistrar registrar(VERIFY, "verify");
        registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
        registrar.set_leaf();
        Runtime::preregister_task_variant<long, verify>(registrar, "verify");
    }
    Runtime::register_reduction_op<SumOfCounts>(ADD_COUNTS);
    const int code = Runtime::start(argc, argv);
    return code ? code : exit_code;
}
