// Leaf tasks that allocate while they run, under a mapper of the program's own.
//
//   bounds   the variant says how much it allocates at most
//   legate   the program's mapper is of legate's kind, which says so when it maps
//   wrapped  so it is, inside a mapper that logs, as legate has it
#include <cstdio>
#include <cstring>

#include "legion.h"
#include "mappers/default_mapper.h"
#include "mappers/logging_wrapper.h"

using namespace Legion;

namespace legate {

class OwnMapper : public Mapping::DefaultMapper {
public:
    using DefaultMapper::DefaultMapper;
};

}  // namespace legate

namespace {

enum { TOP = 1, LEAF, OWN_MAPPER = 5 };

bool like_legate = false, wrapped = false;

void leaf(const Task *, const std::vector<PhysicalRegion> &, Context, Runtime *)
{
    const DeferredBuffer<double, 1> room(Rect<1>(0, 99), Memory::SYSTEM_MEM);
    room[7] = 7;
    printf("ALLOCATED %g\n", static_cast<double>(room[7]));
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const IndexSpace points = runtime->create_index_space(ctx, Rect<1>(0, 3));
    IndexLauncher launcher(LEAF, points, UntypedBuffer(), ArgumentMap());
    launcher.map_id = OWN_MAPPER;
    runtime->execute_index_space(ctx, launcher);
}

void install(Machine machine, Runtime *runtime, const std::set<Processor> &local)
{
    Mapping::MapperRuntime *mapping = runtime->get_mapper_runtime();
    for (const Processor p : local) {
        Mapping::Mapper *mapper = nullptr;
        if (like_legate)
            mapper = new legate::OwnMapper(mapping, machine, p);
        else
            mapper = new Mapping::DefaultMapper(mapping, machine, p);
        if (wrapped) mapper = new Mapping::LoggingWrapper(mapper);
        runtime->add_mapper(OWN_MAPPER, mapper, p);
    }
}

}  // namespace

int main(int argc, char **argv)
{
    bool bounds = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "bounds")) bounds = true;
        if (!strcmp(argv[i], "wrapped")) wrapped = true;
        if (!strcmp(argv[i], "legate") || wrapped) like_legate = true;
    }
    Runtime::set_top_level_task_id(TOP);
    TaskVariantRegistrar launching(TOP, "top");
    launching.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    Runtime::preregister_task_variant<top>(launching, "top");
    TaskVariantRegistrar allocating(LEAF, "leaf");
    allocating.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    allocating.set_leaf();
    if (bounds) allocating.leaf_pool_bounds[Memory::SYSTEM_MEM] = PoolBounds(4096);
    Runtime::preregister_task_variant<leaf>(allocating, "leaf");
    Runtime::add_registration_callback(install);
    return Runtime::start(argc, argv);
}
