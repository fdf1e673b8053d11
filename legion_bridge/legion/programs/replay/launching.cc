#include "launching.h"

#include "reductions.h"

namespace replay {

using namespace Legion;

void Launcher::launch_phase(Phase phase, const std::function<void(const Launch &)> &before)
{
    const std::vector<Launch> &launches = world.plan.phases[phase];
    for (size_t number = 0; number < launches.size(); number++) {
        if (launches[number].parent >= 0) continue;
        before(launches[number]);
        launch(phase, static_cast<int>(number));
    }
}

void Launcher::launch_children(Phase phase, int parent)
{
    for (const int child : world.plan.phases[phase][parent].children)
        launch(phase, child);
}

// A launch whose result has not come yet, in the first iteration, is not waited for.
template <typename AnyLauncher>
void Launcher::add_futures(AnyLauncher &launcher, const Launch &launch)
{
    for (const int earlier : launch.after)
        if (results[earlier].exists()) launcher.add_future(results[earlier]);
}

void Launcher::launch(Phase phase, int number)
{
    const std::vector<Launch> &launches = world.plan.phases[phase];
    const Launch &launch = launches[number];
    if (results_of != phase) results.assign(launches.size(), Future());
    results_of = phase;
    const LaunchArguments told{phase, number, point};
    const UntypedBuffer arguments(&told, sizeof told);
    const TaskID task = FIRST_TASK + static_cast<TaskID>(launch.task);
    const auto count = static_cast<unsigned>(launch.requirements.size());
    Future result;
    if (launch.extents.empty()) {
        TaskLauncher launcher(task, arguments);
        for (unsigned i = 0; i < count; i++)
            launcher.add_region_requirement(world.single_requirement(phase, number, i, point));
        add_futures(launcher, launch);
        result = runtime->execute_task(ctx, launcher);
    } else {
        IndexTaskLauncher launcher(task, world.launch_domain(phase, number), arguments, ArgumentMap());
        for (unsigned i = 0; i < count; i++)
            launcher.add_region_requirement(world.index_requirement(phase, number, i, point));
        add_futures(launcher, launch);
        if (launch.returns)
            result = runtime->execute_index_space(ctx, launcher, SUM_OF_RESULTS);
        else if (const FutureMap all = runtime->execute_index_space(ctx, launcher); launch.blocking)
            all.wait_all_results();
    }
    if (launch.returns) results[number] = result;
    if (launch.blocking && result.exists()) result.get_void_result();
}

}  // namespace replay
