#include "point_tasks.h"

#include <algorithm>
#include <cmath>

#ifdef MAPPERTUNE_CUDA
#include "gpu_kernels.h"
#endif
#include "launching.h"
#include "reductions.h"

namespace replay {

using namespace Legion;

namespace {

const World *world;

int word_of(size_t bytes)
{
    for (const int word : {8, 4, 2})
        if (bytes % static_cast<size_t>(word) == 0) return word;
    return 1;
}

// An operator's type, of which an accessor needs the element alone.
struct Raw {
    using LHS = char;
    using RHS = char;
    template <bool EXCLUSIVE> static void fold(RHS &, RHS) {}
};

// The instance as bytes; nothing but base and strides is taken from the accessor.
template <int DIM> Slab described(const PhysicalRegion &region, const Rect<DIM> &rect, int field,
                                  size_t bytes, Privilege privilege)
{
    using Bytes = Realm::AffineAccessor<char, DIM, coord_t>;
    const FieldID id = FIRST_FIELD + static_cast<FieldID>(field);
    Slab slab{};
    const auto measure = [&](const auto &accessor) {
        const auto at = [&](Point<DIM> point) {
            return reinterpret_cast<char *>(const_cast<char *>(accessor.ptr(point)));
        };
        slab.base = at(rect.lo);
        for (int d = 0; d < 3; d++) {
            slab.extent[d] = d < DIM ? rect.hi[d] - rect.lo[d] + 1 : 1;
            Point<DIM> next = rect.lo;
            if (d < DIM) next[d]++;
            slab.stride[d] = slab.extent[d] > 1 ? at(next) - slab.base : 0;
        }
    };
    switch (privilege) {
    case Privilege::READ:
        measure(FieldAccessor<LEGION_READ_ONLY, char, DIM, coord_t, Bytes>(region, id, bytes));
        break;
    case Privilege::WRITE:
        measure(FieldAccessor<LEGION_WRITE_DISCARD, char, DIM, coord_t, Bytes>(region, id, bytes));
        break;
    case Privilege::REDUCE: {
        const auto operation = static_cast<ReductionOpID>(bytes);
        measure(ReductionAccessor<Raw, true, DIM, coord_t, Bytes>(region, id, operation, false,
                                                                  nullptr, 0, bytes));
        break;
    }
    default:
        measure(FieldAccessor<LEGION_READ_WRITE, char, DIM, coord_t, Bytes>(region, id, bytes));
    }
    return slab;
}

// How often a requirement's bytes move through it; a fraction of them is that of its rows.
Passes passes_of(double traffic, double bytes, int64_t rows)
{
    if (traffic <= 0 || bytes <= 0) return {0, 0};
    const double share = traffic / bytes;
    if (share >= 1) return {rows, std::llround(share)};
    return {std::max<int64_t>(1, std::llround(share * static_cast<double>(rows))), 1};
}

// One point's share of a requirement.
template <typename Kernels> class Visit {
public:
    Visit(Kernels &kernels, const PhysicalRegion &region, const Requirement &requirement,
          const Domain &domain, int64_t point)
        : kernels(kernels), requirement(requirement), traffic(requirement.traffic.at(point)),
          accesses(requirement.accesses.at(point))
    {
        const Region &root = world->plan.regions[requirement.region];
        if (domain.empty()) return;
        for (const int field : requirement.fields) {
            slabs.push_back(slab_of(region, domain, field, root.fields[field].bytes,
                                    requirement.traversal, requirement.privilege));
            bytes += static_cast<double>(root.fields[field].bytes * domain.get_volume());
        }
    }

    // Words that go through a kernel; each takes about two operations.
    double run()
    {
        if (slabs.empty()) return 0;
        stream();
        scatter();
        return words;
    }

private:
    void stream()
    {
        const bool both = requirement.privilege == Privilege::READ_WRITE;
        const bool discards = requirement.privilege == Privilege::WRITE;
        const Slab &first = slabs[0];
        const int64_t rows = first.extent[2] > 1   ? first.extent[2]
                             : first.extent[1] > 1 ? first.extent[1]
                                                   : first.extent[0];
        Passes passes = passes_of(traffic, both ? 2 * bytes : bytes, rows);
        // What is written without being read must be written whole.
        if (discards) passes = {rows, std::max<int64_t>(passes.times, 1)};
        if (passes.times == 0) return;
        for (const Slab &slab : slabs) {
            switch (requirement.privilege) {
            case Privilege::READ: kernels.read(slab, passes); break;
            case Privilege::READ_WRITE: kernels.update(slab, passes); break;
            case Privilege::WRITE: kernels.write(slab, passes); break;
            case Privilege::REDUCE: kernels.reduce(slab, passes); break;
            case Privilege::NONE: break;
            }
            words += static_cast<double>(slab.volume() / rows * passes.rows * passes.times *
                                         slab.words);
        }
    }

    void scatter()
    {
        const auto count = static_cast<int64_t>(std::llround(accesses));
        const auto fields = static_cast<int64_t>(slabs.size());
        for (int64_t f = 0; f < fields; f++) {
            const int64_t own = count / fields + (f < count % fields);
            if (own == 0) continue;
            switch (requirement.privilege) {
            case Privilege::READ: kernels.gather(slabs[f], own); break;
            case Privilege::REDUCE: kernels.scatter_shared(slabs[f], own); break;
            case Privilege::NONE: break;
            default: kernels.scatter(slabs[f], own);
            }
        }
    }

    Kernels &kernels;
    const Requirement &requirement;
    const double traffic, accesses;
    double bytes = 0, words = 0;
    std::vector<Slab> slabs;
};

uint64_t future_sum(const Task *task)
{
    uint64_t sum = 0;
    for (const Future &future : task->futures)
        sum = sum * 31 + future.get_result<uint64_t>(true);
    return sum;
}

struct Place {
    Phase phase;
    int number;
    int64_t point;
    const Launch &launch;
};

Place place_of(const Task *task)
{
    const auto &told = *static_cast<const LaunchArguments *>(task->args);
    const Launch &launch = world->plan.phases[told.phase][told.launch];
    int64_t point = told.parent_point * launch.volume();
    if (task->is_index_space) point += number_of(task->index_point, task->index_domain);
    return {static_cast<Phase>(told.phase), told.launch, point, launch};
}

// What is read comes first: what is written depends on it.
template <typename Kernels>
uint64_t work(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
              Runtime *runtime)
{
    const Place place = place_of(task);
    const Launch &launch = place.launch;
    const auto launch_number = static_cast<uint64_t>(place.phase * 1000003 + place.number);
    Kernels kernels(launch_number * 7919 + static_cast<uint64_t>(place.point) + future_sum(task));
    double words = 0;
    for (const bool reading : {true, false})
        for (size_t i = 0; i < regions.size(); i++) {
            const Requirement &requirement = launch.requirements[i];
            if ((requirement.privilege == Privilege::READ) != reading) continue;
            if (requirement.is_virtual || requirement.privilege == Privilege::NONE) continue;
            const Domain domain = runtime->get_index_space_domain(
                ctx, task->regions[i].region.get_index_space());
            words += Visit<Kernels>(kernels, regions[i], requirement, domain, place.point).run();
        }
    kernels.compute(launch.rate, std::max(0.0, launch.flops.at(place.point) - 2 * words));
    // Of a GPU the result is asked for only where it is wanted: asking waits.
    return world->plan.tasks[launch.task].returns ? kernels.result() : 0;
}

template <typename Kernels>
void leaf(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
          Runtime *runtime)
{
    work<Kernels>(task, regions, ctx, runtime);
}

template <typename Kernels>
uint64_t leaf_with_result(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
                          Runtime *runtime)
{
    return work<Kernels>(task, regions, ctx, runtime);
}

void inner(const Task *task, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const Place place = place_of(task);
    Launcher(*world, ctx, runtime, place.point).launch_children(place.phase, place.number);
}

uint64_t inner_with_result(const Task *task, const std::vector<PhysicalRegion> &regions,
                           Context ctx, Runtime *runtime)
{
    inner(task, regions, ctx, runtime);
    return future_sum(task);
}

// Tasks that do both pass on what they hold once they are done with it.
uint64_t work_then_launch(const Task *task, const std::vector<PhysicalRegion> &regions, Context ctx,
                          Runtime *runtime)
{
    const uint64_t result = work<CpuKernels>(task, regions, ctx, runtime);
    runtime->unmap_all_regions(ctx);
    inner(task, regions, ctx, runtime);
    return result;
}

void insist(TaskVariantRegistrar &registrar, const TaskKind &task)
{
    for (const Need &need : task.needs) {
        LayoutConstraintRegistrar layout(FieldSpace::NO_SPACE, task.name.c_str());
        std::vector<DimensionKind> order{LEGION_DIM_X, LEGION_DIM_Y, LEGION_DIM_Z};
        if (need.order == 'C') std::reverse(order.begin(), order.end());
        if (need.order == '-') order.clear();
        if (need.fields == 'S') order.push_back(LEGION_DIM_F);
        if (need.fields == 'A') order.insert(order.begin(), LEGION_DIM_F);
        layout.add_constraint(OrderingConstraint(order, false));
        if (need.reduces)
            layout.add_constraint(SpecializedConstraint(LEGION_AFFINE_REDUCTION_SPECIALIZE,
                                                        static_cast<ReductionOpID>(need.reduces)));
        registrar.add_layout_constraint_set(need.requirement, Runtime::preregister_layout(layout));
    }
}

template <typename Kernels>
void register_leaf(TaskID id, const TaskKind &task, Processor::Kind kind)
{
    const char *name = task.name.c_str();
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(kind));
    registrar.set_leaf();
    insist(registrar, task);
    if (task.returns)
        Runtime::preregister_task_variant<uint64_t, leaf_with_result<Kernels>>(registrar, name);
    else
        Runtime::preregister_task_variant<leaf<Kernels>>(registrar, name);
}

void register_parent(TaskID id, const TaskKind &task, Processor::Kind kind)
{
    const char *name = task.name.c_str();
    TaskVariantRegistrar registrar(id, name);
    registrar.add_constraint(ProcessorConstraint(kind));
    registrar.set_inner(task.inner);
    insist(registrar, task);
    if (!task.inner)
        Runtime::preregister_task_variant<uint64_t, work_then_launch>(registrar, name);
    else if (task.returns)
        Runtime::preregister_task_variant<uint64_t, inner_with_result>(registrar, name);
    else
        Runtime::preregister_task_variant<inner>(registrar, name);
}

bool kind_of(const std::string &name, Processor::Kind &kind)
{
    if (name == "CPU") kind = Processor::LOC_PROC;
    else if (name == "IO") kind = Processor::IO_PROC;
    else if (name == "OMP") kind = Processor::OMP_PROC;
    else if (name == "GPU") kind = Processor::TOC_PROC;
    else return false;
    return true;
}

}  // namespace

