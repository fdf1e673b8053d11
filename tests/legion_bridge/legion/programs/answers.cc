// One task, launched alone and then as points of an index launch, with the same regions each time.
//
//   RAN <point or -> <number of the processor>
//
// A mapper that keeps its answers by regions alone would give one launch the answer of the other.
#include <cstdio>
#include <cstring>

#include "legion.h"

using namespace Legion;

namespace {

enum { TOP = 1, TOUCH };
constexpr FieldID VALUE = 101;
constexpr coord_t PIECES = 2;

void touch(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const Processor here = runtime->get_executing_processor(ctx);
    Machine::ProcessorQuery alike(Machine::get_machine());
    alike.only_kind(here.kind());
    int number = 0;
    for (const Processor processor : alike) {
        if (processor == here) break;
        number++;
    }
    if (task->is_index_space)
        printf("RAN %lld %d\n", static_cast<long long>(task->index_point[0]), number);
    else
        printf("RAN - %d\n", number);
}

struct Data {
    LogicalRegion whole;
    LogicalPartition pieces;
    IndexSpace colors;
};

void launch_alone(Context ctx, Runtime *runtime, const Data &data)
{
    for (coord_t color = 0; color < PIECES; color++) {
        const LogicalRegion piece =
            runtime->get_logical_subregion_by_color(data.pieces, DomainPoint(Point<1>(color)));
        TaskLauncher launcher(TOUCH, UntypedBuffer());
        launcher.add_region_requirement(
            RegionRequirement(piece, LEGION_READ_WRITE, LEGION_EXCLUSIVE, data.whole));
        launcher.add_field(0, VALUE);
        runtime->execute_task(ctx, launcher).get_void_result();
    }
}

void launch_points(Context ctx, Runtime *runtime, const Data &data)
{
    IndexLauncher launcher(TOUCH, data.colors, UntypedBuffer(), ArgumentMap());
    launcher.add_region_requirement(
        RegionRequirement(data.pieces, 0, LEGION_READ_WRITE, LEGION_EXCLUSIVE, data.whole));
    launcher.add_field(0, VALUE);
    runtime->execute_index_space(ctx, launcher).wait_all_results();
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const IndexSpaceT<1> line = runtime->create_index_space(ctx, Rect<1>(0, 63));
    const FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), VALUE);
    Data data;
    data.whole = runtime->create_logical_region(ctx, line, fields);
    data.colors = runtime->create_index_space(ctx, Rect<1>(0, PIECES - 1));
    data.pieces = runtime->get_logical_partition(
        data.whole, runtime->create_equal_partition(ctx, line, data.colors));
    const double value = 0;
    runtime->fill_field(ctx, data.whole, data.whole, VALUE, value);
    const InputArgs &arguments = Runtime::get_input_args();
    bool points_first = false;
    for (int i = 1; i < arguments.argc; i++)
        if (!strcmp(arguments.argv[i], "points-first")) points_first = true;
    if (points_first) launch_points(ctx, runtime, data);
    launch_alone(ctx, runtime, data);
    if (!points_first) launch_points(ctx, runtime, data);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    TaskVariantRegistrar launching(TOP, "top");
    launching.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    Runtime::preregister_task_variant<top>(launching, "top");
    TaskVariantRegistrar touching(TOUCH, "touch");
    touching.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    touching.set_leaf();
    Runtime::preregister_task_variant<touch>(touching, "touch");
    return Runtime::start(argc, argv);
}
