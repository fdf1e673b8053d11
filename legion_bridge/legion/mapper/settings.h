// What the environment asks of the mapper.
//
//   MAPPERTUNE_POLICY   the compiled policy (a shared object made by dsl.emit_c). Without it the
//                       library keeps out of the way.
//   MAPPERTUNE_LOG      1: tell each decision on standard error; a path: append to that file
//   MAPPERTUNE_REPORT   a file that is told which policy is in force, and the line of a failure
//   MAPPERTUNE_KEEP_OWN 1: the program's own mapper decides what the policy does not state
//   MAPPERTUNE_SHARDS   shards of a control-replicated task in each node; 1 unless told otherwise
//   MAPPERTUNE_TASKS    names of tasks that the policy mentions, with commas between (task_names.h)
#ifndef MAPPERTUNE_SETTINGS_H
#define MAPPERTUNE_SETTINGS_H

#include <cstddef>
#include <string>

namespace mappertune {

struct Settings {
    std::string policy;
    std::string log;
    std::string report;
    bool keep_own = false;
    size_t shards = 1;  // 0: MAPPERTUNE_SHARDS is no such number
    std::string tasks;
};

const Settings &settings();

// Ends the process where a variable has a value that makes no sense.
void check_settings();

// Appends a line to the file MAPPERTUNE_REPORT, if there is one.
void report(const std::string &line);

}  // namespace mappertune

#endif
