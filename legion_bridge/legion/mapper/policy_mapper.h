// The mapper: what the policy can express it decides, all else Legion's default mapper does.
#ifndef MAPPERTUNE_POLICY_MAPPER_H
#define MAPPERTUNE_POLICY_MAPPER_H

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "machine_view.h"
#include "mappers/default_mapper.h"
#include "policy.h"

namespace mappertune {

using Legion::Domain;
using Legion::DomainPoint;
using Legion::FieldID;
using Legion::IndexSpace;
using Legion::LayoutConstraintSet;
using Legion::LogicalRegion;
using Legion::Memory;
using Legion::OutputRequirement;
using Legion::Processor;
using Legion::RegionRequirement;
using Legion::Task;
using Legion::TaskID;
using Legion::TaskLayoutConstraintSet;
using Legion::VariantID;
using Legion::Mapping::DefaultMapper;
using Legion::Mapping::Mapper;
using Legion::Mapping::MapperContext;
using Legion::Mapping::MapperEvent;
using Legion::Mapping::MapperRuntime;
using Legion::Mapping::PhysicalInstance;

// What the mappers of a node's processors share: the program's mappers whose place they take, and
// the points of limited tasks in flight, for each processor that launches them.
class Shared {
public:
    ~Shared();

    void replaces(Mapper *mapper, Processor processor);
    // The program's mapper for a processor; nullptr where it has none.
    Mapper *replaced_at(Processor processor);
    bool replaces_legate() const { return legate; }

    // One question at a time: the program may have given one mapper to several processors. Whoever
    // cannot take the turn waits for its event, and tries again.
    bool take_turn(const MapperEvent &free);
    std::vector<MapperEvent> end_turn();

    // Whether a task may start; it then counts.
    using InFlight = std::pair<TaskID, Processor>;
    bool start(const InFlight &task, size_t points, size_t limit);
    void end(const InFlight &task);
    // Mappers with nothing to start wait for these events.
    void wait(const MapperEvent &event);
    std::vector<MapperEvent> take_waiting();

private:
    std::mutex mutex;
    std::map<Processor, Mapper *> replaced;
    std::atomic<bool> legate{false};
    bool asked = false;
    std::vector<MapperEvent> turns;
    std::map<InFlight, size_t> in_flight;
    std::vector<MapperEvent> waiting;
};

// Each processor has a mapper of its own, as in most programs: one for all would make processors
// wait for each other. One question at a time is under way, and so its policy is asked one; while
// the runtime works on an answer the mapper may be asked the next.
class PolicyMapper : public DefaultMapper {
public:
    PolicyMapper(MapperRuntime *runtime, const Legion::Machine &machine, Processor local,
                 std::shared_ptr<Shared> shared);

    // Tells the file MAPPERTUNE_REPORT which policy is in force.
    void announce() const;

    const char *get_mapper_name() const override { return name.c_str(); }
    MapperSyncModel get_mapper_sync_model() const override
    {
        return SERIALIZED_REENTRANT_MAPPER_MODEL;
    }

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
    void select_tunable_value(MapperContext ctx, const Task &task,
                              const SelectTunableInput &input,
                              SelectTunableOutput &output) override;

    // What the policy states, over the answers of the program's own mapper.

    bool places(const Task &task);
    bool replicates(const Task &task) { return rules_of(task).replicates == 1; }
    bool limited(const Task &task);
    void restate_options(MapperContext ctx, const Task &task, TaskOptions &output);
    void restate_slices(const Task &task, std::vector<TaskSlice> &slices);
    void restate_mapping(MapperContext ctx, const Task &task, const MapTaskInput &input,
                         MapTaskOutput &output);
    // Starts limited tasks that have room; tells the others, and an event for more room.
    MapperEvent start_limited(MapperContext ctx, const SelectMappingInput &input,
                              SelectMappingInput &others, SelectMappingOutput &output);

