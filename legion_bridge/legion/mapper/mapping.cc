// Mapping a task: variant, processors, and an instance for each of its region requirements.
#include <algorithm>

#include "decision_log.h"
#include "failure.h"
#include "policy_mapper.h"
#include "task_names.h"

namespace mappertune {
namespace {

bool has_data(const RegionRequirement &requirement)
{
    return requirement.privilege != LEGION_NO_ACCESS && !requirement.privilege_fields.empty();
}

// Inner tasks touch no data: as the default mapper does, all their regions stay virtual, unless a
// coherence mode needs instances.
bool all_virtual(const Task &task, bool inner)
{
    return inner && std::all_of(task.regions.begin(), task.regions.end(), [](const auto &r) {
               return r.prop == LEGION_EXCLUSIVE;
           });
}

}  // namespace

void PolicyMapper::map_task(MapperContext ctx, const Task &task, const MapTaskInput &input,
                            MapTaskOutput &output)
{
    const bool shard = input.shard_processor.exists();
    const Processor processor = shard ? input.shard_processor : task.target_proc;
    const int kind = kind_of(processor.kind());
    if (kind < 0 || !has_variant(ctx, task, kind))
        fail("no-variant", at_task(task.get_task_name()), "it has no variant for %s processors",
             processor_word(kind));
    VariantInfo chosen = default_find_preferred_variant(task, ctx, true, true, processor.kind());
    if (shard) chosen.variant = input.shard_variant;
    Mapping mapping = {task,           input,           output,         rules_of(task), kind,
                       chosen.variant, chosen.is_inner, chosen.is_leaf, nullptr, {}, false, {}};
    output.chosen_variant = chosen.variant;
    output.task_priority = default_policy_select_task_priority(ctx, task);
    if (limited(task)) {
        using Legion::Mapping::ProfilingMeasurements::OperationStatus;
        output.task_prof_requests.add_measurement<OperationStatus>();
    }
    choose_targets(ctx, mapping);
    if (all_virtual(task, chosen.is_inner)) {
        for (Instances &instances : output.chosen_instances)
            instances.assign(1, PhysicalInstance::get_virtual_instance());
        return;
    }
    reserve_pools(mapping);
    const AnswerKey key = {task.task_id, output.target_procs, compute_task_hash(task),
                           task.is_index_space};
    if (!reuse_answer(ctx, mapping, key)) {
        map_regions(ctx, mapping);
        map_outputs(ctx, mapping);
        check_instances(mapping);
        keep_answer(mapping, key);
    }
    untrack(mapping, mapping.collected);
    if (logging())
        log_line("map %s point=%s kind=%s node=%d processor=%s",
                 policy_name(task.get_task_name()).c_str(), point_text(task).c_str(),
                 processor_word(kind),
                 static_cast<int>(output.target_procs[0].address_space()),
                 index_text(output.target_procs).c_str());
}

// Over the answer of the program's own mapper: processors, and instances of the arguments about
// which the policy states something. What is virtual there stays so.
void PolicyMapper::restate_mapping(MapperContext ctx, const Task &task, const MapTaskInput &input,
                                   MapTaskOutput &output)
{
    const bool shard = input.shard_processor.exists();
    const int kind = kind_of((shard ? input.shard_processor : task.target_proc).kind());
    if (kind < 0 || output.target_procs.empty()) return;
    const VariantID variant = shard ? input.shard_variant : output.chosen_variant;
    Mapping mapping = {task, input, output, rules_of(task), kind, variant,
                       runtime->is_inner_variant(ctx, task.task_id, variant),
                       runtime->is_leaf_variant(ctx, task.task_id, variant), nullptr, {}, false, {}};
    if (limited(task)) {
        using Legion::Mapping::ProfilingMeasurements::OperationStatus;
        output.task_prof_requests.add_measurement<OperationStatus>();
    }
    const bool alone = !task.is_index_space && single_map_applies(task, kind);
    if (!shard && !task.must_epoch_task && (alone || places(task))) {
        output.target_procs.clear();
        choose_targets(ctx, mapping);
    }
    mapping.constraints = &runtime->find_task_layout_constraints(ctx, task.task_id, variant);
    std::vector<bool> done(task.regions.size(), false);
    for (unsigned index = 0; index < task.regions.size(); index++)
        done[index] = !states(ctx, mapping, index);
    for (const unsigned index : input.premapped_regions)
        done[index] = true;
    map_colocated(ctx, mapping, done);
    for (unsigned index = 0; index < task.regions.size(); index++) {
        if (done[index]) continue;
        mapping.kept = output.chosen_instances[index][0];
        output.chosen_instances[index].clear();
        map_region(ctx, mapping, index);
    }
    check_instances(mapping);
    untrack(mapping, mapping.collected);
    if (logging())
        log_line("keep %s point=%s regions=%zu",
                 policy_name(task.get_task_name()).c_str(), point_text(task).c_str(),
                 static_cast<size_t>(std::count(done.begin(), done.end(), false)));
}

// Whether the policy has a say in the instance of an argument.
bool PolicyMapper::states(MapperContext ctx, const Mapping &mapping, unsigned index)
{
    const Instances &instances = mapping.output.chosen_instances[index];
    if (!has_data(mapping.task.regions[index]) || instances.empty() ||
        instances[0].is_virtual_instance())
        return false;
    const char *task = mapping.rules.name.c_str();
    const Policy::Names names = names_of(ctx, mapping.task.regions[index], index);
    const int memory = kind_of(instances[0].get_location().kind());
    return !policy.memories(task, names, mapping.kind).empty() ||
           policy.layout(task, names, memory, mapping.kind).found ||
           policy.collects(task, names);
}

// Exactly the processors that the policy names; the default mapper's, all of a kind, where it
// names none.
void PolicyMapper::choose_targets(MapperContext ctx, Mapping &mapping)
{
    const Task &task = mapping.task;
    std::vector<Processor> &targets = mapping.output.target_procs;
    const bool index_mapped = task.is_index_space && mapping.rules.has_index_map[mapping.kind];
    const bool single_mapped = !task.is_index_space && single_map_applies(task, mapping.kind);
    if (mapping.input.shard_processor.exists())
        targets.assign(1, mapping.input.shard_processor);
    else if (task.must_epoch_task || task.concurrent_task)
        targets.assign(1, task.target_proc);
    else if (index_mapped && (mapping.rules.several[mapping.kind] || view.nodes() > 1))
        targets = point_processors(task, mapping.kind, task.index_point);
    else if (index_mapped)
        targets.assign(1, task.target_proc);
    else if (single_mapped)
        targets = single_processors(task, mapping.kind);
    else
        default_policy_select_target_processors(ctx, task, targets);
    if (targets.empty() || targets[0].kind() != task.target_proc.kind() ||
        targets[0].address_space() != task.target_proc.address_space())
        fail("processor-range", at_task(task.get_task_name()),
             "it was sent to one node and is mapped to a processor of another: its mapping "
             "function answers differently for the same point");
}

// Legate's mapper says for each leaf task how much memory it allocates while it runs. Ours cannot
// know, so it promises what there is, and lets others allocate, too. Other programs tell bounds
// with their variants, which a mapper must not exceed and cannot ask for.
void PolicyMapper::reserve_pools(Mapping &mapping) const
{
    if (!mapping.leaf || !shared->replaces_legate()) return;
    const Processor processor = mapping.output.target_procs[0];
    for (const int kind : {MAPPER_SYSMEM, MAPPER_FBMEM, MAPPER_ZCMEM, MAPPER_SOCKMEM}) {
        const Memory memory = view.best_memory(processor, kind);
        if (memory.exists())
            mapping.output.leaf_pool_bounds[memory] =
                Legion::PoolBounds(LEGION_PERMISSIVE_UNBOUNDED_POOL);
    }
}

// Tasks with the same regions were mapped before: the same answer holds while its instances live.
bool PolicyMapper::reuse_answer(MapperContext ctx, Mapping &mapping, const AnswerKey &key)
{
    const auto known = answers.find(key);
    if (known == answers.end() || known->second.variant != mapping.variant) return false;
    // All of it is taken at once: while the runtime is asked the answer may be forgotten.
    const Answer &answer = known->second;
    MapTaskOutput &output = mapping.output;
    output.chosen_instances = answer.instances;
    output.target_procs = answer.targets;
    output.output_targets = answer.output_targets;
    output.output_constraints = answer.output_constraints;
    mapping.collected = answer.collected;
    if (runtime->acquire_and_filter_instances(ctx, output.chosen_instances)) return true;
    answers.erase(key);
    for (Instances &instances : output.chosen_instances)
        instances.clear();
    output.target_procs = key.targets;
    mapping.collected.clear();
    return false;
}

void PolicyMapper::keep_answer(const Mapping &mapping, const AnswerKey &key)
{
    if (mapping.once || !mapping.input.premapped_regions.empty()) return;
    const MapTaskOutput &output = mapping.output;
    answers[key] = {mapping.variant,       output.chosen_instances,   output.target_procs,
                    output.output_targets, output.output_constraints, mapping.collected};
}

void PolicyMapper::map_regions(MapperContext ctx, Mapping &mapping)
{
    const Task &task = mapping.task;
    mapping.constraints =
        &runtime->find_task_layout_constraints(ctx, task.task_id, mapping.variant);
    std::vector<bool> done(task.regions.size(), false);
    for (const unsigned index : mapping.input.premapped_regions)
        done[index] = true;
    map_colocated(ctx, mapping, done);
    for (unsigned index = 0; index < task.regions.size(); index++)
        if (!done[index] && has_data(task.regions[index])) map_region(ctx, mapping, index);
}

void PolicyMapper::map_region(MapperContext ctx, Mapping &mapping, unsigned index)
{
    const RegionRequirement &requirement = mapping.task.regions[index];
    Instances &instances = mapping.output.chosen_instances[index];
    const bool reduces = requirement.privilege == LEGION_REDUCE;
    // As the default mapper: the program asks for it, or a task that only passes a reduction on.
    // In a task that touches its data the tag is a number with which its own mapper means another
    // thing.
    const bool tagged = (requirement.tag & DefaultMapper::VIRTUAL_MAP) != 0;
    if ((tagged || reduces) && !mapping.leaf) {
        instances.assign(1, PhysicalInstance::get_virtual_instance());
        return;
    }
    const Request wanted = request_of(ctx, mapping, index);
    if (wanted.is_virtual) {
        if (mapping.leaf)
            fail("virtual-leaf", at_region(mapping.task.get_task_name(), index),
                 "it is mapped to VIRTUAL, but a leaf task touches its data: name a memory");
        instances.assign(1, PhysicalInstance::get_virtual_instance());
        return;
    }
    narrow_targets(mapping, wanted.memory, index);
    std::set<FieldID> missing = reuse_valid(ctx, mapping, wanted);
    if (!missing.empty()) make_instances(ctx, mapping, wanted, std::move(missing));
    log_instances(mapping, wanted);
    if (wanted.collected) mapping.collected.insert(index);
    mapping.once = mapping.once || wanted.alone;
}

// A task may run on any of its target processors, so each of them must see the memory.
void PolicyMapper::narrow_targets(Mapping &mapping, Memory memory, unsigned index) const
{
    std::vector<Processor> &targets = mapping.output.target_procs;
    const auto blind = [&](Processor processor) { return !view.sees(processor, memory); };
    targets.erase(std::remove_if(targets.begin(), targets.end(), blind), targets.end());
    if (targets.empty())
        fail("memory", at_region(mapping.task.get_task_name(), index),
             "no processor that the task may run on sees the memory %s",
             memory_word(kind_of(memory.kind())));
}

// The language has no word for outputs. In which order the program's own mapper has them made is
// part of the program: tasks read them so. Legate's mapper makes and keeps instances when it is
// asked, and Legion's default for outputs is its own.
void PolicyMapper::map_outputs(MapperContext ctx, Mapping &mapping)
{
    const Task &task = mapping.task;
    if (task.output_regions.empty()) return;
    for (size_t i = 0; i < task.output_regions.size(); i++) {
        mapping.output.output_targets[i] =
            default_policy_select_output_target(ctx, mapping.output.target_procs[0]);
        default_policy_select_output_constraints(task, mapping.output.output_constraints[i],
                                                 task.output_regions[i]);
    }
    if (shared->replaces_legate()) return;
    ask_own(ctx, [&](Mapper &own) {
        // A mapper that locks itself cannot be asked by one that does not.
        if (own.get_mapper_sync_model() == CONCURRENT_MAPPER_MODEL) return;
        MapTaskOutput answer;
        answer.chosen_instances.resize(task.regions.size());
        answer.output_targets.resize(task.output_regions.size());
        answer.output_constraints.resize(task.output_regions.size());
        own.map_task(ctx, task, mapping.input, answer);
        mapping.once = true;
        for (size_t i = 0; i < task.output_regions.size(); i++) {
            mapping.output.output_constraints[i] = answer.output_constraints[i];
            const Memory memory = answer.output_targets[i];
            if (memory.exists() && view.sees(mapping.output.target_procs[0], memory))
                mapping.output.output_targets[i] = memory;
        }
    });
}

// What Legion would only abort on, without saying why.
void PolicyMapper::check_instances(const Mapping &mapping) const
{
    const Task &task = mapping.task;
    for (unsigned index = 0; index < task.regions.size(); index++) {
        const RegionRequirement &requirement = task.regions[index];
        const auto &premapped = mapping.input.premapped_regions;
        if (!has_data(requirement) ||
            std::find(premapped.begin(), premapped.end(), index) != premapped.end())
            continue;
        std::set<FieldID> missing = requirement.privilege_fields;
        for (const PhysicalInstance &instance : mapping.output.chosen_instances[index]) {
            if (instance.is_virtual_instance()) missing.clear();
            else instance.remove_space_fields(missing);
            if (!instance.is_virtual_instance() &&
                !view.sees(mapping.output.target_procs[0], instance.get_location()))
                fail("memory", at_region(task.get_task_name(), index),
                     "its processor does not see the memory of its instance");
        }
        if (!missing.empty())
            fail("fields", at_region(task.get_task_name(), index),
                 "its instances lack %zu of the %zu fields that it needs", missing.size(),
                 requirement.privilege_fields.size());
    }
}

}  // namespace mappertune
