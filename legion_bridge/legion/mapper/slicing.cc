// Index launches: which point goes to which processor, and in which slices.
#include <algorithm>

#include "decision_log.h"
#include "failure.h"
#include "policy_mapper.h"

namespace mappertune {
namespace {

// A box of points with one processor, as long as it is without holes.
struct Box {
    DomainPoint lower, upper;
    size_t points = 0;

    void add(const DomainPoint &point)
    {
        if (points++ == 0) {
            lower = upper = point;
            return;
        }
        for (int d = 0; d < point.get_dim(); d++) {
            lower[d] = std::min(lower[d], point[d]);
            upper[d] = std::max(upper[d], point[d]);
        }
    }

    bool full() const { return Domain(lower, upper).get_volume() == points; }
};

}  // namespace

void PolicyMapper::slice_task(MapperContext ctx, const Task &task, const SliceTaskInput &input,
                              SliceTaskOutput &output)
{
    if (places(task)) {
        output.slices = slices_of(task, kind_of(task.target_proc.kind()), input.domain);
        return;
    }
    DefaultMapper::slice_task(ctx, task, input, output);
    restate_slices(task, output.slices);
}

// Whether an index map says where its points go.
bool PolicyMapper::places(const Task &task)
{
    const int kind = kind_of(task.target_proc.kind());
    return task.is_index_space && !task.must_epoch_task && kind >= 0 &&
           rules_of(task).has_index_map[kind];
}

// A limit counts points, so each must be mapped by itself.
void PolicyMapper::restate_slices(const Task &task, Slices &slices)
{
    if (rules_of(task).limit == 0) return;
    Slices points;
    for (const TaskSlice &slice : slices)
        for (Domain::DomainPointIterator it(slice.domain); it; it++)
            points.emplace_back(Domain(it.p, it.p), slice.proc, false, slice.stealable);
    slices.swap(points);
}

const PolicyMapper::Slices &PolicyMapper::slices_of(const Task &task, int kind,
                                                    const Domain &domain)
{
    const LaunchKey key(task.task_id, kind, task.index_domain, domain);
    const auto known = slices.find(key);
    if (known != slices.end()) return known->second;
    return slices.emplace(key, place_points(task, kind, domain)).first->second;
}

// Asks the policy for every point. The points of one processor become one slice where they fill
// a box, which costs the runtime less than a slice for each; where points are counted, or must
// run at once, each is a slice.
PolicyMapper::Slices PolicyMapper::place_points(const Task &task, int kind, const Domain &domain)
{
    TaskRules &rule = rules_of(task);
    Slices single;
    std::map<Processor, Box> boxes;
    for (Domain::DomainPointIterator it(domain); it; it++) {
        const std::vector<Processor> processors = point_processors(task, kind, it.p);
        if (processors.size() > 1) rule.several[kind] = true;
        if (task.concurrent_task && boxes.count(processors[0]))
            fail("concurrent-points", at_task(rule.name.c_str()),
                 "its points run concurrently, but two of them are mapped to one processor");
        boxes[processors[0]].add(it.p);
        single.emplace_back(Domain(it.p, it.p), processors[0], false, false);
        log_line("slice %s kind=%s point=%s node=%d processor=%s", rule.name.c_str(),
                 processor_word(kind), point_text(it.p).c_str(),
                 static_cast<int>(processors[0].address_space()), index_text(processors).c_str());
    }
    if (single.size() != domain.get_volume())
        fail("slices", at_task(rule.name.c_str()), "%zu of the %zu points of its launch were placed",
             single.size(), domain.get_volume());
    const bool full = std::all_of(boxes.begin(), boxes.end(),
                                  [](const auto &entry) { return entry.second.full(); });
    const bool merges = full && rule.limit == 0 && !task.concurrent_task;
    log_line("slices %s points=%zu slices=%zu", rule.name.c_str(), single.size(),
             merges ? boxes.size() : single.size());
    if (!merges) return single;
    Slices merged;
    for (const auto &entry : boxes)
        merged.emplace_back(Domain(entry.second.lower, entry.second.upper), entry.first, false,
                            false);
    return merged;
}

std::string PolicyMapper::index_text(const std::vector<Processor> &processors) const
{
    std::string text;
    for (const Processor processor : processors) {
        int kind = 0;
        mapper_point place = {};
        const bool placed = view.locate(processor, kind, place);
        text += (text.empty() ? "" : ",") + (placed ? std::to_string(place.processor) : "?");
    }
    return text;
}

// Where one point of a launch may run.
std::vector<Processor> PolicyMapper::point_processors(const Task &task, int kind,
                                                      const DomainPoint &point)
{
    const auto places =
        policy.index_point(rules_of(task).name.c_str(), kind, task.index_domain, point);
    return processors_at(task, kind, places, "point " + point_text(point));
}

}  // namespace mappertune
