// Instance limits: how many points of a task may be between their mapping and their end.
#include "decision_log.h"
#include "policy_mapper.h"

namespace mappertune {
namespace {

size_t points_of(const Task &task)
{
    return task.is_index_space ? task.get_slice_domain().get_volume() : 1;
}

}  // namespace

// Tasks of a must-epoch launch have to run at once and never wait here.
bool PolicyMapper::limited(const Task &task)
{
    return !task.must_epoch_task && rules_of(task).limit > 0;
}

void PolicyMapper::select_tasks_to_map(MapperContext ctx, const SelectMappingInput &input,
                                       SelectMappingOutput &output)
{
    SelectMappingInput allowed;
    allowed.processor = input.processor;
    std::map<InFlight, size_t> counts = in_flight;
    for (const Task *task : input.ready_tasks) {
        if (limited(*task)) {
            size_t &count = counts[{task->task_id, task->orig_proc}];
            if (count >= static_cast<size_t>(rules_of(*task).limit)) continue;
            count += points_of(*task);
        }
        allowed.ready_tasks.push_back(task);
    }
    if (allowed.ready_tasks.empty() && !input.ready_tasks.empty()) {
        output.deferral_event = runtime->create_mapper_event(ctx);
        deferred.push_back(output.deferral_event);
        return;
    }
    DefaultMapper::select_tasks_to_map(ctx, allowed, output);
    for (const Task *task : output.map_tasks) {
        if (!limited(*task)) continue;
        size_t &count = in_flight[{task->task_id, task->orig_proc}];
        count += points_of(*task);
        log_line("start %s in-flight=%zu", task->get_task_name(), count);
    }
}

// A limited task is done: those that wait may be looked at again.
void PolicyMapper::report_profiling(MapperContext ctx, const Task &task,
                                    const TaskProfilingInfo &input)
{
    if (!limited(task)) {
        DefaultMapper::report_profiling(ctx, task, input);
        return;
    }
    size_t &count = in_flight[{task.task_id, task.orig_proc}];
    if (count > 0) count--;
    log_line("end %s in-flight=%zu", task.get_task_name(), count);
    for (const MapperEvent &event : deferred)
        runtime->trigger_mapper_event(ctx, event);
    deferred.clear();
}

}  // namespace mappertune
