#include "decision_log.h"

#include <cstdarg>
#include <cstdio>

#include "failure.h"
#include "settings.h"

namespace mappertune {
namespace {

FILE *open_log()
{
    const std::string &wanted = settings().log;
    if (wanted.empty() || wanted == "0") return nullptr;
    if (wanted == "1") return stderr;
    FILE *file = fopen(wanted.c_str(), "a");
    if (!file) fail("log", "program", "the file %s cannot be written", wanted.c_str());
    setvbuf(file, nullptr, _IOLBF, BUFSIZ);
    return file;
}

FILE *log_file()
{
    static FILE *const file = open_log();
    return file;
}

}  // namespace

bool logging()
{
    return log_file() != nullptr;
}

void log_line(const char *format, ...)
{
    if (!logging()) return;
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(log_file(), "mappertune: %s\n", text);
}

std::string point_text(const Legion::DomainPoint &point)
{
    std::string text = "(";
    for (int d = 0; d < point.get_dim(); d++)
        text += (d ? "," : "") + std::to_string(point[d]);
    return text + ")";
}

std::string point_text(const Legion::Task &task)
{
    return task.is_index_space ? point_text(task.index_point) : "-";
}

}  // namespace mappertune
