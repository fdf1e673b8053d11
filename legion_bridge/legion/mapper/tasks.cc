// Decisions about tasks: the kind of processor, the processor of a task that is launched alone,
// replication, tunable values.
#include <algorithm>
#include <cstring>
#include <typeinfo>

#include "decision_log.h"
#include "failure.h"
#include "mappers/forwarding_mapper.h"
#include "policy_mapper.h"
#include "settings.h"
#include "task_names.h"

namespace mappertune {

Shared::~Shared()
{
    std::set<Mapper *> owned;
    for (const auto &entry : replaced)
        owned.insert(entry.second);
    for (Mapper *mapper : owned)
        delete mapper;
}

namespace {

// What a wrapper forwards to is its own business, which this class is let into.
struct Forwarding : Legion::Mapping::ForwardingMapper {
    static Mapper *inner(ForwardingMapper &wrapper) { return wrapper.*(&Forwarding::mapper); }
};

}  // namespace

Mapper &innermost(Mapper &mapper)
{
    auto *wrapper = dynamic_cast<Legion::Mapping::ForwardingMapper *>(&mapper);
    return wrapper ? innermost(*Forwarding::inner(*wrapper)) : mapper;
}

void Shared::replaces(Mapper *mapper, Processor processor)
{
    const std::lock_guard<std::mutex> lock(mutex);
    replaced.emplace(processor, mapper);
    // Of a class in the namespace legate, as it is spelt in names of types.
    if (strstr(typeid(innermost(*mapper)).name(), "6legate")) legate = true;
}

Mapper *Shared::replaced_at(Processor processor)
{
    const std::lock_guard<std::mutex> lock(mutex);
    auto found = replaced.find(processor);
    if (found == replaced.end()) found = replaced.find(Processor::NO_PROC);
    if (found == replaced.end()) found = replaced.begin();
    return found == replaced.end() ? nullptr : found->second;
}

bool Shared::take_turn(const MapperEvent &free)
{
    const std::lock_guard<std::mutex> lock(mutex);
    if (asked) turns.push_back(free);
    return !asked && (asked = true);
}

std::vector<MapperEvent> Shared::end_turn()
{
    const std::lock_guard<std::mutex> lock(mutex);
    asked = false;
    std::vector<MapperEvent> waiting_for_turn;
    waiting_for_turn.swap(turns);
    return waiting_for_turn;
}

PolicyMapper::PolicyMapper(MapperRuntime *runtime, const Legion::Machine &machine,
                           Processor local, std::shared_ptr<Shared> all)
    : DefaultMapper(runtime, machine, local, "mappertune"), view(machine), policy(view.shape()),
      shared(std::move(all))
{
    name = std::string("mappertune: ") + policy.name();
}

void PolicyMapper::announce() const
{
    report(std::string("policy ") + policy.name() + " " + policy.digest() + "\n");
}

PolicyMapper::TaskRules &PolicyMapper::rules_of(const Task &task)
{
    const auto known = rules.find(task.task_id);
    if (known != rules.end()) return known->second;
    TaskRules found;
    found.name = policy_name(task.get_task_name());
    const char *name = found.name.c_str();
    found.kinds = policy.task_kinds(name);
    found.limit = policy.instance_limit(name);
    found.replicates = policy.control_replicates(name);
    found.has_own_single_map = policy.has_single_map(name, MAPPER_ANY_KIND);
    for (int kind = 0; kind < MAPPER_PROCESSOR_KINDS; kind++) {
        found.has_index_map[kind] = policy.has_index_map(name, kind);
        found.has_single_map[kind] = policy.has_single_map(name, kind);
    }
    return rules.emplace(task.task_id, found).first->second;
}

bool PolicyMapper::has_variant(MapperContext ctx, const Task &task, int kind)
{
    bool &known = rules_of(task).has_variant[kind];
    if (known) return true;
    std::vector<VariantID> variants;
    runtime->find_valid_variants(ctx, task.task_id, variants, processor_kind(kind));
    known = !variants.empty();
    return known;
}

// The first of the task's kinds that this machine has and that the task has a variant for.
int PolicyMapper::chosen_kind(MapperContext ctx, const Task &task)
{
    TaskRules &rule = rules_of(task);
    if (rule.looked_for_kind) return rule.kind;
    bool any = false;
    for (int kind = 0; kind < MAPPER_PROCESSOR_KINDS && !any; kind++)
        any = view.has(kind) && has_variant(ctx, task, kind);
    if (!any)
        fail("no-variant", at_task(rule.name.c_str()),
             "it has no variant for any kind of processor that this machine has");
    for (const int kind : rule.kinds)
        if (view.has(kind) && has_variant(ctx, task, kind)) {
            rule.kind = kind;
            break;
        }
    if (rule.looked_for_kind) return rule.kind;  // by another question meanwhile
    rule.looked_for_kind = true;
    if (logging())
        log_line("kind %s %s%s", rule.name.c_str(), rule.kind < 0 ? "-" : processor_word(rule.kind),
                 rule.kinds.empty() ? "" : rule.kind < 0 ? " none-of-those-wanted" : "");
    return rule.kind;
}

void PolicyMapper::select_task_options(MapperContext ctx, const Task &task, TaskOptions &output)
{
    for (const RegionRequirement &requirement : task.regions)
        note_reduction(requirement);
    const int wanted = chosen_kind(ctx, task);
    DefaultMapper::select_task_options(ctx, task, output);
    if (wanted >= 0) output.initial_proc = view.at(wanted, static_cast<int>(node_id), 0);
    restate_options(ctx, task, output);
}

// A processor of the kind that the policy wants stays.

void PolicyMapper::restate_options(MapperContext ctx, const Task &task, TaskOptions &output)
{
    const int wanted = chosen_kind(ctx, task);
    const TaskRules &rule = rules_of(task);
    if (rule.replicates >= 0) output.replicate = rule.replicates == 1;
    // The default mapper lets the points that share a region meet while they are mapped, which
    // those that wait for the end of others would never do.
    if (limited(task)) output.check_collective_regions.clear();
    if (wanted >= 0 && kind_of(output.initial_proc.kind()) != wanted)
        output.initial_proc = view.at(wanted, static_cast<int>(node_id), 0);
    const int kind = kind_of(output.initial_proc.kind());
    if (!task.is_index_space && !task.must_epoch_task && single_map_applies(task, kind)) {
        output.initial_proc = single_processors(task, kind).front();
        output.map_locally = false;
    }
}

// A map by processor kind is for tasks that tasks launch: the first task of a program has none
// that launches it, and only a map that names it counts.
bool PolicyMapper::single_map_applies(const Task &task, int kind)
{
    const TaskRules &rule = rules_of(task);
    if (kind < 0) return false;
    return task.get_depth() > 0 ? rule.has_single_map[kind] : rule.has_own_single_map;
}

std::vector<Processor> PolicyMapper::single_processors(const Task &task, int kind)
{
    const TaskRules &rule = rules_of(task);
    mapper_point parent = {};
    int parent_kind = MAPPER_ANY_KIND;
    const bool launched = task.get_depth() > 0 && view.locate(task.orig_proc, parent_kind, parent);
    const auto places = policy.single_task(rule.name.c_str(), kind, launched ? &parent : nullptr,
                                           parent_kind);
    return processors_at(task, kind, places, "the task");
}

// The processors of places that a mapping function named, all in one node.
std::vector<Processor> PolicyMapper::processors_at(const Task &task, int kind,
                                                   const Policy::Places &places,
                                                   const std::string &what) const
{
    std::vector<Processor> found;
    for (const mapper_point &place : places) {
        const Processor processor = view.at(kind, place.node, place.processor);
        if (!processor.exists())
            fail("processor-range", at_task(task.get_task_name()),
                 "%s is mapped to processor %d of node %d, but the machine has %d nodes with %d "
                 "%s processors each",
                 what.c_str(), place.processor, place.node, view.nodes(), view.processors(kind),
                 processor_word(kind));
        if (!found.empty() && processor.address_space() != found[0].address_space())
            fail("several-nodes", at_task(task.get_task_name()),
                 "%s is mapped to processors of the nodes %d and %d: Legion takes several of one "
                 "node only",
                 what.c_str(), static_cast<int>(found[0].address_space()), place.node);
        found.push_back(processor);
    }
    if (found.empty())
        fail("processor-range", at_task(task.get_task_name()), "%s is mapped to no processor",
             what.c_str());
    return found;
}

// Replication by the policy: a shard in each node, or as many as were asked for.
void PolicyMapper::replicate_task(MapperContext ctx, const Task &task,
                                  const ReplicateTaskInput &input, ReplicateTaskOutput &output)
{
    const TaskRules &rule = rules_of(task);
    if (rule.replicates != 1) {
        DefaultMapper::replicate_task(ctx, task, input, output);
        return;
    }
    std::vector<VariantID> variants;
    runtime->find_valid_variants(ctx, task.task_id, variants, task.target_proc.kind());
    bool found = false;
    for (const VariantID variant : variants)
        if (!found && runtime->is_replicable_variant(ctx, task.task_id, variant)) {
            output.chosen_variant = variant;
            found = true;
        }
    if (!found)
        fail("not-replicable", at_task(rule.name.c_str()),
             "ControlReplicate names it, but none of its variants is marked as replicable");
    const int kind = kind_of(task.target_proc.kind());
    for (int node = 0; node < view.nodes(); node++) {
        const auto &processors = view.in_node(kind, node);
        const size_t shards = std::min(settings().shards, processors.size());
        output.target_processors.insert(output.target_processors.end(), processors.begin(),
                                        processors.begin() + static_cast<ptrdiff_t>(shards));
    }
    // One shard is no replication: Legion wants to hear of none.
    if (output.target_processors.size() == 1) output.target_processors.clear();
    log_line("replicate %s shards=%zu", rule.name.c_str(), output.target_processors.size());
}

// Asks the program's own mapper, if there is one. No mutex may be held meanwhile: the runtime may
// let the thread do something else.
template <typename Question>
void PolicyMapper::ask_own(MapperContext ctx, Question question)
{
    Mapper *own = shared->replaced_at(local_proc);
    if (!own) return;
    for (;;) {
        const MapperEvent free = runtime->create_mapper_event(ctx);
        if (shared->take_turn(free)) break;
        runtime->wait_on_mapper_event(ctx, free);
    }
    question(*own);
    for (const MapperEvent &turn : shared->end_turn())
        runtime->trigger_mapper_event(ctx, turn);
}

// Programs ask tunable values of their own mapper, which knows what they mean.
void PolicyMapper::select_tunable_value(MapperContext ctx, const Task &task,
                                        const SelectTunableInput &input,
                                        SelectTunableOutput &output)
{
    if (!shared->replaced_at(local_proc)) {
        DefaultMapper::select_tunable_value(ctx, task, input, output);
        return;
    }
    ask_own(ctx, [&](Mapper &own) { own.select_tunable_value(ctx, task, input, output); });
}

}  // namespace mappertune
