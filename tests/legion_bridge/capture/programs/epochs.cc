// Must-epoch launches: of tasks that are launched alone, and of the points of an index launch.
#include "legion.h"

using namespace Legion;

namespace {

enum { TOP = 1, LEFT, RIGHT, CHILD, POINT };

void nothing(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *) {}

void side(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    runtime->execute_task(ctx, TaskLauncher(CHILD, UntypedBuffer())).get_void_result();
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    MustEpochLauncher sides;
    sides.add_single_task(DomainPoint(Point<1>(0)), TaskLauncher(LEFT, UntypedBuffer()));
    sides.add_single_task(DomainPoint(Point<1>(1)), TaskLauncher(RIGHT, UntypedBuffer()));
    runtime->execute_must_epoch(ctx, sides).wait_all_results();

    MustEpochLauncher points;
    const IndexSpaceT<1> two = runtime->create_index_space(ctx, Rect<1>(0, 1));
    points.add_index_task(IndexLauncher(POINT, two, UntypedBuffer(), ArgumentMap()));
    points.launch_space = two;
    runtime->execute_must_epoch(ctx, points).wait_all_results();
}

template <void (*TASK)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID id, const char *name)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    Runtime::preregister_task_variant<TASK>(registrar, name);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top");
    add<side>(LEFT, "left");
    add<side>(RIGHT, "right");
    add<nothing>(CHILD, "child");
    add<nothing>(POINT, "point");
    return Runtime::start(argc, argv);
}
