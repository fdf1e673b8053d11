#include "settings.h"

#include <cstdlib>

#include "failure.h"

namespace mappertune {
namespace {

std::string variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

Settings read_settings()
{
    Settings found;
    found.policy = variable("MAPPERTUNE_POLICY");
    found.log = variable("MAPPERTUNE_LOG");
    found.report = variable("MAPPERTUNE_REPORT");
    const std::string shards = variable("MAPPERTUNE_SHARDS");
    if (!shards.empty()) found.shards = strtoul(shards.c_str(), nullptr, 10);
    if (found.shards < 1 || found.shards > 1024) found.shards = 1;
    return found;
}

}  // namespace

const Settings &settings()
{
    static const Settings found = read_settings();
    return found;
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
