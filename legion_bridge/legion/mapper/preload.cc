// How the mapper gets into an unmodified program: preloaded, it registers itself before `main`,
// and it stands before the two functions by which a program installs a mapper of its own.
#include <dlfcn.h>

#include <cstring>
#include <map>
#include <mutex>

#include "failure.h"
#include "policy_mapper.h"
#include "settings.h"

namespace mappertune {
namespace {

using Legion::MapperID;
using Legion::Runtime;

using AddMapper = void (*)(Runtime *, MapperID, Mapper *, Processor);
using ReplaceDefaultMapper = void (*)(Runtime *, Mapper *, Processor);

// The names that a C++ compiler gives to the runtime's own functions.
constexpr const char *ADD_MAPPER =
    "_ZN6Legion7Runtime10add_mapperEjPNS_7Mapping6MapperEN5Realm9ProcessorE";
constexpr const char *REPLACE_DEFAULT_MAPPER =
    "_ZN6Legion7Runtime22replace_default_mapperEPNS_7Mapping6MapperEN5Realm9ProcessorE";
constexpr MapperID DEFAULT_MAPPER = 0;

template <typename Function>
Function real(const char *symbol)
{
    void *found = dlsym(RTLD_NEXT, symbol);
    if (!found)
        fail("legion-version", "program", "its Legion has no function %s: this mapper was compiled "
             "for %s", symbol, LEGION_VERSION);
    return reinterpret_cast<Function>(found);
}

bool active()
{
    return !settings().policy.empty();
}

Processor first_processor(const Legion::Machine &machine)
{
    Legion::Machine::ProcessorQuery local(machine);
    local.local_address_space();
    Legion::Machine::ProcessorQuery cpus(local);
    cpus.only_kind(Processor::LOC_PROC);
    return cpus.count() ? cpus.first() : local.first();
}

// One mapper of ours for each mapper of the program, on all processors of the node.
PolicyMapper *installed(Runtime *legion, MapperID id)
{
    static std::mutex mutex;
    static std::map<MapperID, PolicyMapper *> mappers;
    const std::lock_guard<std::mutex> one(mutex);
    PolicyMapper *&mapper = mappers[id];
    if (mapper) return mapper;
    const Legion::Machine machine = Legion::Machine::get_machine();
    mapper = new PolicyMapper(legion->get_mapper_runtime(), machine, first_processor(machine));
    if (id == DEFAULT_MAPPER)
        real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(legion, mapper, Processor::NO_PROC);
    else
        real<AddMapper>(ADD_MAPPER)(legion, id, mapper, Processor::NO_PROC);
    return mapper;
}

void install(Legion::Machine, Runtime *legion, const std::set<Processor> &)
{
    installed(legion, DEFAULT_MAPPER)->announce();
}

// Runs when the library is loaded, into any program: one without Legion never notices.
__attribute__((constructor)) void on_load()
{
    if (!active()) return;
    if (strcmp(Runtime::get_legion_version(), LEGION_VERSION) != 0)
        fail("legion-version", "program",
             "it runs with Legion %s, but the mapper was compiled for %s: set LEGION_ROOT to the "
             "program's Legion",
             Runtime::get_legion_version(), LEGION_VERSION);
    Runtime::add_registration_callback(install, false);
}

}  // namespace
}  // namespace mappertune

namespace Legion {

void Runtime::add_mapper(MapperID id, Mapping::Mapper *mapper, Processor processor)
{
    using namespace mappertune;
    if (active())
        installed(this, id)->replaces(mapper, processor);
    else
        real<AddMapper>(ADD_MAPPER)(this, id, mapper, processor);
}

void Runtime::replace_default_mapper(Mapping::Mapper *mapper, Processor processor)
{
    using namespace mappertune;
    if (active())
        installed(this, DEFAULT_MAPPER)->replaces(mapper, processor);
    else
        real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(this, mapper, processor);
}

}  // namespace Legion
