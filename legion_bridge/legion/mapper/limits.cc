// Instance limits: how many points of a task may be between their mapping and their end.
#include <algorithm>

#include "decision_log.h"
#include "policy_mapper.h"
#include "task_names.h"

namespace mappertune {
namespace {

size_t points_of(const Task &task)
{
    return task.is_index_space ? task.get_slice_domain().get_volume() : 1;
}

// Points that the program wants run, or mapped, together: they must not wait for one another. Points
// whose outputs follow one another end together, once it is known how large the outputs of all are.
bool goes_together(const Task &task)
{
    const bool outputs =
        task.is_index_space &&
        std::any_of(task.output_regions.begin(), task.output_regions.end(),
                    [](const OutputRequirement &each) { return each.global_indexing; });
    return task.must_epoch_task || task.concurrent_task || outputs ||
           std::any_of(task.regions.begin(), task.regions.end(), [](const auto &requirement) {
               return (requirement.prop & LEGION_COLLECTIVE_MASK) != 0;
           });
}

// Whether a task of the same name waits for this one, and is in flight itself.
bool is_recursive(const Task &task)
{
    for (const Task *at = &task; at->has_parent_task();) {
        at = at->get_parent_task();
        if (at->task_id == task.task_id) return true;
    }
    return false;
}

}  // namespace

bool PolicyMapper::limited(const Task &task)
{
    return rules_of(task).limit > 0 && !goes_together(task) && !is_recursive(task);
}

bool Shared::start(const InFlight &task, size_t points, size_t limit)
{
    const std::lock_guard<std::mutex> lock(mutex);
    size_t &count = in_flight[task];
    if (count >= limit) return false;
    count += points;
    return true;
}

void Shared::end(const InFlight &task)
{
    const std::lock_guard<std::mutex> lock(mutex);
    size_t &count = in_flight[task];
    if (count > 0) count--;
}

void Shared::wait(const MapperEvent &event)
{
    const std::lock_guard<std::mutex> lock(mutex);
    waiting.push_back(event);
}

std::vector<MapperEvent> Shared::take_waiting()
{
    const std::lock_guard<std::mutex> lock(mutex);
    std::vector<MapperEvent> taken;
    taken.swap(waiting);
    return taken;
}

// Limited tasks start as long as their limit has room; all others as the default mapper chooses.
void PolicyMapper::select_tasks_to_map(MapperContext ctx, const SelectMappingInput &input,
                                       SelectMappingOutput &output)
{
    SelectMappingInput others;
    const MapperEvent room = start_limited(ctx, input, others, output);
    if (!others.ready_tasks.empty()) DefaultMapper::select_tasks_to_map(ctx, others, output);
    if (output.map_tasks.empty() && room.exists()) output.deferral_event = room;
}

MapperEvent PolicyMapper::start_limited(MapperContext ctx, const SelectMappingInput &input,
                                        SelectMappingInput &others, SelectMappingOutput &output)
{
    others.processor = input.processor;
    // Made first: a task that ends while this one looks must not go unnoticed.
    MapperEvent room;
    for (const Task *task : input.ready_tasks) {
        if (!limited(*task)) {
            others.ready_tasks.push_back(task);
            continue;
        }
        if (!room.exists()) {
            room = runtime->create_mapper_event(ctx);
            shared->wait(room);
        }
        const size_t limit = static_cast<size_t>(rules_of(*task).limit);
        if (!shared->start({task->task_id, task->orig_proc}, points_of(*task), limit)) continue;
        output.map_tasks.insert(task);
        log_line("start %s", policy_name(task->get_task_name()).c_str());
    }
    return room;
}

// A limited task is done: those that wait may be looked at again.
void PolicyMapper::report_profiling(MapperContext ctx, const Task &task,
                                    const TaskProfilingInfo &input)
{
    if (!limited(task)) {
        DefaultMapper::report_profiling(ctx, task, input);
        return;
    }
    log_line("end %s", policy_name(task.get_task_name()).c_str());
    shared->end({task.task_id, task.orig_proc});
    for (const MapperEvent &event : shared->take_waiting())
        runtime->trigger_mapper_event(ctx, event);
}

}  // namespace mappertune
