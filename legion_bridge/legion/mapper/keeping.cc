#include "keeping.h"

#include <algorithm>

namespace mappertune {

class KeepingMapper::Turn {
public:
    Turn(const KeepingMapper &mapper, MapperContext ctx)
        : runtime(mapper.runtime), context(ctx),
          locks(mapper.get_mapper_sync_model() == CONCURRENT_MAPPER_MODEL)
    {
        if (locks) runtime->lock_mapper(context);
    }
    ~Turn()
    {
        if (locks) runtime->unlock_mapper(context);
    }
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;

private:
    MapperRuntime *const runtime;
    const MapperContext context;
    const bool locks;
};

KeepingMapper::KeepingMapper(MapperRuntime *mapper_runtime, Mapper *own,
                             std::unique_ptr<PolicyMapper> stated)
    : ForwardingMapper(own), runtime(mapper_runtime), ours(std::move(stated))
{
}

void KeepingMapper::select_task_options(MapperContext ctx, const Task &task, TaskOptions &output)
{
    ForwardingMapper::select_task_options(ctx, task, output);
    const Turn turn(*this, ctx);
    ours->restate_options(ctx, task, output);
}

void KeepingMapper::slice_task(MapperContext ctx, const Task &task, const SliceTaskInput &input,
                               SliceTaskOutput &output)
{
    bool placed = false;
    {
        const Turn turn(*this, ctx);
        placed = ours->places(task);
        if (placed) ours->slice_task(ctx, task, input, output);
    }
    if (placed) return;
    ForwardingMapper::slice_task(ctx, task, input, output);
    const Turn turn(*this, ctx);
    ours->restate_slices(task, output.slices);
}

void KeepingMapper::map_task(MapperContext ctx, const Task &task, const MapTaskInput &input,
                             MapTaskOutput &output)
{
    ForwardingMapper::map_task(ctx, task, input, output);
    const Turn turn(*this, ctx);
    ours->restate_mapping(ctx, task, input, output);
}

void KeepingMapper::replicate_task(MapperContext ctx, const Task &task,
                                   const ReplicateTaskInput &input, ReplicateTaskOutput &output)
{
    {
        const Turn turn(*this, ctx);
        if (ours->replicates(task)) {
            ours->replicate_task(ctx, task, input, output);
            return;
        }
    }
    ForwardingMapper::replicate_task(ctx, task, input, output);
}

void KeepingMapper::select_sharding_functor(MapperContext ctx, const Task &task,
                                            const SelectShardingFunctorInput &input,
                                            SelectShardingFunctorOutput &output)
{
    {
        const Turn turn(*this, ctx);
        if (ours->places(task)) {
            ours->select_sharding_functor(ctx, task, input, output);
            return;
        }
    }
    ForwardingMapper::select_sharding_functor(ctx, task, input, output);
}

void KeepingMapper::select_tasks_to_map(MapperContext ctx, const SelectMappingInput &input,
                                        SelectMappingOutput &output)
{
    SelectMappingInput others;
    MapperEvent room;
    {
        const Turn turn(*this, ctx);
        room = ours->start_limited(ctx, input, others, output);
    }
    if (!others.ready_tasks.empty()) ForwardingMapper::select_tasks_to_map(ctx, others, output);
    if (output.map_tasks.empty() && output.relocate_tasks.empty() && room.exists())
        output.deferral_event = room;
}

void KeepingMapper::report_profiling(MapperContext ctx, const Task &task,
                                     const TaskProfilingInfo &input)
{
    {
        const Turn turn(*this, ctx);
        if (ours->limited(task)) {
            ours->report_profiling(ctx, task, input);
            return;
        }
    }
    ForwardingMapper::report_profiling(ctx, task, input);
}

void KeepingMapper::map_copy(MapperContext ctx, const Legion::Copy &copy, const MapCopyInput &input,
                             MapCopyOutput &output)
{
    for (const RegionRequirement &requirement : copy.dst_requirements)
        note_reduction(requirement);
    ForwardingMapper::map_copy(ctx, copy, input, output);
}

void KeepingMapper::map_inline(MapperContext ctx, const Legion::InlineMapping &inline_mapping,
                               const MapInlineInput &input, MapInlineOutput &output)
{
    note_reduction(inline_mapping.requirement);
    ForwardingMapper::map_inline(ctx, inline_mapping, input, output);
}

}  // namespace mappertune