Slab slab_of(const PhysicalRegion &region, const Domain &domain, int field, size_t bytes,
             char traversal, Privilege privilege)
{
    Slab slab;
    switch (domain.get_dim()) {
    case 1: slab = described<1>(region, domain, field, bytes, privilege); break;
    case 2: slab = described<2>(region, domain, field, bytes, privilege); break;
    default: slab = described<3>(region, domain, field, bytes, privilege);
    }
    // Points are numbered the same way in every layout and traversal.
    slab.place[0] = 1;
    slab.place[1] = slab.extent[0];
    slab.place[2] = slab.extent[0] * slab.extent[1];
    const int last = domain.get_dim() - 1;
    if (traversal == 'C' && last > 0) {
        std::swap(slab.extent[0], slab.extent[last]);
        std::swap(slab.stride[0], slab.stride[last]);
        std::swap(slab.place[0], slab.place[last]);
    }
    slab.word = word_of(bytes);
    slab.words = static_cast<int>(bytes) / slab.word;
    slab.seed = static_cast<uint64_t>(field) * 0xD1B54A32D192ED03ull + 12345;
    return slab;
}

void share(const World *made) { world = made; }

void register_point_tasks(const Plan &plan)
{
    for (size_t number = 0; number < plan.tasks.size(); number++) {
        const TaskKind &task = plan.tasks[number];
        const TaskID id = FIRST_TASK + static_cast<TaskID>(number);
        for (const std::string &name : task.processors) {
            Processor::Kind kind;
            if (!kind_of(name, kind)) continue;
            const bool gpu = kind == Processor::TOC_PROC;
            if (!task.leaf) {
                register_parent(id, task, kind);
            } else if (!gpu) {
                register_leaf<CpuKernels>(id, task, kind);
            } else {
#ifdef MAPPERTUNE_CUDA
                register_leaf<GpuKernels>(id, task, kind);
#endif
            }
        }
    }
}

}  // namespace replay
