// A small Legion program whose tasks tell where they ran and what they were given.
//
//   RAN <task> <point> <kind> <processor>
//   GOT <task> <point> <requirement> <memory> x=<stride> y=<stride> f=<offset> align=<bytes>
//
// Strides are in bytes; f is the distance between the first points of the two fields. The last
// line is a checksum, which no mapper may change.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <set>
#include <unistd.h>

#include "legion.h"
#include "mappers/default_mapper.h"

using namespace Legion;

namespace {

enum Tasks {
    TOP = 1, FILL, SMOOTH, SUM, ALONE, CHILD, INNER, SLOW, STRICT, TOGETHER, LOOK, EPOCH, ZERO, PEEK,
    DEEP
};
enum Fields { FIRST = 101, SECOND = 102 };
constexpr ReductionOpID ADD = 1;

using Read = FieldAccessor<LEGION_READ_ONLY, double, 2, coord_t,
                           Realm::AffineAccessor<double, 2, coord_t>>;
using Write = FieldAccessor<LEGION_WRITE_DISCARD, double, 2, coord_t,
                            Realm::AffineAccessor<double, 2, coord_t>>;

struct Add {
    using LHS = double;
    using RHS = double;
    static constexpr double identity = 0;
    template <bool EXCLUSIVE> static void apply(LHS &lhs, RHS rhs)
    {
        fold<EXCLUSIVE>(lhs, rhs);
    }
    template <bool EXCLUSIVE> static void fold(RHS &rhs1, RHS rhs2)
    {
        if (EXCLUSIVE) {
            rhs1 += rhs2;
            return;
        }
        auto *whole = reinterpret_cast<std::atomic<double> *>(&rhs1);
        double old = whole->load();
        while (!whole->compare_exchange_weak(old, old + rhs2)) {
        }
    }
};
constexpr double Add::identity;

const char *kind_name(Processor::Kind kind)
{
    return kind == Processor::LOC_PROC ? "CPU" : kind == Processor::IO_PROC ? "IO" : "other";
}

const char *memory_name(Memory::Kind kind)
{
    switch (kind) {
    case Memory::SYSTEM_MEM: return "SYSMEM";
    case Memory::REGDMA_MEM: return "RDMEM";
    case Memory::SOCKET_MEM: return "SOCKMEM";
    default: return "other";
    }
}

std::string point_name(const Task *task)
{
    if (!task->is_index_space) return "-";
    std::string text = "(";
    for (int d = 0; d < task->index_point.get_dim(); d++)
        text += (d ? "," : "") + std::to_string(task->index_point[d]);
    return text + ")";
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
    printf("RAN %s %s %s %d\n", task->get_task_name(), point_name(task).c_str(),
           kind_name(here.kind()), index);
}

template <typename Accessor>
void got(const Task *task, const PhysicalRegion &region, unsigned index, const Accessor &first,
         const Accessor &second, const Rect<2> &rect)
{
    std::set<Memory> memories;
    region.get_memories(memories);
    const auto at = [&](coord_t x, coord_t y) {
        return reinterpret_cast<const char *>(first.ptr(rect.lo + Point<2>(x, y)));
    };
    const char *origin = at(0, 0);
    const auto *other = reinterpret_cast<const char *>(second.ptr(rect.lo));
    size_t align = 1;
    while (align < 4096 && reinterpret_cast<uintptr_t>(origin) % (2 * align) == 0)
        align *= 2;
    printf("GOT %s %s %u %s x=%td y=%td f=%td align=%zu\n", task->get_task_name(),
           point_name(task).c_str(), index, memory_name(memories.begin()->kind()),
           at(1, 0) - origin, at(0, 1) - origin, other - origin, align);
}

void fill(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const Rect<2> rect = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    const Write first(regions[0], FIRST), second(regions[0], SECOND);
    got(task, regions[0], 0, first, second, rect);
    for (PointInRectIterator<2> p(rect); p(); p++) {
        first[*p] = static_cast<double>(p[0] * 100 + p[1]);
        second[*p] = 1;
    }
}

void smooth(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
            Runtime *runtime)
{
    ran(task, ctx, runtime);
    const Rect<2> rect = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    const Read first(regions[1], FIRST), second(regions[1], SECOND);
    const Write out1(regions[0], FIRST), out2(regions[0], SECOND);
    got(task, regions[0], 0, out1, out2, rect);
    got(task, regions[1], 1, first, second, rect);
    for (PointInRectIterator<2> p(rect); p(); p++) {
        out1[*p] = 2 * first[*p] + second[*p];
        out2[*p] = first[*p];
    }
}

void sum(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
         Runtime *runtime)
{
    ran(task, ctx, runtime);
    const Rect<2> rect = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    const Read first(regions[0], FIRST);
    const ReductionAccessor<Add, true, 1, coord_t, Realm::AffineAccessor<double, 1, coord_t>> total(
        regions[1], FIRST, ADD);
    double whole = 0;
    for (PointInRectIterator<2> p(rect); p(); p++)
        whole += first[*p];
    total[Point<1>(0)] <<= whole;
}

void child(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
}

void alone(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
    TaskLauncher launcher(CHILD, UntypedBuffer());
    runtime->execute_task(ctx, launcher).get_void_result();
}

// Waits for another one of itself.
void deep(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
    const int left = *static_cast<const int *>(task->args) - 1;
    if (left == 0) return;
    TaskLauncher launcher(DEEP, UntypedBuffer(&left, sizeof left));
    runtime->execute_task(ctx, launcher).get_void_result();
}

// Touches nothing itself: passes its regions on.
void inner(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
    const LogicalRegion region = task->regions[0].region;
    TaskLauncher launcher(FILL, UntypedBuffer());
    launcher.add_region_requirement(
        RegionRequirement(region, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, region));
    launcher.add_field(0, FIRST);
    launcher.add_field(0, SECOND);
    runtime->execute_task(ctx, launcher);
}

std::atomic<int> running{0}, most{0};

void slow(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)
{
    const int now = ++running;
    int seen = most.load();
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    usleep(3000);
    running--;
}

// Its variant wants C order and lines of 128 bytes.
void strict(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
            Runtime *runtime)
{
    ran(task, ctx, runtime);
    const Rect<2> rect = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    got(task, regions[0], 0, Read(regions[0], FIRST), Read(regions[0], SECOND), rect);
}

// Its variant wants both requirements in one instance.
void together(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
              Runtime *runtime)
{
    ran(task, ctx, runtime);
    const Rect<2> rect = runtime->get_index_space_domain(
        ctx, task->regions[0].region.get_index_space());
    got(task, regions[0], 0, Read(regions[0], FIRST), Read(regions[1], SECOND), rect);
}

double attached[64];

// Reads an array that the program attached.
void look(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const FieldAccessor<LEGION_READ_ONLY, double, 1, coord_t,
                        Realm::AffineAccessor<double, 1, coord_t>>
        data(regions[0], FIRST);
    printf("ATTACHED %g\n", static_cast<double>(data[Point<1>(63)]));
}

// Writes where others will reduce.
void zero(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const FieldAccessor<LEGION_WRITE_DISCARD, double, 1> total(regions[0], FIRST);
    total[Point<1>(0)] = 0;
}

// Reads what others reduced.
void peek(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    ran(task, ctx, runtime);
    const FieldAccessor<LEGION_READ_ONLY, double, 1> total(regions[0], FIRST);
    printf("PEEKED %.17g\n", static_cast<double>(total[Point<1>(0)]));
}

// The points of a must-epoch launch wait for each other.
std::atomic<int> arrived{0};

void epoch(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
    arrived++;
    while (arrived.load() < 2)
        usleep(100);
}

void launch_special(Context ctx, Runtime *runtime, LogicalRegion grid, LogicalPartition blocks,
                    LogicalRegion copy, IndexSpaceT<2> colors)
{
    IndexLauncher strictly(STRICT, colors, UntypedBuffer(), ArgumentMap());
    strictly.add_region_requirement(
        RegionRequirement(blocks, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid));
    strictly.add_field(0, FIRST);
    strictly.add_field(0, SECOND);
    runtime->execute_index_space(ctx, strictly);

    IndexLauncher beside(TOGETHER, colors, UntypedBuffer(), ArgumentMap());
    beside.add_region_requirement(
        RegionRequirement(blocks, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid));
    beside.add_region_requirement(
        RegionRequirement(grid, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid));
    beside.add_field(0, FIRST);
    beside.add_field(1, SECOND);
    runtime->execute_index_space(ctx, beside);

    CopyLauncher explicitly;
    explicitly.add_copy_requirements(
        RegionRequirement(grid, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid),
        RegionRequirement(copy, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, copy));
    explicitly.add_src_field(0, SECOND);
    explicitly.add_dst_field(0, SECOND);
    runtime->issue_copy_operation(ctx, explicitly);

    const IndexSpaceT<1> line = runtime->create_index_space(ctx, Rect<1>(0, 63));
    const FieldSpace fields = runtime->create_field_space(ctx);
    runtime->create_field_allocator(ctx, fields).allocate_field(sizeof(double), FIRST);
    const LogicalRegion outside = runtime->create_logical_region(ctx, line, fields);
    attached[63] = 63;
    AttachLauncher attach(LEGION_EXTERNAL_INSTANCE, outside, outside);
    const Realm::ExternalMemoryResource array_memory(attached, sizeof attached);
    attach.external_resource = &array_memory;
    attach.initialize_constraints(true, true, {FIRST});
    attach.privilege_fields.insert(FIRST);
    const PhysicalRegion array = runtime->attach_external_resource(ctx, attach);
    TaskLauncher looks(LOOK, UntypedBuffer());
    looks.add_region_requirement(
        RegionRequirement(outside, LEGION_READ_ONLY, LEGION_EXCLUSIVE, outside));
    looks.add_field(0, FIRST);
    runtime->execute_task(ctx, looks);
    runtime->detach_external_resource(ctx, array).get_void_result();

    const int levels = 3;
    runtime->execute_task(ctx, TaskLauncher(DEEP, UntypedBuffer(&levels, sizeof levels)));

    MustEpochLauncher at_once;
    const IndexSpaceT<1> two = runtime->create_index_space(ctx, Rect<1>(0, 1));
    at_once.add_index_task(IndexLauncher(EPOCH, two, UntypedBuffer(), ArgumentMap()));
    at_once.launch_space = two;
    runtime->execute_must_epoch(ctx, at_once).wait_all_results();
}

void top(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    ran(task, ctx, runtime);
    const InputArgs &arguments = Runtime::get_input_args();
    int n = 8, pieces = 2, rounds = 1, slow_points = 0;
    bool special = false;
    for (int i = 1; i + 1 < arguments.argc; i++) {
        if (!strcmp(arguments.argv[i], "-n")) n = atoi(arguments.argv[i + 1]);
        if (!strcmp(arguments.argv[i], "-p")) pieces = atoi(arguments.argv[i + 1]);
        if (!strcmp(arguments.argv[i], "-i")) rounds = atoi(arguments.argv[i + 1]);
        if (!strcmp(arguments.argv[i], "-special")) special = atoi(arguments.argv[i + 1]);
        if (!strcmp(arguments.argv[i], "-slow")) slow_points = atoi(arguments.argv[i + 1]);
    }
    Future tunable =
        runtime->select_tunable_value(ctx, Mapping::DefaultMapper::DEFAULT_TUNABLE_LOCAL_CPUS);
    printf("TUNABLE %zu\n", static_cast<size_t>(tunable.get_result<size_t>()));

    const IndexSpaceT<2> space = runtime->create_index_space(ctx, Rect<2>({0, 0}, {n - 1, n - 1}));
    const FieldSpace fields = runtime->create_field_space(ctx);
    FieldAllocator allocator = runtime->create_field_allocator(ctx, fields);
    allocator.allocate_field(sizeof(double), FIRST);
    allocator.allocate_field(sizeof(double), SECOND);
    const LogicalRegion grid = runtime->create_logical_region(ctx, space, fields);
    const LogicalRegion copy = runtime->create_logical_region(ctx, space, fields);
    runtime->attach_name(grid, "grid");
    runtime->attach_name(copy, "copy");

    const Rect<2> colors({0, 0}, {pieces - 1, pieces - 1});
    const IndexSpaceT<2> color_space = runtime->create_index_space(ctx, colors);
    Transform<2, 2> transform;
    transform[0][0] = transform[1][1] = n / pieces;
    transform[0][1] = transform[1][0] = 0;
    const IndexPartition blocks = runtime->create_partition_by_restriction(
        ctx, space, color_space, transform, Rect<2>({0, 0}, {n / pieces - 1, n / pieces - 1}));
    const LogicalPartition grid_blocks = runtime->get_logical_partition(grid, blocks);
    const LogicalPartition copy_blocks = runtime->get_logical_partition(copy, blocks);
    runtime->attach_name(grid_blocks, "grid_blocks");

    const IndexSpaceT<1> one = runtime->create_index_space(ctx, Rect<1>(0, 0));
    const LogicalRegion total = runtime->create_logical_region(ctx, one, fields);
    runtime->attach_name(total, "total");
    TaskLauncher start(ZERO, UntypedBuffer());
    start.add_region_requirement(
        RegionRequirement(total, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, total));
    start.add_field(0, FIRST);
    runtime->execute_task(ctx, start);

    for (int round = 0; round < rounds; round++) {
        IndexLauncher write(FILL, color_space, UntypedBuffer(), ArgumentMap());
        write.add_region_requirement(
            RegionRequirement(grid_blocks, 0, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, grid));
        write.add_field(0, FIRST);
        write.add_field(0, SECOND);
        runtime->execute_index_space(ctx, write);

        IndexLauncher step(SMOOTH, color_space, UntypedBuffer(), ArgumentMap());
        step.add_region_requirement(
            RegionRequirement(copy_blocks, 0, LEGION_WRITE_DISCARD, LEGION_EXCLUSIVE, copy));
        step.add_region_requirement(
            RegionRequirement(grid_blocks, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, grid));
        for (unsigned r = 0; r < 2; r++) {
            step.add_field(r, FIRST);
            step.add_field(r, SECOND);
        }
        runtime->execute_index_space(ctx, step);
    }
    // So that what is collected is gone before it is asked for again; shards do not wait.
    const bool alone_here = task->get_total_shards() == 1;
    TaskLauncher read(PEEK, UntypedBuffer());
    read.add_region_requirement(
        RegionRequirement(total, LEGION_READ_ONLY, LEGION_EXCLUSIVE, total));
    read.add_field(0, FIRST);
    const Future before = runtime->execute_task(ctx, read);
    if (alone_here) before.get_void_result();

    IndexLauncher reduce(SUM, color_space, UntypedBuffer(), ArgumentMap());
    reduce.add_region_requirement(
        RegionRequirement(copy_blocks, 0, LEGION_READ_ONLY, LEGION_EXCLUSIVE, copy));
    reduce.add_region_requirement(
        RegionRequirement(total, 0, ADD, LEGION_EXCLUSIVE, total));
    reduce.add_field(0, FIRST);
    reduce.add_field(1, FIRST);
    runtime->execute_index_space(ctx, reduce);

    const Future after = runtime->execute_task(ctx, read);
    if (alone_here) after.get_void_result();

    TaskLauncher pass(INNER, UntypedBuffer());
    pass.add_region_requirement(
        RegionRequirement(grid, LEGION_READ_WRITE, LEGION_EXCLUSIVE, grid));
    pass.add_field(0, FIRST);
    pass.add_field(0, SECOND);
    runtime->execute_task(ctx, pass);

    TaskLauncher single(ALONE, UntypedBuffer());
    runtime->execute_task(ctx, single);

    if (special) launch_special(ctx, runtime, grid, grid_blocks, copy, color_space);
    if (slow_points > 0) {
        IndexLauncher many(SLOW, runtime->create_index_space(ctx, Rect<1>(0, slow_points - 1)),
                           UntypedBuffer(), ArgumentMap());
        runtime->execute_index_space(ctx, many).wait_all_results();
        printf("MOST %d\n", most.load());
    }
    const PhysicalRegion result = runtime->map_region(
        ctx, InlineLauncher(RegionRequirement(total, LEGION_READ_ONLY, LEGION_EXCLUSIVE, total)
                                .add_field(FIRST)));
    const FieldAccessor<LEGION_READ_ONLY, double, 1> value(result, FIRST);
    printf("CHECKSUM %.17g\n", static_cast<double>(value[Point<1>(0)]));
    runtime->unmap_region(ctx, result);
}

template <void (*TASK)(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)>
void add(TaskID id, const char *name, bool leaf, bool is_inner = false, bool replicable = false)
{
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    registrar.set_leaf(leaf);
    registrar.set_inner(is_inner);
    registrar.set_replicable(replicable);
    Runtime::preregister_task_variant<TASK>(registrar, name);
}

// A program's own mapper: ours has to take its place, and ask it for tunable values.
class OwnMapper : public Mapping::DefaultMapper {
public:
    OwnMapper(Mapping::MapperRuntime *rt, Machine machine, Processor local)
        : DefaultMapper(rt, machine, local, "own mapper")
    {
    }
    void select_tunable_value(const Mapping::MapperContext, const Task &,
                              const SelectTunableInput &, SelectTunableOutput &output) override
    {
        output.value = malloc(sizeof(size_t));
        output.size = sizeof(size_t);
        output.take_ownership = true;
        *static_cast<size_t *>(output.value) = 4711;
    }
    void map_task(const Mapping::MapperContext ctx, const Task &task, const MapTaskInput &input,
                  MapTaskOutput &output) override
    {
        printf("OWN\n");
        DefaultMapper::map_task(ctx, task, input, output);
    }
};

void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor p : local)
        runtime->replace_default_mapper(
            new OwnMapper(runtime->get_mapper_runtime(), machine, p), p);
}

}  // namespace

