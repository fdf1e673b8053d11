// A 2-D stencil whose tasks do next to nothing, so that what its mapper costs can be seen.
//
// -i N iterations, -p N pieces in each dimension, -mapper hand for the mapper written by hand.
// Prints "STARTED <seconds on the monotonic clock>" and twice, for a warm-up and for the run itself,
// "POINTS <tasks> ELAPSED <seconds> CPU <seconds of all threads>".
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "legion.h"
#include "stencil_mapper.h"

using namespace Legion;

namespace {

enum Tasks { TOP = 1, STENCIL, INCREMENT };
enum Fields { IN = 101, OUT = 102 };

// The data are there, and are left alone.
void nothing(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)
{
}

double now()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Of all threads: what the machine does besides leaves it alone.
double processor_time()
{
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    printf("STARTED %.6f\n", now());
    const InputArgs &arguments = Runtime::get_input_args();
    int iterations = 100, pieces = 4;
    for (int i = 1; i + 1 < arguments.argc; i++) {
        if (!strcmp(arguments.argv[i], "-i")) iterations = atoi(arguments.argv[i + 1]);
        if (!strcmp(arguments.argv[i], "-p")) pieces = atoi(arguments.argv[i + 1]);
    }
    const int n = 8 * pieces;
    const Rect<2> whole(Point<2>(0, 0), Point<2>(n - 1, n - 1));
    const IndexSpaceT<2> space = runtime->create_index_space(ctx, whole);
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    allocator.allocate_field(sizeof(double), IN);
    allocator.allocate_field(sizeof(double), OUT);
    const LogicalRegion grid = runtime->create_logical_region(ctx, space, fields);
    const IndexSpaceT<2> colors = runtime->create_index_space(
        ctx, Rect<2>(Point<2>(0, 0), Point<2>(pieces - 1, pieces - 1)));
    Transform<2, 2> transform;
    transform[0][0] = transform[1][1] = 8;
    transform[0][1] = transform[1][0] = 0;
    const auto blocks = [&](int halo) {
        const Rect<2> extent(Point<2>(-halo, -halo), Point<2>(7 + halo, 7 + halo));
        return runtime->get_logical_partition(
            grid,
            runtime->create_partition_by_restriction(ctx, space, colors, transform, extent));
    };
    const LogicalPartition own = blocks(0), ghost = blocks(1);
    const double zero = 0;
    runtime->fill_field(ctx, grid, grid, IN, &zero, sizeof zero);
    runtime->fill_field(ctx, grid, grid, OUT, &zero, sizeof zero);

    IndexLauncher stencil(STENCIL, colors, UntypedBuffer(), ArgumentMap());
    stencil.add_region_requirement(
        RegionRequirement(own, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, grid).add_field(OUT));
    stencil.add_region_requirement(
        RegionRequirement(ghost, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid).add_field(IN));
    IndexLauncher increment(INCREMENT, colors, UntypedBuffer(), ArgumentMap());
    increment.add_region_requirement(
        RegionRequirement(own, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, grid).add_field(IN));

    const auto run = [&](int rounds) {
        runtime->issue_execution_fence(ctx).get_void_result();
        const double begin = now(), used = processor_time();
        for (int i = 0; i < rounds; i++) {
            runtime->execute_index_space(ctx, stencil);
            runtime->execute_index_space(ctx, increment);
        }
        runtime->issue_execution_fence(ctx).get_void_result();
        printf("POINTS %d ELAPSED %.6f CPU %.6f\n", 2 * rounds * pieces * pieces, now() - begin,
               processor_time() - used);
    };
    run(10);
    run(iterations);
}

template <void (*TASK)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID id, const char *name, bool leaf)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    Runtime::preregister_task_variant<TASK>(registrar, name);
}

void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor p : local)
        runtime->replace_default_mapper(
            new StencilMapper(runtime->get_mapper_runtime(), machine, p), p);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top", false);
    add<nothing>(STENCIL, "stencil", true);
    add<nothing>(INCREMENT, "increment", true);
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "-mapper") && !strcmp(argv[i + 1], "hand"))
            Runtime::add_registration_callback(install);
    return Runtime::start(argc, argv);
}
