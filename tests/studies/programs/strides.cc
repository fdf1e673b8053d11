// Two tasks over the pieces of one region of two fields. "sweep" takes for granted that the elements
// of a field lie side by side, and says so by an assertion, as real programs do; "scale" takes any
// layout. No log of a run tells the one from the other.
#include <cassert>
#include <chrono>
#include <cstdio>

#include "legion.h"

using namespace Legion;

namespace {

enum { TOP = 1, SWEEP, SCALE };
enum { VALUE = 101, WEIGHT };
constexpr coord_t SIZE = 4096, PIECES = 4;
constexpr int STEPS = 5;

using Accessor = FieldAccessor<LEGION_READ_WRITE, double, 1, coord_t,
                               Realm::AffineAccessor<double, 1, coord_t>>;

void sweep(const Task *task, const std::vector<PhysicalRegion> &regions, Context, Runtime *runtime)
{
    const Rect<1> piece =
        runtime->get_index_space_domain(task->regions[0].region.get_index_space());
    const Accessor value(regions[0], VALUE), weight(regions[0], WEIGHT);
    assert(value.accessor.strides[0] == sizeof(double));
    double *v = value.ptr(piece), *w = weight.ptr(piece);
    for (size_t i = 0; i < piece.volume(); i++) v[i] += w[i];
}

void scale(const Task *task, const std::vector<PhysicalRegion> &regions, Context, Runtime *runtime)
{
    const Rect<1> piece =
        runtime->get_index_space_domain(task->regions[0].region.get_index_space());
    const Accessor value(regions[0], VALUE), weight(regions[0], WEIGHT);
    for (PointInRectIterator<1> point(piece); point(); point++)
        value[*point] *= 1 + 1e-9 * weight[*point];
}

void launch(Context ctx, Runtime *runtime, TaskID task, LogicalRegion whole, LogicalPartition pieces,
            IndexSpace colors)
{
    IndexLauncher launcher(task, colors, UntypedBuffer(), ArgumentMap());
    launcher.add_region_requirement(
        RegionRequirement(pieces, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, whole));
    launcher.add_field(0, VALUE);
    launcher.add_field(0, WEIGHT);
    runtime->execute_index_space(ctx, launcher);
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const IndexSpaceT<1> line = runtime->create_index_space(ctx, Rect<1>(0, SIZE - 1));
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    allocator.allocate_field(sizeof(double), VALUE);
    allocator.allocate_field(sizeof(double), WEIGHT);
    const LogicalRegion whole = runtime->create_logical_region(ctx, line, fields);
    const IndexSpace colors = runtime->create_index_space(ctx, Rect<1>(0, PIECES - 1));
    const LogicalPartition pieces = runtime->get_logical_partition(
        whole, runtime->create_equal_partition(ctx, line, colors));
    runtime->fill_field<double>(ctx, whole, whole, VALUE, 1.0);
    runtime->fill_field<double>(ctx, whole, whole, WEIGHT, 2.0);
    const auto begin = std::chrono::steady_clock::now();
    for (int step = 0; step < STEPS; step++) {
        launch(ctx, runtime, SCALE, whole, pieces, colors);
        launch(ctx, runtime, SWEEP, whole, pieces, colors);
    }
    runtime->issue_execution_fence(ctx).wait();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    printf("ELAPSED %.9f s\n", taken.count());
}

template <void (*BODY)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID task, const char *name, bool leaf)
{
    TaskVariantRegistrar registrar(task, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    Runtime::preregister_task_variant<BODY>(registrar, name);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top", false);
    add<sweep>(SWEEP, "sweep", true);
    add<scale>(SCALE, "scale", true);
    return Runtime::start(argc, argv);
}
