// Preloaded into a Legion program, it puts Legion's logging wrapper around the default mapper.
#include "legion.h"
#include "mappers/default_mapper.h"
#include "mappers/logging_wrapper.h"

namespace {

using namespace Legion;
using namespace Legion::Mapping;

void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor p : local) {
        auto *mapper = new DefaultMapper(runtime->get_mapper_runtime(), machine, p, "default");
        runtime->replace_default_mapper(new LoggingWrapper(mapper), p);
    }
}

__attribute__((constructor)) void on_load()
{
    Runtime::add_registration_callback(install, false);
}

}  // namespace
