// Reads a plan. Its words are separated by white space; names have theirs as %XX. Whatever refers
// to something else in the plan is checked as it is read.
#include "plan.h"

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "legion.h"

namespace replay {
namespace {

constexpr int64_t MOST_POINTS = int64_t{1} << 31;  // of a launch, over all points of its parents
constexpr int64_t MOST_BYTES = int64_t{1} << 31;   // of a field

class Reader {
public:
    explicit Reader(const char *path) : path(path), file(path)
    {
        if (!file) refuse(std::string(path) + " cannot be read");
    }

    std::string word()
    {
        std::string text;
        if (!(file >> text)) refuse(std::string(path) + " ends too early: write it anew");
        return text;
    }

    void expect(const char *wanted)
    {
        const std::string found = word();
        if (found != wanted) instead(found, wanted);
    }

    int64_t number(int64_t least = INT64_MIN, int64_t most = INT64_MAX)
    {
        const std::string text = word();
        char *end = nullptr;
        errno = 0;
        const int64_t value = std::strtoll(text.c_str(), &end, 10);
        if (*end || errno || value < least || value > most) {
            const bool any = least == INT64_MIN;
            instead(text, any ? "a whole number"
                              : "a whole number from " + std::to_string(least) + " to " +
                                    std::to_string(most));
        }
        return value;
    }
    int small(int64_t least, int64_t most) { return static_cast<int>(number(least, most)); }
    // The number of one of so many.
    int index(size_t count) { return small(0, static_cast<int64_t>(count) - 1); }
    int index_or_none(size_t count) { return small(-1, static_cast<int64_t>(count) - 1); }
    bool flag() { return number(0, 1) != 0; }

    char letter(const char *possible)
    {
        const std::string text = word();
        if (text.size() != 1 || !std::strchr(possible, text[0]))
            instead(text, std::string("one of the letters ") + possible);
        return text[0];
    }

    double amount()
    {
        const std::string text = word();
        char *end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        if (*end || !std::isfinite(value) || value < 0) instead(text, "an amount");
        return value;
    }

