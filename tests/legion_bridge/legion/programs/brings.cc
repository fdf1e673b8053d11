// A program that relies on a mapper of its own: for the order of an output that is written as plain
// memory, for an instance for each point of a collective write, and for what a tag means.
//
//   -points  an output is made by the points of a launch, too, one beside the other
//
//   MADE <sum of the output's values, each times its place>
//   PUT <first value of each column>
//   RAN <task> <point or -> <number of the processor>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "legion.h"
#include "mappers/default_mapper.h"

using namespace Legion;

namespace {

enum { TOP = 1, MAKE, USE, PUT, GET };
enum { OF_OUR_OWN = 101 };  // a tag; the default mapper takes odd ones for virtual
constexpr FieldID VALUE = 101;
constexpr coord_t ROWS = 3, COLUMNS = 5;

// The order of outputs is C; the points of a launch all run on the last processor.
class BroughtMapper : public Mapping::DefaultMapper {
public:
    using DefaultMapper::DefaultMapper;

    void slice_task(Mapping::MapperContext, const Task &, const SliceTaskInput &input,
                    SliceTaskOutput &output) override
    {
        for (Domain::DomainPointIterator it(input.domain); it; it++)
            output.slices.emplace_back(Domain(it.p, it.p), local_cpus.back(), false, false);
    }

    void map_task(Mapping::MapperContext ctx, const Task &task, const MapTaskInput &input,
                  MapTaskOutput &output) override
    {
        if (task.task_id == USE) {
            map_use(ctx, task, output);
            return;
        }
        DefaultMapper::map_task(ctx, task, input, output);
        if (task.is_index_space) output.target_procs.assign(1, task.target_proc);
        for (LayoutConstraintSet &constraints : output.output_constraints)
            constraints.ordering_constraint =
                OrderingConstraint({LEGION_DIM_Y, LEGION_DIM_X, LEGION_DIM_F}, false);
    }

    void map_use(Mapping::MapperContext ctx, const Task &task, MapTaskOutput &output)
    {
        std::vector<VariantID> variants;
        runtime->find_valid_variants(ctx, USE, variants, Processor::LOC_PROC);
        output.chosen_variant = variants.at(0);
        output.target_procs.assign(1, task.target_proc);
        const RegionRequirement &requirement = task.regions[0];
        const Memory memory =
            default_policy_select_target_memory(ctx, task.target_proc, requirement);
        LayoutConstraintSet constraints;
        constraints.add_constraint(SpecializedConstraint(LEGION_AFFINE_SPECIALIZE))
            .add_constraint(OrderingConstraint({LEGION_DIM_X, LEGION_DIM_Y, LEGION_DIM_F}, false))
            .add_constraint(MemoryConstraint(memory.kind()))
            .add_constraint(FieldConstraint(requirement.privilege_fields, false, false));
        bool created = false;
        output.chosen_instances[0].resize(1);
        if (!runtime->find_or_create_physical_instance(ctx, memory, constraints,
                                                       {requirement.region},
                                                       output.chosen_instances[0][0], created))
            abort();
    }

    LayoutConstraintID default_policy_select_layout_constraints(
        Mapping::MapperContext ctx, Memory memory, const RegionRequirement &requirement,
        MappingKind kind, bool check, bool &force_new) override
    {
        const LayoutConstraintID found = DefaultMapper::default_policy_select_layout_constraints(
            ctx, memory, requirement, kind, check, force_new);
        force_new = true;
        return found;
    }
    CachedMappingPolicy default_policy_select_task_cache_policy(Mapping::MapperContext,
                                                                const Task &) override
    {
        return DEFAULT_CACHE_POLICY_DISABLE;
    }
};

void tell(const char *name, const Task *task, Context ctx, Runtime *runtime)
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
        printf("RAN %s %lld %d\n", name, static_cast<long long>(task->index_point[0]), number);
    else
        printf("RAN %s - %d\n", name, number);
}

// Row by row, whatever Legion thinks of it.
void make(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    tell("make", task, ctx, runtime);
    std::vector<OutputRegion> outputs;
    runtime->get_output_regions(ctx, outputs);
    const Point<2> extents(ROWS, COLUMNS);
    const auto buffer = outputs[0].create_buffer<double, 2>(extents, VALUE, nullptr, true);
    double *values = &buffer[Point<2>(0, 0)];
    for (coord_t i = 0; i < ROWS * COLUMNS; i++)
        values[i] = static_cast<double>(i);
}

