// Control replication: which shard owns which point of an index launch.
#include <map>
#include <mutex>

#include "failure.h"
#include "policy_mapper.h"
#include "settings.h"

namespace mappertune {
namespace {

constexpr size_t SLOTS = 1 << 16;

// Asks the same function as slicing does, from whatever thread: it has a policy of its own.
class PolicySharding : public Legion::ShardingFunctor {
public:
    PolicySharding(const MachineView &machine, std::string task_name, int processor_kind)
        : view(machine), task(std::move(task_name)), kind(processor_kind), policy(view.shape())
    {
    }

    Legion::ShardID shard(const DomainPoint &point, const Domain &domain,
                          const size_t shards) override
    {
        const Policy::Places places = ask(point, domain);
        const size_t each = shards / static_cast<size_t>(view.nodes());
        if (places.empty() || !view.at(kind, places[0].node, places[0].processor).exists())
            fail("processor-range", at_task(task.c_str()),
                 "a point is mapped to a processor that the machine does not have");
        // The shards of a node share its processors.
        const size_t within = static_cast<size_t>(places[0].processor) * each /
                              static_cast<size_t>(view.processors(kind));
        return static_cast<Legion::ShardID>(static_cast<size_t>(places[0].node) * each + within);
    }

private:
    Policy::Places ask(const DomainPoint &point, const Domain &domain)
    {
        const std::lock_guard<std::mutex> one_question(mutex);
        return policy.index_point(task.c_str(), kind, domain, point);
    }

    const MachineView &view;
    const std::string task;
    const int kind;
    const Policy policy;
    std::mutex mutex;
};

// A number that all nodes agree on without talking: it depends on the name and the kind alone.
size_t slot_of(const std::string &task, int kind)
{
    uint64_t hash = 0xCBF29CE484222325ull + static_cast<uint64_t>(kind);
    for (const char c : task)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    return static_cast<size_t>((hash ^ (hash >> 32)) % SLOTS);
}

// Which task a number stands for, and when the runtime knows it.
struct Registration {
    std::string task;
    int kind = -1;
    MapperEvent done;
};

}  // namespace

void PolicyMapper::select_sharding_functor(MapperContext ctx, const Task &task,
                                           const SelectShardingFunctorInput &input,
                                           SelectShardingFunctorOutput &output)
{
    TaskRules &rule = rules_of(task);
    int kind = chosen_kind(ctx, task);
    if (kind < 0) kind = kind_of(default_find_preferred_variant(task, ctx, false).proc_kind);
    if (!task.is_index_space || kind < 0 || !rule.has_index_map[kind]) {
        DefaultMapper::select_sharding_functor(ctx, task, input, output);
        return;
    }
    const size_t slot = slot_of(rule.name, kind);
    output.chosen_functor = static_cast<Legion::ShardingID>(
        Legion::Runtime::get_runtime()->generate_library_sharding_ids("mappertune", SLOTS) + slot);
    bool &known = rule.shards_known[kind];
    if (!known) register_sharding(ctx, output.chosen_functor, slot, rule.name, kind);
    known = true;
}

// Once in a process, by the mapper that is first. No mutex may be held while the runtime registers
// the functor: it may let the thread do something else meanwhile, such as asking another mapper the
// same, and that would wait for a mutex that its own thread holds.
void PolicyMapper::register_sharding(MapperContext ctx, Legion::ShardingID id, size_t slot,
                                     const std::string &task, int kind) const
{
    static std::mutex mutex;
    static std::map<size_t, Registration> registrations;
    const Registration mine = {task, kind, runtime->create_mapper_event(ctx)};
    Registration known;
    {
        const std::lock_guard<std::mutex> one_look(mutex);
        known = registrations.emplace(slot, mine).first->second;
    }
    if (known.task != task || known.kind != kind)
        fail("sharding", at_task(task.c_str()),
             "its sharding functor has the number of that of task %s: rename one of them",
             known.task.c_str());
    const bool first = known.done == mine.done;
    if (first)
        Legion::Runtime::get_runtime()->register_sharding_functor(
            id, new PolicySharding(view, task, kind), true);
    runtime->trigger_mapper_event(ctx, mine.done);
    if (!first) runtime->wait_on_mapper_event(ctx, known.done);
}

}  // namespace mappertune
