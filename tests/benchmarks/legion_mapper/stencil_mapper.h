// A mapper for the tiny stencil as an expert writes one by hand: everything it needs to know about
// the program is in it.
#ifndef STENCIL_MAPPER_H
#define STENCIL_MAPPER_H

#include <map>
#include <utility>
#include <vector>

#include "legion.h"
#include "mappers/default_mapper.h"

class StencilMapper : public Legion::Mapping::DefaultMapper {
public:
    StencilMapper(Legion::Mapping::MapperRuntime *rt, Legion::Machine m, Legion::Processor local)
        : DefaultMapper(rt, m, local, "stencil mapper")
    {
    }

    // Blocks of rows: each processor gets one slice.
    void slice_task(const Legion::Mapping::MapperContext ctx, const Legion::Task &task,
                    const SliceTaskInput &input, SliceTaskOutput &output) override
    {
        if (input.domain.get_dim() != 2) {
            DefaultMapper::slice_task(ctx, task, input, output);
            return;
        }
        const Legion::Rect<2> rect = input.domain;
        const long rows = rect.hi[0] - rect.lo[0] + 1, count = static_cast<long>(local_cpus.size());
        for (long p = 0; p < count; p++) {
            const Legion::Rect<2> part(
                Legion::Point<2>(rect.lo[0] + rows * p / count, rect.lo[1]),
                Legion::Point<2>(rect.lo[0] + rows * (p + 1) / count - 1, rect.hi[1]));
            if (part.volume() == 0) continue;
            output.slices.emplace_back(part, local_cpus[static_cast<size_t>(p)], false, false);
        }
    }

    void map_task(const Legion::Mapping::MapperContext ctx, const Legion::Task &task,
                  const MapTaskInput &input, MapTaskOutput &output) override
    {
        if (task.regions.empty() || !task.is_index_space) {
            DefaultMapper::map_task(ctx, task, input, output);
            return;
        }
        output.chosen_variant = variant_of(ctx, task);
        output.target_procs.push_back(task.target_proc);
        const Legion::Memory memory =
            default_policy_select_target_memory(ctx, task.target_proc, task.regions[0]);
        for (size_t i = 0; i < task.regions.size(); i++)
            output.chosen_instances[i].push_back(instance_of(ctx, task.regions[i], memory));
        runtime->acquire_instances(ctx, output.chosen_instances);
    }

private:
    Legion::VariantID variant_of(const Legion::Mapping::MapperContext ctx,
                                 const Legion::Task &task)
    {
        const auto known = variants.find(task.task_id);
        if (known != variants.end()) return known->second;
        std::vector<Legion::VariantID> found;
        runtime->find_valid_variants(ctx, task.task_id, found, Legion::Processor::LOC_PROC);
        return variants[task.task_id] = found.at(0);
    }

    const Legion::Mapping::PhysicalInstance &instance_of(const Legion::Mapping::MapperContext ctx,
                                                         const Legion::RegionRequirement &req,
                                                         Legion::Memory memory)
    {
        const std::pair<Legion::LogicalRegion, Legion::Memory> key(req.region, memory);
        const auto known = instances.find(key);
        if (known != instances.end()) return known->second;
        Legion::LayoutConstraintSet layout;
        default_policy_select_constraints(ctx, layout, memory, req);
        Legion::Mapping::PhysicalInstance instance;
        default_make_instance(ctx, memory, layout, instance, TASK_MAPPING, false, true, req);
        return instances[key] = instance;
    }

    std::map<Legion::TaskID, Legion::VariantID> variants;
    std::map<std::pair<Legion::LogicalRegion, Legion::Memory>, Legion::Mapping::PhysicalInstance>
        instances;
};

#endif
