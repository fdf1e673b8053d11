// Launches over domains that begin anywhere, or are sparse.
//
//   -lo N      the domain begins at N, which may be negative (0)
//   -pieces N  points of a launch along each dimension (4)
//   -two       a domain of two dimensions, which begins at (N, N + 1)
//   -sparse    every third point only
//   -it N      steps of the loop (3)
//
// Each task says where it ran.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "legion.h"

using namespace Legion;

namespace {

enum { TOP = 1, FILL, STEP };
enum { VALUE = 7 };

struct Options {
    coord_t lower = 0, pieces = 4;
    int steps = 3;
    bool two = false, sparse = false;
};

Options options()
{
    Options found;
    const InputArgs &input = Runtime::get_input_args();
    for (int i = 1; i < input.argc; i++) {
        const auto is = [&](const char *flag) { return strcmp(input.argv[i], flag) == 0; };
        const bool more = i + 1 < input.argc;
        if (is("-two")) found.two = true;
        if (is("-sparse")) found.sparse = true;
        if (is("-lo") && more) found.lower = atoi(input.argv[++i]);
        if (is("-pieces") && more) found.pieces = atoi(input.argv[++i]);
        if (is("-it") && more) found.steps = atoi(input.argv[++i]);
    }
    return found;
}

IndexSpace launch_space(const Options &given, Context ctx, Runtime *runtime)
{
    const coord_t low = given.lower, high = low + given.pieces - 1;
    if (given.two)
        return runtime->create_index_space(
            ctx, Rect<2>(Point<2>(low, low + 1), Point<2>(high, high + 1)));
    if (!given.sparse) return runtime->create_index_space(ctx, Rect<1>(low, high));
    std::vector<Point<1>> points;
    for (coord_t i = 0; i < given.pieces; i++)
        points.push_back(Point<1>(low + 3 * i));
    return runtime->create_index_space(ctx, points);
}

void ran(const Task *task, Context ctx, Runtime *runtime)
{
    const Processor here = runtime->get_executing_processor(ctx);
    Machine::ProcessorQuery alike(Machine::get_machine());
    alike.only_kind(here.kind());
    int index = 0;
    for (const Processor p : alike) {
        if (p == here) break;
        index++;
    }
    std::string point;
    for (int d = 0; d < task->index_point.get_dim(); d++)
        point += (d ? "," : "") + std::to_string(task->index_point[d]);
    printf("RAN %s (%s) CPU %d\n", task->get_task_name(), point.c_str(), index);
}

void fill(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const FieldAccessor<LEGION_WRITE_DISCARD, double, 1> value(regions[0], VALUE);
    const Domain piece = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    for (PointInDomainIterator<1> it(piece); it(); it++)
        value[*it] = 1;
}

void step(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const FieldAccessor<LEGION_READ_WRITE, double, 1> value(regions[0], VALUE);
    const Domain piece = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    for (PointInDomainIterator<1> it(piece); it(); it++)
        value[*it] = value[*it] * 0.5 + 1;
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const Options given = options();
    const IndexSpace elements = runtime->create_index_space(ctx, Rect<1>(0, 4095));
    const FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), VALUE);
    const LogicalRegion grid = runtime->create_logical_region(ctx, elements, fields);
    runtime->attach_name(grid, "grid");
    const IndexSpace points = launch_space(given, ctx, runtime);
    const LogicalPartition pieces = runtime->get_logical_partition(
        grid, runtime->create_equal_partition(ctx, elements, points));
    runtime->attach_name(pieces, "pieces");
    const auto launch = [&](TaskID task, PrivilegeMode privilege) {
        IndexLauncher launcher(task, points, UntypedBuffer(), ArgumentMap());
        launcher.add_region_requirement(
            RegionRequirement(pieces, 0, privilege, LEGION_EXCLUSIVE, grid));
        launcher.add_field(0, VALUE);
        runtime->execute_index_space(ctx, launcher);
    };
    launch(FILL, LEGION_WRITE_DISCARD);
    for (int i = 0; i < given.steps; i++)
        launch(STEP, LEGION_READ_WRITE);
}

template <void (*BODY)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void registered(TaskID id, const char *name, bool leaf)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    Runtime::preregister_task_variant<BODY>(registrar, name);
}

}  // namespace

int main(int argc, char **argv)
{
    registered<top>(TOP, "top", false);
    registered<fill>(FILL, "fill", true);
    registered<step>(STEP, "step", true);
    Runtime::set_top_level_task_id(TOP);
    return Runtime::start(argc, argv);
}