    std::string name()
    {
        const std::string text = word();
        std::string plain;
        for (size_t i = 0; i < text.size(); i++)
            if (text[i] == '%') {
                if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
                    !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
                    instead(text, "a name");
                plain += static_cast<char>(std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
                i += 2;
            } else {
                plain += text[i];
            }
        return plain;
    }

    template <typename Read> auto list(Read read)
    {
        std::vector<decltype(read())> found;
        for (int64_t left = number(0, INT64_MAX); left > 0; left--)
            found.push_back(read());
        return found;
    }
    std::vector<int> indices(size_t count)
    {
        return list([&] { return index(count); });
    }

    Column column()
    {
        return {list([&] { return amount(); })};
    }

    Box box(int dimension)
    {
        Box found;
        for (Corner *corner : {&found.lower, &found.upper})
            for (int d = 0; d < dimension; d++)
                (*corner)[d] = number();
        return found;
    }

    // What is wrong with the plan as a whole.
    [[noreturn]] void broken(const std::string &what) const
    {
        refuse(std::string(path) + ": " + what + ": write it anew");
    }

private:
    [[noreturn]] void instead(const std::string &found, const std::string &wanted) const
    {
        broken(found + " stands where " + wanted + " should");
    }

    const char *path;
    std::ifstream file;
};

TaskKind read_task(Reader &in)
{
    TaskKind task;
    task.name = in.name();
    task.inner = in.flag();
    task.leaf = in.flag();
    task.returns = in.flag();
    task.processors = in.list([&] { return in.word(); });
    task.needs = in.list([&] {
        Need need;
        need.requirement = static_cast<unsigned>(in.number(0, INT32_MAX));
        need.order = in.letter("CF-");
        need.fields = in.letter("SA-");
        need.reduces = static_cast<size_t>(in.number(0, MOST_BYTES));
        return need;
    });
    return task;
}

Region read_region(Reader &in)
{
    Region region;
    region.name = in.name();
    region.dimension = in.small(1, MOST_DIMENSIONS);
    region.bounds = in.box(region.dimension);
    region.fields = in.list([&] {
        Field field;
        field.name = in.name();
        field.bytes = static_cast<size_t>(in.number(1, MOST_BYTES));
        return field;
    });
    return region;
}

Partition read_partition(Reader &in, const std::vector<Region> &regions)
{
    Partition partition;
    partition.name = in.name();
    partition.region = in.index(regions.size());
    const int dimension = regions[partition.region].dimension;
    partition.pieces = in.list([&] { return in.box(dimension); });
    return partition;
}

Requirement read_requirement(Reader &in, const Plan &plan)
{
    Requirement requirement;
    requirement.region = in.index(plan.regions.size());
    requirement.partition = in.index_or_none(plan.partitions.size());
    requirement.privilege = static_cast<Privilege>(in.index(PRIVILEGES));
    requirement.is_virtual = in.flag();
    requirement.traversal = in.letter("CF");
    requirement.under = in.small(-1, INT32_MAX);
    requirement.fields = in.indices(plan.regions[requirement.region].fields.size());
    requirement.colors = in.list([&] { return in.number(); });
    requirement.traffic = in.column();
    requirement.accesses = in.column();
    return requirement;
}

// The launch with a number among so many.
Launch read_launch(Reader &in, const Plan &plan, size_t number, size_t launches)
{
    Launch launch;
    launch.task = in.index(plan.tasks.size());
    launch.lower = in.list([&] { return in.number(-MOST_POINTS, MOST_POINTS); });
    launch.extents = in.list([&] { return in.number(1, MOST_POINTS); });
    launch.points = in.list([&] {
        std::vector<int64_t> point(launch.extents.size());
        for (int64_t &coordinate : point)
            coordinate = in.number(-MOST_POINTS, 2 * MOST_POINTS);
        return point;
    });
    launch.parent = in.index_or_none(number);
    launch.blocking = in.flag();
    launch.timed = in.flag();
    launch.returns = in.flag();
    launch.after = in.indices(launches);
    launch.rate = static_cast<Rate>(in.index(RATES));
    launch.flops = in.column();
    launch.requirements = in.list([&] { return read_requirement(in, plan); });
    return launch;
}

// That there is a number for each of the points, or one for all.
void check_column(const Reader &in, const Column &column, int64_t points)
{
    const auto count = static_cast<int64_t>(column.values.size());
    if (count != 1 && count != points)
        in.broken("a launch of " + std::to_string(points) + " points has " +
                  std::to_string(count) + " amounts");
}

// That each point has a piece of the partition.
void check_colors(const Reader &in, const Plan &plan, const Requirement &requirement,
                  int64_t points)
{
    if (requirement.partition < 0) return;
    const Partition &partition = plan.partitions[requirement.partition];
    if (partition.region != requirement.region)
        in.broken("a launch takes pieces of " + partition.name + " for another region");
    const auto pieces = static_cast<int64_t>(partition.pieces.size());
    const auto colors = static_cast<int64_t>(requirement.colors.size());
    bool right = colors == 0 ? points <= pieces : colors == points;
    for (const int64_t color : requirement.colors)
        right = right && color >= 0 && color < pieces;
    if (!right)
        in.broken("a launch of " + std::to_string(points) + " points takes pieces that " +
                  partition.name + " does not have");
}

void check_domain(const Reader &in, const Launch &launch)
{
    const size_t dimensions = launch.extents.size();
    if (dimensions > LEGION_MAX_DIM ||
        (!launch.lower.empty() && launch.lower.size() != dimensions))
        in.broken("a launch domain has " + std::to_string(dimensions) + " dimensions and " +
                  std::to_string(launch.lower.size()) + " lower bounds");
    int64_t most = MOST_POINTS;
    for (const int64_t extent : launch.extents)
        most /= extent;
    if (most == 0) in.broken("a launch has too many points");
}

// What can be seen of a launch once those before it, among them its parent, are known.
void check_launch(const Reader &in, const Plan &plan, Phase phase, int number)
{
    const Launch &launch = plan.phases[phase][number];
    check_domain(in, launch);
    const int64_t points = plan.points(phase, number);
    if (points > MOST_POINTS) in.broken("a launch has too many points");
    check_column(in, launch.flops, points);
    for (const Requirement &requirement : launch.requirements) {
        check_column(in, requirement.traffic, points);
        check_column(in, requirement.accesses, points);
        check_colors(in, plan, requirement, points);
        if (launch.parent < 0) continue;
        const auto held = plan.phases[phase][launch.parent].requirements.size();
        if (requirement.under < 0 || static_cast<size_t>(requirement.under) >= held)
            in.broken("a nested launch takes what its parent does not hold");
    }
}

void read_phase(Reader &in, Plan &plan, Phase phase)
{
    in.expect("launches");
    std::vector<Launch> &launches = plan.phases[phase];
    const auto count = static_cast<size_t>(in.number(0, INT32_MAX));
    for (size_t number = 0; number < count; number++) {
        launches.push_back(read_launch(in, plan, number, count));
        check_launch(in, plan, phase, static_cast<int>(number));
        const int parent = launches.back().parent;
        if (parent >= 0) launches[parent].children.push_back(static_cast<int>(number));
    }
}

}  // namespace

int64_t Launch::volume() const
{
    if (!points.empty()) return static_cast<int64_t>(points.size());
    int64_t volume = 1;
    for (const int64_t extent : extents)
        volume *= extent;
    return volume;
}

int64_t Plan::points(Phase phase, int launch) const
{
    const Launch &own = phases[phase][launch];
    return own.volume() * (own.parent < 0 ? 1 : points(phase, own.parent));
}

Plan read_plan(const char *path)
{
    Reader in(path);
    in.expect("mappertune-replay");
    const int64_t version = in.number();
    if (version != PLAN_VERSION)
        refuse(std::string(path) + " is of version " + std::to_string(version) +
               ", but this program reads version " + std::to_string(PLAN_VERSION) +
               ": write it anew");
    Plan plan;
    plan.application = in.name();
    plan.traced = in.flag();
    in.expect("tasks");
    plan.tasks = in.list([&] { return read_task(in); });
    in.expect("regions");
    plan.regions = in.list([&] { return read_region(in); });
    in.expect("partitions");
    plan.partitions = in.list([&] { return read_partition(in, plan.regions); });
    for (const Phase phase : {SETUP, LOOP, FINISH})
        read_phase(in, plan, phase);
    in.expect("end");
    return plan;
}

void refuse(const std::string &sentence)
{
    fprintf(stderr, "replay: error: %s\n", sentence.c_str());
    exit(2);
}

}  // namespace replay
