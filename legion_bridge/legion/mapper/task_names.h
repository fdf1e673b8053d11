// Names of tasks, as the language can write them.
#ifndef MAPPERTUNE_TASK_NAMES_H
#define MAPPERTUNE_TASK_NAMES_H

#include <string>

namespace mappertune {

// The name that the policy has for a task: cupynumeric::BinaryOpTask has colons, which are spelt
// `_`. Where several tasks would be spelt alike, a policy that tells them apart writes each of
// these characters out: `v.step` is `v_x2e_step`, and `v_step` is `v_x5f_step`. The variable
// MAPPERTUNE_TASKS lists the names that it mentions.
std::string policy_name(const std::string &task);

}  // namespace mappertune

#endif
