#include "settings.h"

#include <cctype>
#include <cstdlib>

#include "failure.h"

namespace mappertune {
namespace {

constexpr size_t MOST_SHARDS = 1024;

std::string variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

// A whole number from 1 to MOST_SHARDS; 0 for all else.
size_t shards_of(const std::string &text)
{
    if (text.empty()) return 1;
    size_t shards = 0;
    for (const char digit : text) {
        if (!isdigit(static_cast<unsigned char>(digit))) return 0;
        shards = shards * 10 + static_cast<size_t>(digit - '0');
        if (shards > MOST_SHARDS) return 0;
    }
    return shards;
}

Settings read_settings()
{
    Settings found;
    found.policy = variable("MAPPERTUNE_POLICY");
    found.log = variable("MAPPERTUNE_LOG");
    found.report = variable("MAPPERTUNE_REPORT");
    found.keep_own = variable("MAPPERTUNE_KEEP_OWN") == "1";
    found.shards = shards_of(variable("MAPPERTUNE_SHARDS"));
    found.tasks = variable("MAPPERTUNE_TASKS");
    return found;
}

}  // namespace

const Settings &settings()
{
    static const Settings found = read_settings();
    return found;
}

// Apart from reading them: a failure is reported to a file that the settings name.
void check_settings()
{
    if (settings().shards == 0)
        fail("bad-setting", "MAPPERTUNE_SHARDS",
             "'%s' is no whole number from 1 to %zu: set it to one, or unset it",
             variable("MAPPERTUNE_SHARDS").c_str(), MOST_SHARDS);
}

void report(const std::string &line)
{
    if (settings().report.empty()) return;
    FILE *file = fopen(settings().report.c_str(), "a");
    if (!file) return;
    fputs(line.c_str(), file);
    fclose(file);
}

}  // namespace mappertune
