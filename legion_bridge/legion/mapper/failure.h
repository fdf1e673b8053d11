// How the mapper gives up: one line in a fixed form, and an exit code of its own.
#ifndef MAPPERTUNE_FAILURE_H
#define MAPPERTUNE_FAILURE_H

#include <string>

namespace mappertune {

constexpr int EXIT_CODE = 87;

// Where something is wrong: "policy", "program", "task NAME", "task NAME region N" or the name of
// an environment variable.
std::string at_task(const char *task);
std::string at_region(const char *task, unsigned index);

// Prints "mappertune: error: CODE: WHERE: SENTENCE" on standard error, in one piece, and ends the
// process with EXIT_CODE. Legion would abort later, without a word, or hang.
[[noreturn]] void fail(const char *code, const std::string &where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

}  // namespace mappertune

#endif
