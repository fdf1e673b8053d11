// Pieces with holes, which two tasks write and read in turn: their data is copied wherever the
// tasks' instances differ.
//
//   -points <n>  of the line; each piece has about a third as many runs, of one point and of two
//   -plane       three lines, so that the runs are rectangles
//
//   SUM <of all values, as each piece reads them>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "legion.h"

using namespace Legion;

namespace {

enum { TOP = 1, WRITE, READ, WRITE_PLANE, READ_PLANE };
constexpr FieldID LEFT = 101, RIGHT = 102;
constexpr coord_t PIECES = 2, STEPS = 4;

template <int N>
DomainT<N> points_of(const Task *task, Context ctx, Runtime *runtime)
{
    return runtime->get_index_space_domain(
        ctx, IndexSpaceT<N>(task->regions[0].region.get_index_space()));
}

template <int N>
void write(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
           Runtime *runtime)
{
    const FieldAccessor<LEGION_READ_WRITE, double, N> left(regions[0], LEFT);
    const FieldAccessor<LEGION_READ_WRITE, double, N> right(regions[0], RIGHT);
    for (PointInDomainIterator<N> it(points_of<N>(task, ctx, runtime)); it(); it++) {
        left[*it] = left[*it] + static_cast<double>((*it)[0] % 7);
        right[*it] = right[*it] + static_cast<double>((*it)[0] % 5);
    }
}

template <int N>
double read(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
            Runtime *runtime)
{
    const FieldAccessor<LEGION_READ_ONLY, double, N> left(regions[0], LEFT);
    const FieldAccessor<LEGION_READ_ONLY, double, N> right(regions[0], RIGHT);
    double sum = 0;
    for (PointInDomainIterator<N> it(points_of<N>(task, ctx, runtime)); it(); it++)
        sum += left[*it] * static_cast<double>((*it)[0] % 3 + 1) + 2 * right[*it];
    return sum;
}

// All lines between two points of the first.
template <int N>
Rect<N> across(coord_t first, coord_t last)
{
    Rect<N> box(Point<N>(0), Point<N>(2));
    box.lo[0] = first;
    box.hi[0] = last;
    return box;
}

// Runs of one point and of two in turn, for one piece and the other.
template <int N>
IndexPartition pieces_of(Context ctx, Runtime *runtime, IndexSpaceT<N> space, IndexSpace colors,
                         coord_t points)
{
    std::vector<Rect<N>> runs[PIECES];
    for (coord_t first = 0, run = 0; first < points; run++) {
        const coord_t last = std::min(points - 1, first + run / 2 % 2);
        runs[run % PIECES].push_back(across<N>(first, last));
        first = last + 1;
    }
    std::map<DomainPoint, Domain> domains;
    for (coord_t color = 0; color < PIECES; color++)
        domains[DomainPoint(Point<1>(color))] =
            runtime->get_index_space_domain(ctx, runtime->create_index_space(ctx, runs[color]));
    return runtime->create_partition_by_domain(ctx, space, domains, colors, true,
                                               LEGION_DISJOINT_COMPLETE_KIND);
}

struct Data {
    LogicalRegion whole;
    LogicalPartition pieces;
    IndexSpace colors;
};

template <int N>
Data make_data(Context ctx, Runtime *runtime, coord_t points)
{
    Data data;
    const IndexSpaceT<N> space = runtime->create_index_space(ctx, across<N>(0, points - 1));
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    allocator.allocate_field(sizeof(double), LEFT);
    allocator.allocate_field(sizeof(double), RIGHT);
    data.whole = runtime->create_logical_region(ctx, space, fields);
    runtime->attach_name(data.whole, "line");
    data.colors = runtime->create_index_space(ctx, Rect<1>(0, PIECES - 1));
    data.pieces = runtime->get_logical_partition(
        data.whole, pieces_of<N>(ctx, runtime, space, data.colors, points));
    for (const FieldID field : {LEFT, RIGHT})
        runtime->fill_field(ctx, data.whole, data.whole, field, 1.0);
    return data;
}

IndexLauncher launcher(const Data &data, TaskID task, PrivilegeMode privilege)
{
    IndexLauncher launcher(task, data.colors, UntypedBuffer(), ArgumentMap());
    launcher.add_region_requirement(
        RegionRequirement(data.pieces, 0, privilege, LEGION_EXCLUSIVE, data.whole));
    for (const FieldID field : {LEFT, RIGHT})
        launcher.add_field(0, field);
    return launcher;
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    coord_t points = 4096;
    bool plane = false;
    const InputArgs &arguments = Runtime::get_input_args();
    for (int i = 1; i < arguments.argc; i++) {
        if (!strcmp(arguments.argv[i], "-plane")) plane = true;
        if (!strcmp(arguments.argv[i], "-points")) points = atoll(arguments.argv[i + 1]);
    }
    const Data data =
        plane ? make_data<2>(ctx, runtime, points) : make_data<1>(ctx, runtime, points);
    const TaskID writing = plane ? WRITE_PLANE : WRITE, reading = plane ? READ_PLANE : READ;
    double sum = 0;
    for (coord_t step = 0; step < STEPS; step++) {
        runtime->execute_index_space(ctx, launcher(data, writing, LEGION_READ_WRITE));
        const FutureMap sums =
            runtime->execute_index_space(ctx, launcher(data, reading, LEGION_READ_ONLY));
        for (coord_t color = 0; color < PIECES; color++)
            sum += sums.get_result<double>(DomainPoint(Point<1>(color)));
    }
    printf("SUM %.0f\n", sum);
}

TaskVariantRegistrar on_cpu(TaskID task, const char *name, bool leaf)
{
    TaskVariantRegistrar registrar(task, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    return registrar;
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    Runtime::preregister_task_variant<top>(on_cpu(TOP, "top", false), "top");
    Runtime::preregister_task_variant<write<1>>(on_cpu(WRITE, "write", true), "write");
    Runtime::preregister_task_variant<double, read<1>>(on_cpu(READ, "read", true), "read");
    Runtime::preregister_task_variant<write<2>>(on_cpu(WRITE_PLANE, "write", true), "write");
    Runtime::preregister_task_variant<double, read<2>>(on_cpu(READ_PLANE, "read", true), "read");
    return Runtime::start(argc, argv);
}
