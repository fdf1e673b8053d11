// How the mapper gets into an unmodified program: preloaded, it registers itself before `main`,
// and it stands before the two functions by which a program installs a mapper of its own.
#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <typeinfo>

#include "failure.h"
#include "keeping.h"
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

// Mappers of ours in place of one of the program's, one for each processor of the node. The first
// of them tells which policy is in force.
std::shared_ptr<Shared> installed(Runtime *legion, MapperID id)
{
    static std::mutex mutex;
    static std::map<MapperID, std::weak_ptr<Shared>> known;  // it goes with the mappers
    const std::lock_guard<std::mutex> one(mutex);
    std::shared_ptr<Shared> shared = known[id].lock();
    if (shared) return shared;
    known[id] = shared = std::make_shared<Shared>();
    const Legion::Machine machine = Legion::Machine::get_machine();
    Legion::Machine::ProcessorQuery local(machine);
    local.local_address_space();
    for (const Processor processor : local) {
        if (kind_of(processor.kind()) < 0) continue;
        auto *mapper =
            new PolicyMapper(legion->get_mapper_runtime(), machine, processor, shared);
        if (known.size() == 1 && processor == local.first()) mapper->announce();
        if (id == DEFAULT_MAPPER)
            real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(legion, mapper, processor);
        else
            real<AddMapper>(ADD_MAPPER)(legion, id, mapper, processor);
    }
    return shared;
}

// The class of a mapper, less the namespaces of Legion's own.
std::string class_of(const Mapper &mapper)
{
    int status = 0;
    char *name = abi::__cxa_demangle(typeid(mapper).name(), nullptr, nullptr, &status);
    const std::string found = name ? name : typeid(mapper).name();
    free(name);
    return found;
}

// Tells once for each class that the program brings a mapper.
void tell_of(Mapper &mapper)
{
    static std::mutex mutex;
    static std::set<std::string> told;
    const std::string name = class_of(innermost(mapper));
    const std::lock_guard<std::mutex> one(mutex);
    if (name == "Legion::Mapping::DefaultMapper" || !told.insert(name).second) return;
    report((settings().keep_own ? "keeps " : "replaces ") + name + "\n");
}

// The mapper that takes the place of one of the program's: for one processor, or for all that
// share it.
void keep(Runtime *legion, MapperID id, Mapper *own, Processor processor)
{
    const std::shared_ptr<Shared> shared = installed(legion, DEFAULT_MAPPER);
    Legion::Machine::ProcessorQuery local(Legion::Machine::get_machine());
    const Processor at = processor.exists() ? processor : local.local_address_space().first();
    MapperRuntime *runtime = legion->get_mapper_runtime();
    auto *mapper = new KeepingMapper(
        runtime, own,
        std::make_unique<PolicyMapper>(runtime, Legion::Machine::get_machine(), at, shared));
    if (id == DEFAULT_MAPPER)
        real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(legion, mapper, processor);
    else
        real<AddMapper>(ADD_MAPPER)(legion, id, mapper, processor);
}

void replace(Runtime *legion, MapperID id, Mapper *own, Processor processor)
{
    tell_of(*own);
    if (settings().keep_own)
        keep(legion, id, own, processor);
    else
        installed(legion, id)->replaces(own, processor);
}

void install(Legion::Machine, Runtime *legion, const std::set<Processor> &)
{
    installed(legion, DEFAULT_MAPPER);
}

// Runs when the library is loaded, into any program: one without Legion never notices.
__attribute__((constructor)) void on_load()
{
    if (!active()) return;
    check_settings();
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
        replace(this, id, mapper, processor);
    else
        real<AddMapper>(ADD_MAPPER)(this, id, mapper, processor);
}

void Runtime::replace_default_mapper(Mapping::Mapper *mapper, Processor processor)
{
    using namespace mappertune;
    if (active())
        replace(this, DEFAULT_MAPPER, mapper, processor);
    else
        real<ReplaceDefaultMapper>(REPLACE_DEFAULT_MAPPER)(this, mapper, processor);
}

}  // namespace Legion