int main(int argc, char **argv)
{
    Runtime::set_top_level_task_id(TOP);
    add<top>(TOP, "top", false, false, true);
    add<fill>(FILL, "fill", true);
    add<smooth>(SMOOTH, "smooth", true);
    add<sum>(SUM, "sum", true);
    add<alone>(ALONE, "alone", false);
    add<child>(CHILD, "child", true);
    add<deep>(DEEP, "deep", false);
    add<inner>(INNER, "inner", false, true);
    add<slow>(SLOW, "slow", true);
    {
        TaskVariantRegistrar io(FILL, "fill");
        io.add_constraint(ProcessorConstraint(Processor::IO_PROC));
        io.set_leaf();
        Runtime::preregister_task_variant<fill>(io, "fill");
    }
    add<look>(LOOK, "look", true);
    add<epoch>(EPOCH, "epoch", true);
    add<zero>(ZERO, "zero", true);
    add<peek>(PEEK, "peek", true);
    {
        TaskVariantRegistrar registrar(STRICT, "strict");
        registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
        LayoutConstraintRegistrar layout(FieldSpace::NO_SPACE, "lines");
        layout.add_constraint(
            OrderingConstraint({LEGION_DIM_Y, LEGION_DIM_X, LEGION_DIM_F}, false));
        layout.add_constraint(AlignmentConstraint(FIRST, LEGION_EQ_EK, 128));
        layout.add_constraint(AlignmentConstraint(SECOND, LEGION_EQ_EK, 128));
        registrar.add_layout_constraint_set(0, Runtime::preregister_layout(layout));
        registrar.set_leaf();
        Runtime::preregister_task_variant<strict>(registrar, "strict");
    }
    {
        TaskVariantRegistrar registrar(TOGETHER, "together");
        registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
        registrar.add_constraint(ColocationConstraint(0, 1));
        registrar.set_leaf();
        Runtime::preregister_task_variant<together>(registrar, "together");
    }
    Runtime::register_reduction_op<Add>(ADD);
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "-own")) Runtime::add_registration_callback(install);
    return Runtime::start(argc, argv);
}
