#include "failure.h"

#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>

#include "settings.h"
#include "task_names.h"

namespace mappertune {

std::string at_task(const char *task)
{
    return "task " + policy_name(task);
}

std::string at_region(const char *task, unsigned index)
{
    return at_task(task) + " region " + std::to_string(index);
}

namespace {

// The text on one line, its blanks made single: sentences of a policy hold lines and carets.
std::string one_line(const char *text)
{
    std::string line;
    for (; *text; text++) {
        const bool blank = *text == '\n' || *text == '\r' || *text == '\t' || *text == ' ';
        if (!blank)
            line += *text;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    while (!line.empty() && line.back() == ' ')
        line.pop_back();
    return line;
}

void write_whole(int file, const std::string &text)
{
    const char *rest = text.data();
    for (size_t left = text.size(); left > 0;) {
        const ssize_t written = write(file, rest, left);
        if (written <= 0) return;
        rest += written;
        left -= static_cast<size_t>(written);
    }
}

}  // namespace

void fail(const char *code, const std::string &where, const char *format, ...)
{
    // One line, whichever thread is first; the others wait for the end.
    static std::atomic_flag failed = ATOMIC_FLAG_INIT;
    while (failed.test_and_set())
        pause();
    char sentence[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    const std::string line =
        std::string("mappertune: error: ") + code + ": " + where + ": " + one_line(sentence) + "\n";
    write_whole(STDERR_FILENO, line);
    report(line);
    // No destructors: other threads are in the midst of the runtime.
    _exit(EXIT_CODE);
}

}  // namespace mappertune
