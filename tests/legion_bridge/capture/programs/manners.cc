// Ways in which Legion programs run their tasks, each by an option, under a mapper of its own:
//   -replicate   the first task is replicated: every processor runs a shard of it
//   -inline      tasks are run by the task that launches them
//   -predicate   every other launch of a task depends on a predicate that is false
//   -points      with that: it is launched over points
//   -nested      the loop is in a task that the first one launches
//   -fills       its data is written many times before the loop
//   -collective  points that write the same data
//   -output      a task that makes its data, last dimension fastest
//   -barrier     a dynamic collective, which Legion's profile has a flag of its own for
//   -fail        the program fails before its end
// Two of its tasks have names that are alike once characters are replaced.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "legion.h"
#include "mappers/default_mapper.h"

using namespace Legion;
using namespace Legion::Mapping;

namespace {

enum { TOP = 1, SOLVE, FILL, STEP, OTHER_STEP, MAKE, USE };
enum { FIELD };
enum { ADD = 1 };
constexpr int PIECES = 4, FILLS = 40, STEPS = 6, PASSES = 64;

bool asked(const char *option)
{
    const InputArgs &given = Runtime::get_input_args();
    for (int i = 1; i < given.argc; i++)
        if (!strcmp(given.argv[i], option)) return true;
    return false;
}

class MannersMapper : public DefaultMapper {
public:
    using DefaultMapper::DefaultMapper;

    void select_task_options(const MapperContext context, const Task &task,
                             TaskOptions &output) override
    {
        DefaultMapper::select_task_options(context, task, output);
        output.inline_task = asked("-inline") && task.task_id != TOP;
        output.replicate = asked("-replicate") && task.task_id == TOP;
    }

    void replicate_task(MapperContext context, const Task &task, const ReplicateTaskInput &,
                        ReplicateTaskOutput &output) override
    {
        output.chosen_variant =
            default_find_preferred_variant(task, context, true, true, Processor::LOC_PROC).variant;
        const Machine::ProcessorQuery all =
            Machine::ProcessorQuery(machine).only_kind(Processor::LOC_PROC);
        output.target_processors.assign(all.begin(), all.end());
    }

    void map_task(const MapperContext context, const Task &task, const MapTaskInput &input,
                  MapTaskOutput &output) override
    {
        DefaultMapper::map_task(context, task, input, output);
        for (LayoutConstraintSet &constraints : output.output_constraints)
            constraints.ordering_constraint =
                OrderingConstraint({LEGION_DIM_Y, LEGION_DIM_X, LEGION_DIM_F}, false);
    }

    LayoutConstraintID default_policy_select_layout_constraints(
        MapperContext context, Memory memory, const RegionRequirement &requirement,
        MappingKind kind, bool check_fields, bool &force_new_instances) override
    {
        const LayoutConstraintID chosen =
            DefaultMapper::default_policy_select_layout_constraints(
                context, memory, requirement, kind, check_fields, force_new_instances);
        force_new_instances |= (requirement.prop & LEGION_COLLECTIVE_MASK) != 0;
        return chosen;
    }

    CachedMappingPolicy default_policy_select_task_cache_policy(MapperContext,
                                                                const Task &) override
    {
        return DEFAULT_CACHE_POLICY_DISABLE;
    }
};

struct Data {
    IndexSpaceT<1> colors;
    LogicalRegion region;
    LogicalPartition pieces;
};

Data make_data(Context ctx, Runtime *runtime)
{
    Data data;
    const IndexSpaceT<1> points = runtime->create_index_space(ctx, Rect<1>(0, (1 << 16) - 1));
    FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), FIELD);
    data.colors = runtime->create_index_space(ctx, Rect<1>(0, PIECES - 1));
    data.region = runtime->create_logical_region(ctx, points, fields);
    data.pieces = runtime->get_logical_partition(
        ctx, data.region, runtime->create_equal_partition(ctx, points, data.colors));
    return data;
}

void launch(Context ctx, Runtime *runtime, const Data &data, TaskID task,
            PrivilegeMode privilege, const Predicate &predicate = Predicate::TRUE_PRED)
{
    IndexLauncher launcher(task, data.colors, UntypedBuffer(), ArgumentMap());
    launcher.add_region_requirement(
        RegionRequirement(data.pieces, 0, privilege, LEGION_EXCLUSIVE, data.region));
    launcher.add_field(0, FIELD);
    launcher.enable_inlining = asked("-inline");
    launcher.predicate = predicate;
    runtime->execute_index_space(ctx, launcher);
}

