// Instances: in which memory, with which layout, found or made.
#include <algorithm>
#include <cstring>

#include "decision_log.h"
#include "failure.h"
#include "policy_mapper.h"
#include "task_names.h"

namespace mappertune {

using Legion::AlignmentConstraint;
using Legion::DimensionKind;
using Legion::FieldConstraint;
using Legion::MemoryConstraint;
using Legion::OrderingConstraint;
using Legion::SpecializedConstraint;

namespace {

Legion::EqualityKind equality(const char *operation)
{
    static const std::pair<const char *, Legion::EqualityKind> KINDS[] = {
        {"<", LEGION_LT_EK},  {"<=", LEGION_LE_EK}, {">", LEGION_GT_EK},
        {">=", LEGION_GE_EK}, {"==", LEGION_EQ_EK}, {"!=", LEGION_NE_EK}};
    for (const auto &kind : KINDS)
        if (strcmp(kind.first, operation) == 0) return kind.second;
    return LEGION_EQ_EK;
}

// F order: the first dimension is the fastest; SOA: the fields are the slowest.
OrderingConstraint ordering(int dimensions, const mapper_layout &layout)
{
    std::vector<DimensionKind> order;
    if (layout.aos) order.push_back(LEGION_DIM_F);
    for (int d = 0; d < dimensions; d++)
        order.push_back(static_cast<DimensionKind>(
            static_cast<int>(LEGION_DIM_X) + (layout.c_order ? dimensions - 1 - d : d)));
    if (!layout.aos) order.push_back(LEGION_DIM_F);
    return OrderingConstraint(order, false);
}

std::string layout_text(const mapper_layout &layout)
{
    std::string text = layout.aos ? "AOS " : "SOA ";
    text += layout.c_order ? "C_order" : "F_order";
    if (layout.compact) text += " Compact";
    if (layout.exact) text += " Exact";
    if (layout.align[0])
        text += std::string(" Align") + layout.align + std::to_string(layout.alignment);
    return text;
}

// Points that write the same data together do so in an instance each.
bool needs_instance_of_its_own(const RegionRequirement &requirement)
{
    return (requirement.prop & LEGION_COLLECTIVE_MASK) != 0 &&
           (requirement.privilege & (LEGION_WRITE_PRIV | LEGION_REDUCE)) != 0;
}

}  // namespace

// What is asked of the instance for one requirement.
PolicyMapper::Request PolicyMapper::request_of(MapperContext ctx, const Mapping &mapping,
                                               unsigned index)
{
    const RegionRequirement &requirement = mapping.task.regions[index];
    const char *task = mapping.rules.name.c_str();
    Request wanted;
    wanted.index = index;
    wanted.names = names_of(ctx, requirement, index);
    wanted.memory = chosen_memory(ctx, mapping, wanted);
    if (wanted.is_virtual) return wanted;
    wanted.layout =
        policy.layout(task, wanted.names, kind_of(wanted.memory.kind()), mapping.kind);
    // Exact says how large a compact instance may be (language reference, section 10).
    wanted.layout.exact = wanted.layout.exact && wanted.layout.compact;
    wanted.variant_layout = mapping.constraints->layouts.count(index) != 0;
    note_alignment(ctx, mapping, wanted);
    note_order(ctx, mapping, wanted);
    check_copies(ctx, mapping, wanted);
    wanted.exact = wanted.layout.exact || wanted.variant_aligns ||
                   (requirement.tag & DefaultMapper::EXACT_REGION) != 0;
    wanted.collected =
        requirement.privilege == LEGION_READ_ONLY && policy.collects(task, wanted.names);
    if (mapping.kept.exists() && !wanted.layout.found && !mapping.kept.is_external_instance())
        wanted.kept = mapping.kept.get_layout_id();
    wanted.alone = needs_instance_of_its_own(requirement);
    return wanted;
}

// The first memory that the processor sees and that the variant takes; the default mapper's choice
// where the policy has none.
Memory PolicyMapper::chosen_memory(MapperContext ctx, const Mapping &mapping, Request &wanted)
{
    const Task &task = mapping.task;
    const Processor processor = mapping.output.target_procs[0];
    const MemoryConstraint needed =
        find_memory_constraint(ctx, task, mapping.variant, wanted.index);
    for (const int kind : policy.memories(mapping.rules.name.c_str(), wanted.names, mapping.kind)) {
        wanted.is_virtual = kind == MAPPER_VIRTUAL;
        if (wanted.is_virtual) return Memory::NO_MEMORY;
        if (needed.is_valid() && needed.get_kind() != memory_kind(kind)) continue;
        const Memory memory = view.best_memory(processor, kind);
        if (memory.exists()) return memory;
    }
    if (mapping.kept.exists()) return mapping.kept.get_location();
    const Memory memory = default_policy_select_target_memory(
        ctx, processor, task.regions[wanted.index], needed);
    if (!memory.exists())
        fail("memory", at_region(task.get_task_name(), wanted.index),
             "no memory of the machine suits it");
    return memory;
}

// The layout that the policy asks for in a memory, or the default one.
LayoutConstraintSet PolicyMapper::wanted_layout(MapperContext ctx,
                                                const RegionRequirement &requirement,
                                                Memory memory, const std::set<FieldID> *fields)
{
    LayoutConstraintSet constraints;
    const Request *request = request_in(ctx);
    if (request && request->kept) {
        constraints = runtime->find_layout_constraints(ctx, request->kept);
        constraints.memory_constraint = MemoryConstraint(memory.kind());
        constraints.pointer_constraint = Legion::PointerConstraint();
        if (!fields) return constraints;
    }
    if (fields)
        constraints.add_constraint(
            FieldConstraint(std::vector<FieldID>(fields->begin(), fields->end()), false, false));
    complete_layout(ctx, constraints, memory, requirement);
    return constraints;
}

// Adds what the policy asks for where the constraints, which may be a variant's own, leave it open.
void PolicyMapper::complete_layout(MapperContext ctx, LayoutConstraintSet &constraints,
                                   Memory memory, const RegionRequirement &requirement)
{
    static const mapper_layout DEFAULT = {};
    const Request *request = request_in(ctx);
    const mapper_layout &layout = request ? request->layout : DEFAULT;
    if (requirement.privilege == LEGION_REDUCE)
        constraints.add_constraint(
            SpecializedConstraint(LEGION_AFFINE_REDUCTION_SPECIALIZE, requirement.redop));
    else if (request && request->variant_layout)
        constraints.specialized_constraint.exact |= request->exact;
    else
        constraints.add_constraint(SpecializedConstraint(
            layout.compact ? LEGION_COMPACT_SPECIALIZE : LEGION_AFFINE_SPECIALIZE, 0, false,
            layout.exact != 0));
    if (!constraints.memory_constraint.has_kind)
        constraints.add_constraint(MemoryConstraint(memory.kind()));
    if (constraints.field_constraint.field_set.empty()) {
        std::vector<FieldID> fields;
        if (requirement.privilege == LEGION_REDUCE)
            fields.assign(requirement.privilege_fields.begin(),
                          requirement.privilege_fields.end());
        else
            default_policy_select_constraint_fields(ctx, requirement, fields);
        constraints.add_constraint(FieldConstraint(fields, false, false));
    }
    std::vector<DimensionKind> &order = constraints.ordering_constraint.ordering;
    if (order.empty())
        constraints.add_constraint(
            ordering(requirement.region.get_index_space().get_dim(), layout));
    else if (std::find(order.begin(), order.end(), LEGION_DIM_F) == order.end())
        order.insert(layout.aos ? order.begin() : order.end(), LEGION_DIM_F);
    const size_t variant = request ? request->variant_alignment : 0;
    if (!constraints.alignment_constraints.empty() || (variant == 0 && !layout.align[0])) return;
    for (const FieldID field : constraints.field_constraint.field_set)
        constraints.add_constraint(AlignmentConstraint(
            field, variant ? LEGION_EQ_EK : equality(layout.align),
            variant ? variant : static_cast<size_t>(layout.alignment)));
}

// A variant that wants fields aligned has vector code that starts where its region starts, so that
// the instance must start there, too. Programs say "all fields" by the number 0, as Legion's
// circuit does; the default mapper takes that for a field.
void PolicyMapper::note_alignment(MapperContext ctx, const Mapping &mapping, Request &wanted)
{
    const auto range = mapping.constraints->layouts.equal_range(wanted.index);
    for (auto it = range.first; it != range.second; ++it)
        for (const AlignmentConstraint &alignment :
             runtime->find_layout_constraints(ctx, it->second).alignment_constraints) {
            wanted.variant_aligns = true;
            if (alignment.fid == 0)
                wanted.variant_alignment =
                    std::max(wanted.variant_alignment, alignment.alignment);
        }
}

// A variant that says how dimensions and fields lie is not asked about it.
void PolicyMapper::note_order(MapperContext ctx, const Mapping &mapping, Request &wanted)
{
    const auto range = mapping.constraints->layouts.equal_range(wanted.index);
    for (auto it = range.first; it != range.second; ++it) {
        const std::vector<DimensionKind> &order =
            runtime->find_layout_constraints(ctx, it->second).ordering_constraint.ordering;
        if (order.empty()) continue;
        const auto at = [&](DimensionKind kind) { return std::find(order.begin(), order.end(), kind); };
        if (at(LEGION_DIM_F) != order.end()) {
            wanted.layout.aos = at(LEGION_DIM_F) == order.begin();
            wanted.variant_order = true;
        }
        if (at(LEGION_DIM_Y) != order.end())
            wanted.layout.c_order = at(LEGION_DIM_Y) < at(LEGION_DIM_X);
    }
}

// Valid instances that are as asked for, or that the program attached where no layout is asked
// for; tells the fields that they lack.
std::set<FieldID> PolicyMapper::reuse_valid(MapperContext ctx, Mapping &mapping,
                                            const Request &wanted)
{
    const RegionRequirement &requirement = mapping.task.regions[wanted.index];
    const auto &valid = mapping.input.valid_instances;
    std::set<FieldID> missing = requirement.privilege_fields;
    if (requirement.privilege == LEGION_REDUCE || wanted.exact || wanted.alone ||
        wanted.index >= valid.size())
        return missing;
    LayoutConstraintSet constraints;
    {
        const Asking asking(*this, ctx, wanted);
        constraints = wanted_layout(ctx, requirement, wanted.memory, nullptr);
    }
    constraints.field_constraint = FieldConstraint(false, false);
    Instances found;
    for (const PhysicalInstance &instance : valid[wanted.index])
        if (instance.get_location() == wanted.memory &&
            (instance.entails(constraints) ||
             (instance.is_external_instance() && !wanted.layout.found)))
            found.push_back(instance);
    if (found.empty()) return missing;
    missing.clear();
    runtime->filter_instances(ctx, mapping.task, wanted.index, mapping.variant, found, missing);
    if (!runtime->acquire_and_filter_instances(ctx, found)) return requirement.privilege_fields;
    mapping.output.chosen_instances[wanted.index] = found;
    return missing;
}

// Finds or makes instances for fields, as the variant and the policy ask.
void PolicyMapper::make_instances(MapperContext ctx, Mapping &mapping, const Request &wanted,
                                  std::set<FieldID> fields)
{
    const RegionRequirement &requirement = mapping.task.regions[wanted.index];
    Instances &instances = mapping.output.chosen_instances[wanted.index];
    size_t bytes = 0;
    bool made = false;
    const Asking asking(*this, ctx, wanted);
    if (wanted.variant_layout) {
        made = default_create_custom_instances(
            ctx, mapping.output.target_procs[0], wanted.memory, requirement, wanted.index, fields,
            *mapping.constraints, true, instances, &bytes);
    } else {
        const bool some = fields.size() < requirement.privilege_fields.size();
        const LayoutConstraintSet constraints =
            wanted_layout(ctx, requirement, wanted.memory, some ? &fields : nullptr);
        const bool reduces = requirement.privilege == LEGION_REDUCE;
        instances.emplace_back();
        made = default_make_instance(ctx, wanted.memory, constraints, instances.back(), TASK_MAPPING,
                                     reduces || wanted.alone, true, requirement, &bytes);
    }
    if (!made) refuse_instance(mapping, wanted, bytes);
}

void PolicyMapper::log_instances(const Mapping &mapping, const Request &wanted) const
{
    if (!logging()) return;
    for (const PhysicalInstance &instance : mapping.output.chosen_instances[wanted.index])
        log_line("instance %s point=%s region=%u names=%s memory=%s layout=%s%s id=%lx bytes=%zu%s",
                 policy_name(mapping.task.get_task_name()).c_str(), point_text(mapping.task).c_str(),
                 wanted.index, names_text(wanted.names).c_str(),
                 memory_word(kind_of(wanted.memory.kind())),
                 layout_text(wanted.layout).c_str(), wanted.variant_layout ? " variant" : "",
                 instance.get_instance_id(), instance.get_instance_size(),
                 wanted.collected ? " collected" : "");
}

void PolicyMapper::refuse_instance(const Mapping &mapping, const Request &wanted,
                                   size_t bytes) const
{
    const Memory memory = wanted.memory;
    fail("out-of-memory", at_region(mapping.task.get_task_name(), wanted.index),
         "an instance of %zu bytes (%s) cannot be made in %s, which has %zu bytes in all: name "
         "another memory, or a layout that is smaller",
         bytes, layout_text(wanted.layout).c_str(), memory_word(kind_of(memory.kind())),
         memory.capacity());
}

void PolicyMapper::default_policy_select_constraints(MapperContext ctx,
                                                     LayoutConstraintSet &constraints,
                                                     Memory memory,
                                                     const RegionRequirement &requirement)
{
    if (request_in(ctx))
        complete_layout(ctx, constraints, memory, requirement);
    else
        DefaultMapper::default_policy_select_constraints(ctx, constraints, memory, requirement);
}

// The default mapper remembers layouts by memory kind and field space alone, which the policy may
// tell apart by task and region.
Legion::LayoutConstraintID PolicyMapper::default_policy_select_layout_constraints(
    MapperContext ctx, Memory memory, const RegionRequirement &requirement,
    MappingKind mapping_kind, bool check_fields, bool &force_new)
{
    const Request *request = request_in(ctx);
    if (!request)
        return DefaultMapper::default_policy_select_layout_constraints(
            ctx, memory, requirement, mapping_kind, check_fields, force_new);
    force_new = requirement.privilege == LEGION_REDUCE || request->alone;
    return runtime->register_layout(ctx, wanted_layout(ctx, requirement, memory, nullptr));
}

LogicalRegion PolicyMapper::default_policy_select_instance_region(
    MapperContext ctx, Memory memory, const RegionRequirement &requirement,
    const LayoutConstraintSet &constraints, bool force_new, bool meets)
{
    const Request *request = request_in(ctx);
    if (request && request->alone) return requirement.region;
    return DefaultMapper::default_policy_select_instance_region(ctx, memory, requirement,
                                                                constraints, force_new, meets);
}

// What is to be collected goes as soon as nothing needs it.
int PolicyMapper::default_policy_select_garbage_collection_priority(
    MapperContext ctx, MappingKind kind, Memory memory, const PhysicalInstance &instance,
    bool meets_fill_constraints, bool reduction)
{
    const Request *request = request_in(ctx);
    if (request && request->collected) return LEGION_GC_EAGER_PRIORITY;
    return DefaultMapper::default_policy_select_garbage_collection_priority(
        ctx, kind, memory, instance, meets_fill_constraints, reduction);
}

}  // namespace mappertune
