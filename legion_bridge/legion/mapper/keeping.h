// The program's own mapper, and over its answers what the policy states: where the policy is silent
// the program is mapped as before.
#ifndef MAPPERTUNE_KEEPING_H
#define MAPPERTUNE_KEEPING_H

#include <memory>

#include "mappers/forwarding_mapper.h"
#include "policy_mapper.h"

namespace mappertune {

using Legion::Mapping::ForwardingMapper;

class KeepingMapper : public ForwardingMapper {
public:
    // Takes the program's mapper over; `stated` is asked here alone, the runtime does not know it.
    KeepingMapper(MapperRuntime *runtime, Mapper *own, std::unique_ptr<PolicyMapper> stated);

    void select_task_options(MapperContext ctx, const Task &task, TaskOptions &output) override;
    void slice_task(MapperContext ctx, const Task &task, const SliceTaskInput &input,
                    SliceTaskOutput &output) override;
    void map_task(MapperContext ctx, const Task &task, const MapTaskInput &input,
                  MapTaskOutput &output) override;
    void replicate_task(MapperContext ctx, const Task &task, const ReplicateTaskInput &input,
                        ReplicateTaskOutput &output) override;
    void select_sharding_functor(MapperContext ctx, const Task &task,
                                 const SelectShardingFunctorInput &input,
                                 SelectShardingFunctorOutput &output) override;
    void select_tasks_to_map(MapperContext ctx, const SelectMappingInput &input,
                             SelectMappingOutput &output) override;
    void report_profiling(MapperContext ctx, const Task &task,
                          const TaskProfilingInfo &input) override;
    void map_copy(MapperContext ctx, const Legion::Copy &copy, const MapCopyInput &input,
                  MapCopyOutput &output) override;
    void map_inline(MapperContext ctx, const Legion::InlineMapping &inline_mapping,
                    const MapInlineInput &input, MapInlineOutput &output) override;

    // Those of other operations stay as they are.
    using ForwardingMapper::report_profiling;
    using ForwardingMapper::select_sharding_functor;

private:
    // The program's mapper is asked as the runtime asks it. Ours takes one question at a time: a
    // mapper that is asked several at once is locked meanwhile.
    class Turn;

    MapperRuntime *const runtime;
    const std::unique_ptr<PolicyMapper> ours;
};

}  // namespace mappertune

#endif
