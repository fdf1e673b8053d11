// Preloaded into a Legion program, it puts Legion's logging wrapper around the program's mapper,
// whichever that is, so that `-level mapper=2` tells each decision, and which mapper took it. Behind
// our own mapper in LD_PRELOAD it logs that one's.
#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <typeinfo>

#include "legion.h"
#include "mappers/default_mapper.h"
#include "mappers/logging_wrapper.h"

namespace {

using Legion::DimensionKind;
using Legion::Logger;
using Legion::Machine;
using Legion::MapperID;
using Legion::Processor;
using Legion::Runtime;
using Legion::Task;
using Legion::Mapping::DefaultMapper;
using Legion::Mapping::ForwardingMapper;
using Legion::Mapping::LoggingWrapper;
using Legion::Mapping::Mapper;
using Legion::Mapping::MapperContext;

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

Logger decisions("mapper");  // the wrapper's own category

std::string letters(const std::vector<DimensionKind> &ordering)
{
    std::string order;
    for (const DimensionKind dimension : ordering)
        order += dimension == LEGION_DIM_F ? 'F' : "XYZWVUTSR"[dimension % 9];
    return order;
}

// The wrapper, which says nothing of the outputs of a task.
class Recorder : public LoggingWrapper {
public:
    explicit Recorder(Mapper *mapper) : LoggingWrapper(mapper, &decisions) {}

    void map_task(MapperContext context, const Task &task, const MapTaskInput &input,
                  MapTaskOutput &output) override
    {
        LoggingWrapper::map_task(context, task, input, output);
        for (size_t i = 0; i < task.output_regions.size(); i++) {
            std::stringstream line;  // one message: another thread's would come between its parts
            line << "  OUTPUT[" << task.regions.size() + i << "]: memory=";
            if (i < output.output_targets.size()) line << output.output_targets[i];
            line << ",order=";
            if (i < output.output_constraints.size())
                line << letters(output.output_constraints[i].ordering_constraint.ordering);
            decisions.info() << line.str();
        }
    }
};

struct Wrapped : ForwardingMapper {
    static const Mapper &of(const ForwardingMapper &wrapper) { return *(wrapper.*&Wrapped::mapper); }
};

// The class of a mapper, as its program calls it; of a wrapper, that of the mapper inside.
std::string class_of(const Mapper &mapper)
{
    if (const auto *wrapper = dynamic_cast<const ForwardingMapper *>(&mapper))
        return class_of(Wrapped::of(*wrapper));
    int failed = 0;
    const char *known = typeid(mapper).name();
    char *readable = abi::__cxa_demangle(known, nullptr, nullptr, &failed);
    std::string name = failed ? known : readable;
    free(readable);
    const std::string unnamed = "(anonymous namespace)::";
    if (name.compare(0, unnamed.size(), unnamed) == 0) name.erase(0, unnamed.size());
    return name;
}

Mapper *logged(Mapper *mapper)
{
    if (!fits()) return mapper;
    decisions.info() << "MAPPER " << class_of(*mapper) << ": " << mapper->get_mapper_name();
    return new Recorder(mapper);
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