    // Those of other operations stay as they are.
    using DefaultMapper::report_profiling;
    using DefaultMapper::select_sharding_functor;

protected:
    // Where the default mapper fills in what a variant's layout constraints leave open.
    void default_policy_select_constraints(MapperContext ctx, LayoutConstraintSet &constraints,
                                           Memory target_memory,
                                           const RegionRequirement &requirement) override;
    Legion::LayoutConstraintID default_policy_select_layout_constraints(
        MapperContext ctx, Memory target_memory, const RegionRequirement &requirement,
        MappingKind mapping_kind, bool needs_field_constraint_check,
        bool &force_new_instances) override;
    LogicalRegion default_policy_select_instance_region(
        MapperContext ctx, Memory target_memory, const RegionRequirement &requirement,
        const LayoutConstraintSet &constraints, bool force_new, bool meets) override;
    int default_policy_select_garbage_collection_priority(MapperContext ctx, MappingKind kind,
                                                          Memory memory,
                                                          const PhysicalInstance &instance,
                                                          bool meets_fill_constraints,
                                                          bool reduction) override;

private:
    using Instances = std::vector<PhysicalInstance>;

    // What the policy says of a task, asked once.
    struct TaskRules {
        std::string name;
        std::vector<int> kinds;
        int limit = 0;
        int replicates = -1;
        // For each processor kind.
        bool has_index_map[MAPPER_PROCESSOR_KINDS] = {};
        bool has_single_map[MAPPER_PROCESSOR_KINDS] = {};
        bool has_own_single_map = false;  // one that names the task
        // Whether the points of its launches may run on one of several processors.
        bool several[MAPPER_PROCESSOR_KINDS] = {};
        // Kinds that a variant was seen for; programs may register further ones as they run.
        bool has_variant[MAPPER_PROCESSOR_KINDS] = {};
        // Kinds whose sharding functor the runtime has.
        bool shards_known[MAPPER_PROCESSOR_KINDS] = {};
        bool looked_for_kind = false;
        int kind = -1;  // the first of `kinds` that can be; -1: the default mapper's choice
    };
    TaskRules &rules_of(const Task &task);
    int chosen_kind(MapperContext ctx, const Task &task);
    bool has_variant(MapperContext ctx, const Task &task, int kind);

    // Of an index launch, or the part of it that a node slices: which slice goes where.
    using Slices = std::vector<TaskSlice>;
    using LaunchKey = std::tuple<TaskID, int, Domain, Domain>;
    const Slices &slices_of(const Task &task, int kind, const Domain &domain);
    Slices place_points(const Task &task, int kind, const Domain &domain);
    std::vector<Processor> point_processors(const Task &task, int kind, const DomainPoint &point);
    std::vector<Processor> single_processors(const Task &task, int kind);
    std::vector<Processor> processors_at(const Task &task, int kind,
                                         const Policy::Places &places,
                                         const std::string &what) const;
    bool single_map_applies(const Task &task, int kind);
    std::string index_text(const std::vector<Processor> &processors) const;

