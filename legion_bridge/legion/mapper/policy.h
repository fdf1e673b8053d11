// The compiled policy: loaded from its shared object, and asked.
#ifndef MAPPERTUNE_POLICY_H
#define MAPPERTUNE_POLICY_H

#include <string>
#include <vector>

#include "machine_view.h"
#include "mapper_abi.h"

namespace mappertune {

// One policy, loaded for this machine. It answers one question at a time: whoever shares it
// between threads locks it.
class Policy {
public:
    // Ends the process where the shared object is none of ours, or its top level fails.
    explicit Policy(const mapper_machine &machine);
    ~Policy();
    Policy(const Policy &) = delete;
    Policy &operator=(const Policy &) = delete;

    const char *name() const { return api->name; }
    const char *digest() const { return api->sha256; }

    // The names of a region, in the order of look-up.
    using Names = std::vector<std::string>;

    std::vector<int> task_kinds(const char *task) const;
    std::vector<int> memories(const char *task, const Names &names, int kind) const;
    mapper_layout layout(const char *task, const Names &names, int memory, int kind) const;
    int instance_limit(const char *task) const;
    bool collects(const char *task, const Names &names) const;
    // 1 yes, 0 no, -1 where Legion decides.
    int control_replicates(const char *task) const;
    bool has_index_map(const char *task, int kind) const { return has_map(task, kind, 0); }
    bool has_single_map(const char *task, int kind) const { return has_map(task, kind, 1); }

    // These end the process where the mapping function fails.
    using Places = std::vector<mapper_point>;
    Places index_point(const char *task, int kind, const Legion::Domain &launch,
                       const Legion::DomainPoint &point) const;
    Places single_task(const char *task, int kind, const mapper_point *parent,
                       int parent_kind) const;

private:
    bool has_map(const char *task, int kind, int single) const;
    // The places that a question is answered with; it is asked again where there are more of them
    // than were expected.
    template <typename Question>
    Places places_of(const char *task, const char *name, Question question) const;
    [[noreturn]] void refuse(const char *task, const char *question, int32_t code) const;

    const mapper_api *api = nullptr;
    mapper_policy *policy = nullptr;
};

}  // namespace mappertune

#endif