void use(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
         Runtime *runtime)
{
    tell("use", task, ctx, runtime);
    const FieldAccessor<LEGION_READ_ONLY, double, 2> value(regions[0], VALUE);
    double sum = 0;
    for (coord_t x = 0; x < ROWS; x++)
        for (coord_t y = 0; y < COLUMNS; y++)
            sum += value[x][y] * static_cast<double>(x * COLUMNS + y);
    printf("MADE %.0f\n", sum);
}

// Every point writes the same.
void put(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
         Runtime *runtime)
{
    tell("put", task, ctx, runtime);
    const FieldAccessor<LEGION_WRITE_DISCARD, double, 2> value(regions[0], VALUE);
    for (coord_t x = 0; x < ROWS; x++)
        for (coord_t y = 0; y < COLUMNS; y++)
            value[x][y] = static_cast<double>(10 * y + x);
}

void get(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
         Runtime *runtime)
{
    tell("get", task, ctx, runtime);
    const FieldAccessor<LEGION_READ_ONLY, double, 2> value(regions[0], VALUE);
    printf("PUT");
    for (coord_t y = 0; y < COLUMNS; y++)
        printf(" %.0f", static_cast<double>(value[0][y]));
    printf("\n");
}

bool by_points()
{
    const InputArgs &arguments = Runtime::get_input_args();
    for (int i = 1; i < arguments.argc; i++)
        if (!strcmp(arguments.argv[i], "-points")) return true;
    return false;
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), VALUE);

    TaskLauncher making(MAKE, UntypedBuffer());
    std::vector<OutputRequirement> outputs;
    outputs.emplace_back(fields, std::set<FieldID>{VALUE}, 2, true);
    if (by_points()) {
        const IndexSpace pair = runtime->create_index_space(ctx, Rect<2>({0, 0}, {1, 0}));
        IndexLauncher parts(MAKE, pair, UntypedBuffer(), ArgumentMap());
        std::vector<OutputRequirement> joined = outputs;
        runtime->execute_index_space(ctx, parts, &joined).wait_all_results();
    }
    runtime->execute_task(ctx, making, &outputs);
    TaskLauncher using_it(USE, UntypedBuffer());
    using_it.add_region_requirement(RegionRequirement(outputs[0].region, LEGION_READ_ONLY,
                                                      LEGION_EXCLUSIVE, outputs[0].region,
                                                      OF_OUR_OWN));
    using_it.add_field(0, VALUE);
    runtime->execute_task(ctx, using_it);

    const IndexSpace plane =
        runtime->create_index_space(ctx, Rect<2>(Point<2>(0, 0), Point<2>(ROWS - 1, COLUMNS - 1)));
    const LogicalRegion whole = runtime->create_logical_region(ctx, plane, fields);
    runtime->attach_name(whole, "whole");
    const IndexSpace points = runtime->create_index_space(ctx, Rect<1>(0, 3));
    IndexLauncher putting(PUT, points, UntypedBuffer(), ArgumentMap());
    putting.add_region_requirement(RegionRequirement(whole, 0, LEGION_WRITE_DISCARD,
                                                     LEGION_COLLECTIVE_EXCLUSIVE, whole));
    putting.add_field(0, VALUE);
    TaskLauncher getting(GET, UntypedBuffer());
    getting.add_region_requirement(
        RegionRequirement(whole, LEGION_READ_ONLY, LEGION_EXCLUSIVE, whole));
    getting.add_field(0, VALUE);
    for (int step = 0; step < 1; step++) {
        runtime->execute_index_space(ctx, putting);
        runtime->execute_task(ctx, getting);
    }
}

void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor p : local)
        runtime->replace_default_mapper(
            new BroughtMapper(runtime->get_mapper_runtime(), machine, p), p);
}

TaskVariantRegistrar on_cpu(TaskID task, const char *name)
{
    TaskVariantRegistrar registrar(task, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(task != TOP && task != MAKE);
    return registrar;
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    Runtime::preregister_task_variant<top>(on_cpu(TOP, "top"), "top");
    Runtime::preregister_task_variant<make>(on_cpu(MAKE, "make"), "make");
    Runtime::preregister_task_variant<use>(on_cpu(USE, "use"), "use");
    Runtime::preregister_task_variant<put>(on_cpu(PUT, "put"), "put");
    Runtime::preregister_task_variant<get>(on_cpu(GET, "get"), "get");
    Runtime::add_registration_callback(install);
    return Runtime::start(argc, argv);
}
