// What was decided, one line each, for people and tests; silent unless MAPPERTUNE_LOG asks.
#ifndef MAPPERTUNE_DECISION_LOG_H
#define MAPPERTUNE_DECISION_LOG_H

#include <string>

#include "legion.h"

namespace mappertune {

bool logging();

// Prints "mappertune: " and the line.
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

// "(0,1)"; "-" for a task that was launched alone.
std::string point_text(const Legion::Task &task);
std::string point_text(const Legion::DomainPoint &point);

}  // namespace mappertune

#endif
