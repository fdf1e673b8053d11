// Preloaded into a Legion program, it puts Legion's logging wrapper around the program's mapper,
// whichever that is, so that `-level mapper=2` tells each decision. Behind our own mapper in
// LD_PRELOAD it logs that one's.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "legion.h"
#include "mappers/default_mapper.h"
#include "mappers/logging_wrapper.h"

namespace {

using Legion::Machine;
using Legion::MapperID;
using Legion::Processor;
using Legion::Runtime;
using Legion::Mapping::DefaultMapper;
using Legion::Mapping::LoggingWrapper;
using Legion::Mapping::Mapper;

using AddMapper = void (*)(Runtime *, MapperID, Mapper *, Processor);
using ReplaceDefaultMapper = void (*)(Runtime *, Mapper *, Processor);

// The names that a C++ compiler gives to the runtime's own functions.
constexpr const char *ADD_MAPPER =
    "_ZN6Legion7Runtime10add_mapperEjPNS_7Mapping6MapperEN5Realm9ProcessorE";
constexpr const char *REPLACE_DEFAULT_MAPPER =
    "_ZN6Legion7Runtime22replace_default_mapperEPNS_7Mapping6MapperEN5Realm9ProcessorE";

template <typename Function>
Function real(const char *symbol)
{
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, symbol));
}

// A wrapper compiled for another Legion would be none.
bool fits()
{
    return strcmp(Runtime::get_legion_version(), LEGION_VERSION) == 0 &&
           real<AddMapper>(ADD_MAPPER) && real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER);
}

Mapper *logged(Mapper *mapper)
{
    return fits() ? new LoggingWrapper(mapper) : mapper;
}

// The runtime makes its default mappers without telling; here are the same, with a wrapper.
void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    for (const Processor processor : local) {
        auto *mapper = new DefaultMapper(runtime->get_mapper_runtime(), machine, processor);
        real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(runtime, logged(mapper), processor);
    }
}

__attribute__((constructor)) void on_load()
{
    const char *policy = getenv("MAPPERTUNE_POLICY");
    const bool ours = policy && *policy;  // our mapper takes the place of the default one
    if (fits() && !ours) Runtime::add_registration_callback(install, false);
}

}  // namespace

namespace Legion {

void Runtime::add_mapper(MapperID id, Mapping::Mapper *mapper, Processor processor)
{
    real<AddMapper>(ADD_MAPPER)(this, id, logged(mapper), processor);
}

void Runtime::replace_default_mapper(Mapping::Mapper *mapper, Processor processor)
{
    real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(this, logged(mapper), processor);
}

}  // namespace Legion
