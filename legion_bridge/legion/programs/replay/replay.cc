// Executes an application on Legion: its launches in program order, with kernels that do its work.
//
//   replay PLAN [-warmup N] [-iterations N] [-no-trace] [Legion's own options]
//
// prints
//
//   CHECKSUM <16 hexadecimal digits>   of all data at the end; no mapper may change it
//   ELAPSED <seconds> s                of the iterations that count
//   CORES <seconds> s                  that they kept cores busy, those of the runtime's work too
//   THROUGHPUT <iterations a second> iterations/s
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>

#include "launching.h"
#include "point_tasks.h"
#include "reductions.h"
#include "world.h"

using namespace Legion;

namespace replay {
namespace {

constexpr TaskID TOP = 1;
constexpr TraceID ITERATION = 1;

struct Settings {
    const char *plan = nullptr;
    int warmup = 1, iterations = 3;
    bool trace = true;
};

Settings settings;
Plan plan;

// Runs while the launches run that the program's own clock counts.
class Clock {
public:
    Clock(Context ctx, Runtime *runtime) : ctx(ctx), runtime(runtime) {}

    void run(bool wanted)
    {
        if (wanted == running) return;
        runtime->issue_execution_fence(ctx).get_void_result();
        const double now = Realm::Clock::current_time();
        const double used = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
        elapsed += running ? now : -now;
        busy += running ? used : -used;
        running = wanted;
    }
    double seconds() const { return elapsed; }
    double core_seconds() const { return busy; }

private:
    Context ctx;
    Runtime *runtime;
    double elapsed = 0, busy = 0;
    bool running = false;
};

bool is_traceable(const std::vector<Launch> &loop)
{
    if (!plan.traced || !settings.trace) return false;
    for (const Launch &launch : loop)
        if (launch.blocking || !launch.timed) return false;
    return true;
}

void run_loop(Launcher &launcher, Context ctx, Runtime *runtime, Clock *clock)
{
    const bool traced = is_traceable(plan.phases[LOOP]);
    if (clock && traced) clock->run(true);
    if (traced) runtime->begin_trace(ctx, ITERATION);
    launcher.launch_phase(LOOP, [&](const Launch &launch) {
        if (clock && !traced) clock->run(launch.timed);
    });
    if (traced) runtime->end_trace(ctx, ITERATION);
}

uint64_t checksum(const World &world, Context ctx, Runtime *runtime)
{
    CpuKernels all(1);
    for (size_t number = 0; number < plan.regions.size(); number++) {
        const Region &region = plan.regions[number];
        const LogicalRegion root = world.roots[number];
        RegionRequirement requirement(root, LEGION_READ_ONLY, LEGION_EXCLUSIVE, root);
        for (size_t f = 0; f < region.fields.size(); f++)
            requirement.add_field(FIRST_FIELD + static_cast<FieldID>(f));
        PhysicalRegion mapped = runtime->map_region(ctx, InlineLauncher(requirement));
        mapped.wait_until_valid();
        const Domain domain = domain_of(region.bounds, region.dimension);
        for (size_t f = 0; f < region.fields.size(); f++) {
            const Slab slab = slab_of(mapped, domain, static_cast<int>(f), region.fields[f].bytes,
                                      'F', Privilege::READ);
            all.read(slab, {INT64_MAX, 1});
        }
        runtime->unmap_region(ctx, mapped);
    }
    return all.result();
}

void top(const Task *, const std::vector<PhysicalRegion> &, Context ctx, Runtime *runtime)
{
    const auto world = std::make_unique<World>(plan, ctx, runtime);
    share(world.get());
    Launcher launcher(*world, ctx, runtime, 0);
    launcher.launch_phase(SETUP, [](const Launch &) {});
    for (int n = 0; n < settings.warmup; n++)
        run_loop(launcher, ctx, runtime, nullptr);
    Clock clock(ctx, runtime);
    for (int n = 0; n < settings.iterations; n++)
        run_loop(launcher, ctx, runtime, &clock);
    clock.run(false);
    launcher.launch_phase(FINISH, [](const Launch &) {});
    printf("CHECKSUM %016llx\n",
           static_cast<unsigned long long>(checksum(*world, ctx, runtime)));
    printf("ELAPSED %.6f s\n", clock.seconds());
    printf("CORES %.6f s\n", clock.core_seconds());
    printf("THROUGHPUT %.6g iterations/s\n",
           clock.seconds() > 0 ? settings.iterations / clock.seconds() : 0.0);
    fflush(stdout);
    runtime->issue_execution_fence(ctx).get_void_result();
}

int count_of(const char *text, const char *option)
{
    char *end = nullptr;
    const long value = text ? strtol(text, &end, 10) : -1;
    if (!text || *end || value < 0 || value > 1000000)
        refuse(std::string(option) + " takes a whole number up to 1000000");
    return static_cast<int>(value);
}

void read_settings(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : nullptr;
        if (!strcmp(argv[i], "-warmup"))
            settings.warmup = count_of(next, argv[i++]);
        else if (!strcmp(argv[i], "-iterations"))
            settings.iterations = count_of(next, argv[i++]);
        else if (!strcmp(argv[i], "-no-trace"))
            settings.trace = false;
        else if (argv[i][0] != '-' && !settings.plan)
            settings.plan = argv[i];
    }
    if (!settings.plan)
        refuse("name the plan to execute: replay PLAN [-warmup N] [-iterations N] [-no-trace]");
}

}  // namespace
}  // namespace replay

int main(int argc, char **argv)
{
    using namespace replay;
    read_settings(argc, argv);
    plan = read_plan(settings.plan);
    Runtime::set_top_level_task_id(TOP);
    TaskVariantRegistrar registrar(TOP, "replay_top_level");
    registrar.add_constraint(ProcessorConstraint(Processor::LOC_PROC));
    Runtime::preregister_task_variant<top>(registrar, "replay_top_level");
    register_point_tasks(plan);
    register_reductions();
    Runtime::preregister_projection_functor(PIECE_OF_POINT, new PieceOfPoint());
    return Runtime::start(argc, argv);
}
