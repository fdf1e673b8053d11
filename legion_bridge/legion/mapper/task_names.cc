#include "task_names.h"

#include <cctype>
#include <cstdio>
#include <set>
#include <sstream>

#include "settings.h"

namespace mappertune {
namespace {

bool is_plain(char c)
{
    return isalnum(static_cast<unsigned char>(c)) && static_cast<unsigned char>(c) < 128;
}

std::string written_out(const std::string &task)
{
    std::string found;
    char code[8];
    for (const char c : task) {
        snprintf(code, sizeof code, "_x%02x_", static_cast<unsigned char>(c));
        found += is_plain(c) ? std::string(1, c) : code;
    }
    return found;
}

std::set<std::string> mentioned_names()
{
    std::set<std::string> found;
    std::istringstream names(settings().tasks);
    for (std::string name; getline(names, name, ',');)
        found.insert(name);
    return found;
}

}  // namespace

std::string policy_name(const std::string &task)
{
    static const std::set<std::string> mentioned = mentioned_names();
    std::string name = written_out(task);
    if (mentioned.count(name)) return name;
    name = task;
    for (char &c : name)
        if (!is_plain(c)) c = '_';
    return name;
}

}  // namespace mappertune