    // One task while it is mapped.
    struct Mapping {
        const Task &task;
        const MapTaskInput &input;
        MapTaskOutput &output;
        const TaskRules &rules;
        int kind;  // of processor, in the language's numbers
        VariantID variant;
        bool inner, leaf;
        const TaskLayoutConstraintSet *constraints;
        std::set<unsigned> collected;
        bool once = false;      // the answer holds for this task alone
        PhysicalInstance kept;  // of the program's own mapper, for the argument that is mapped
    };
    // One requirement while its instances are sought.
    struct Request {
        unsigned index;
        Policy::Names names;
        Memory memory;
        bool is_virtual = false;
        mapper_layout layout = {};
        bool collected = false;
        bool exact = false;
        bool alone = false;  // no other task may have its instance
        Legion::LayoutConstraintID kept = 0;  // the layout that the program's own mapper gave it
        bool variant_layout = false;  // the variant has constraints of its own
        bool variant_order = false;   // among them where the fields lie
        bool variant_aligns = false;   // some field
        size_t variant_alignment = 0;  // bytes, for all fields; 0: any
    };
    void choose_targets(MapperContext ctx, Mapping &mapping);
    void reserve_pools(Mapping &mapping) const;
    void map_regions(MapperContext ctx, Mapping &mapping);
    void map_region(MapperContext ctx, Mapping &mapping, unsigned index);
    bool states(MapperContext ctx, const Mapping &mapping, unsigned index);
    Request request_of(MapperContext ctx, const Mapping &mapping, unsigned index);
    Memory chosen_memory(MapperContext ctx, const Mapping &mapping, Request &request);
    void narrow_targets(Mapping &mapping, Memory memory, unsigned index) const;
    std::set<FieldID> reuse_valid(MapperContext ctx, Mapping &mapping, const Request &request);
    void make_instances(MapperContext ctx, Mapping &mapping, const Request &request,
                        std::set<FieldID> fields);
    LayoutConstraintSet wanted_layout(MapperContext ctx, const RegionRequirement &requirement,
                                      Memory memory, const std::set<FieldID> *fields);
    void complete_layout(MapperContext ctx, LayoutConstraintSet &constraints, Memory memory,
                         const RegionRequirement &requirement);
    void note_alignment(MapperContext ctx, const Mapping &mapping, Request &request);
    void note_order(MapperContext ctx, const Mapping &mapping, Request &request);
    void check_copies(MapperContext ctx, const Mapping &mapping, Request &request);
    void measure_pieces(MapperContext ctx, Legion::RegionTreeID tree);
    void untrack(Mapping &mapping, const std::set<unsigned> &collected) const;
    void log_instances(const Mapping &mapping, const Request &request) const;
    [[noreturn]] void refuse_instance(const Mapping &mapping, const Request &request,
                                      size_t bytes) const;
    void map_colocated(MapperContext ctx, Mapping &mapping, std::vector<bool> &done);
    void map_group(MapperContext ctx, Mapping &mapping, const std::vector<unsigned> &group);
    void map_outputs(MapperContext ctx, Mapping &mapping);
    template <typename Question>
    void ask_own(MapperContext ctx, Question question);
    void check_instances(const Mapping &mapping) const;
    Policy::Names names_of(MapperContext ctx, const RegionRequirement &requirement,
                           unsigned index);
    // While the default mapper makes the instances of a request, it asks about them.
    class Asking {
    public:
        Asking(PolicyMapper &mapper, MapperContext ctx, const Request &request)
            : asked(mapper.requests), context(ctx)
        {
            asked[context] = &request;
        }
        ~Asking() { asked.erase(context); }
        Asking(const Asking &) = delete;
        Asking &operator=(const Asking &) = delete;

    private:
        std::map<MapperContext, const Request *> &asked;
        const MapperContext context;
    };
    const Request *request_in(MapperContext ctx) const
    {
        const auto found = requests.find(ctx);
        return found == requests.end() ? nullptr : found->second;
    }
    std::map<MapperContext, const Request *> requests;

    // Answers that were given, as long as their instances live. What a task may run on is part of
    // the question: an index map, a map of single tasks and no map differ in it, for the same
    // regions. So is whether it is a point: an output of one has more dimensions.
    struct Answer {
        VariantID variant;
        std::vector<Instances> instances;
        std::vector<Processor> targets;
        std::vector<Memory> output_targets;
        std::vector<LayoutConstraintSet> output_constraints;
        std::set<unsigned> collected;
    };
    struct AnswerKey {
        TaskID task;
        std::vector<Processor> targets;  // before its memories narrow them
        unsigned long long hash;         // of the regions
        bool point;
        bool operator==(const AnswerKey &other) const
        {
            return task == other.task && targets == other.targets && hash == other.hash &&
                   point == other.point;
        }
    };
    struct HashAnswerKey {
        size_t operator()(const AnswerKey &key) const
        {
            return static_cast<size_t>(key.hash ^ (key.targets[0].id * 0x9E3779B97F4A7C15ull));
        }
    };
    bool reuse_answer(MapperContext ctx, Mapping &mapping, const AnswerKey &key);
    void keep_answer(const Mapping &mapping, const AnswerKey &key);

    void register_sharding(MapperContext ctx, Legion::ShardingID id, size_t slot,
                           const std::string &task, int kind) const;

    std::string name;
    const MachineView view;
    const Policy policy;
    std::unordered_map<TaskID, TaskRules> rules;
    std::map<LaunchKey, Slices> slices;
    std::unordered_map<AnswerKey, Answer, HashAnswerKey> answers;
    const std::shared_ptr<Shared> shared;
};

// The mapper that does the work where others only wrap it, as Legion's for logging does.
Mapper &innermost(Mapper &mapper);

std::string names_text(const Policy::Names &names);

// Remembers the region tree of a requirement that reduces.
void note_reduction(const RegionRequirement &requirement);

}  // namespace mappertune

#endif