void solve(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const Data data = make_data(ctx, runtime);
    PhysicalRegion mapped;
    if (asked("-inline")) {
        InlineLauncher whole(RegionRequirement(data.region, LEGION_WRITE_DISCARD,
                                               LEGION_EXCLUSIVE, data.region));
        whole.add_field(FIELD);
        mapped = runtime->map_region(ctx, whole);
        mapped.wait_until_valid();
    }
    for (int i = asked("-fills") ? FILLS : 1; i > 0; i--)
        launch(ctx, runtime, data, FILL, LEGION_WRITE_DISCARD);
    for (int i = 0; i < STEPS; i++) {
        launch(ctx, runtime, data, STEP, LEGION_READ_WRITE);
        launch(ctx, runtime, data, OTHER_STEP, LEGION_READ_WRITE);
    }
    if (asked("-inline")) runtime->unmap_region(ctx, mapped);
}

void predicates(Context ctx, Runtime *runtime)
{
    const Data data = make_data(ctx, runtime);
    for (int i = 0; i < STEPS; i++) {
        const Predicate even =
            runtime->create_predicate(ctx, Future::from_value<bool>(i % 2 == 0));
        if (asked("-points")) {
            launch(ctx, runtime, data, STEP, LEGION_WRITE_DISCARD, even);
            continue;
        }
        TaskLauncher launcher(USE, UntypedBuffer());
        launcher.predicate = even;
        runtime->execute_task(ctx, launcher);
    }
}

void collectives(Context ctx, Runtime *runtime)
{
    const Data data = make_data(ctx, runtime);
    IndexLauncher launcher(FILL, data.colors, UntypedBuffer(), ArgumentMap());
    launcher.add_region_requirement(RegionRequirement(
        data.region, LEGION_WRITE_DISCARD, LEGION_COLLECTIVE_EXCLUSIVE, data.region));
    launcher.add_field(0, FIELD);
    runtime->execute_index_space(ctx, launcher).wait_all_results();
}

void outputs(Context ctx, Runtime *runtime)
{
    FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), FIELD);
    std::vector<OutputRequirement> made{OutputRequirement(fields, {FIELD}, 2, true)};
    TaskLauncher maker(MAKE, UntypedBuffer());
    runtime->execute_task(ctx, maker, &made);
    TaskLauncher user(USE, UntypedBuffer());
    user.add_region_requirement(
        RegionRequirement(made[0].parent, LEGION_READ_ONLY, LEGION_EXCLUSIVE, made[0].parent));
    user.add_field(0, FIELD);
    runtime->execute_task(ctx, user).get_void_result();
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    if (asked("-predicate")) predicates(ctx, runtime);
    if (asked("-collective")) collectives(ctx, runtime);
    if (asked("-output")) outputs(ctx, runtime);
    if (asked("-barrier"))
        runtime->destroy_dynamic_collective(
            ctx, runtime->create_dynamic_collective(ctx, 1, LEGION_REDOP_SUM_INT32, "\0\0\0",
                                                    sizeof(int)));
    if (asked("-nested")) {
        runtime->execute_task(ctx, TaskLauncher(SOLVE, UntypedBuffer())).get_void_result();
    } else if (!asked("-predicate") && !asked("-collective") && !asked("-output")) {
        solve(nullptr, {}, ctx, runtime);
    }
    if (asked("-fail")) {
        fprintf(stderr, "the last words\n");
        exit(3);
    }
}

void pass(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime, int times)
{
    const FieldAccessor<LEGION_WRITE_DISCARD, double, 1> values(regions[0], FIELD);
    const DomainT<1> domain =
        runtime->get_index_space_domain(ctx, task->regions[0].region.get_index_space());
    for (int i = 0; i < times; i++)
        for (PointInDomainIterator<1> point(domain); point(); point++) values[*point] = i;
}

void fill(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    pass(task, regions, ctx, runtime, 1);
}

void step(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    pass(task, regions, ctx, runtime, PASSES);
}

void make(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    std::vector<OutputRegion> made;
    runtime->get_output_regions(ctx, made);
    made[0].create_buffer<double, 2>(Point<2>(8, 4), FIELD, nullptr, true);
}

void use(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *) {}

template <void (*TASK)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID id, const char *name, bool leaf)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    registrar.set_replicable(!leaf);
    Runtime::preregister_task_variant<TASK>(registrar, name);
}

void bring_mapper(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor processor : local)
        runtime->replace_default_mapper(
            new MannersMapper(runtime->get_mapper_runtime(), machine, processor, "manners"),
            processor);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top", false);
    add<solve>(SOLVE, "solve", false);
    add<fill>(FILL, "h.fill values", true);
    add<step>(STEP, "v.step", true);
    add<step>(OTHER_STEP, "v_step", true);
    add<make>(MAKE, "make", true);
    add<use>(USE, "use", true);
    Runtime::add_registration_callback(bring_mapper);
    return Runtime::start(argc, argv);
}
