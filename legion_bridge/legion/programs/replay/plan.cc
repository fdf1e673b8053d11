// Reads a plan. Its words are separated by white space; names have theirs as %XX.
#include "plan.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace replay {
namespace {

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
        if (found != wanted)
            refuse(std::string(path) + ": " + found + " stands where " + wanted + " should");
    }

    int64_t number() { return std::strtoll(word().c_str(), nullptr, 10); }
    int small() { return static_cast<int>(number()); }
    bool flag() { return number() != 0; }
    char letter() { return word()[0]; }

    std::string name()
    {
        const std::string text = word();
        std::string plain;
        for (size_t i = 0; i < text.size(); i++)
            if (text[i] == '%' && i + 2 < text.size()) {
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
        for (int64_t left = number(); left > 0; left--)
            found.push_back(read());
        return found;
    }
    std::vector<int> small_list()
    {
        return list([&] { return small(); });
    }
    std::vector<int64_t> numbers()
    {
        return list([&] { return number(); });
    }

    Column column()
    {
        return {list([&] { return std::strtod(word().c_str(), nullptr); })};
    }

    Box box(int dimension)
    {
        Box found;
        for (Corner *corner : {&found.lower, &found.upper})
            for (int d = 0; d < dimension; d++)
                (*corner)[d] = number();
        return found;
    }

private:
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
        need.requirement = static_cast<unsigned>(in.number());
        need.order = in.letter();
        need.fields = in.letter();
        need.reduces = static_cast<size_t>(in.number());
        return need;
    });
    return task;
}

Region read_region(Reader &in)
{
    Region region;
    region.name = in.name();
    region.dimension = in.small();
    if (region.dimension < 1 || region.dimension > MOST_DIMENSIONS)
        refuse("region " + region.name + " has a dimension that cannot be replayed");
    region.bounds = in.box(region.dimension);
    region.fields = in.list([&] {
        Field field;
        field.name = in.name();
        field.bytes = static_cast<size_t>(in.number());
        return field;
    });
    return region;
}

Partition read_partition(Reader &in, const std::vector<Region> &regions)
{
    Partition partition;
    partition.name = in.name();
    partition.region = in.small();
    const int dimension = regions.at(partition.region).dimension;
    partition.pieces = in.list([&] { return in.box(dimension); });
    return partition;
}

Requirement read_requirement(Reader &in)
{
    Requirement requirement;
    requirement.region = in.small();
    requirement.partition = in.small();
    requirement.privilege = static_cast<Privilege>(in.number());
    requirement.is_virtual = in.flag();
    requirement.traversal = in.letter();
    requirement.under = in.small();
    requirement.fields = in.small_list();
    requirement.colors = in.numbers();
    requirement.traffic = in.column();
    requirement.accesses = in.column();
    return requirement;
}

Launch read_launch(Reader &in)
{
    Launch launch;
    launch.task = in.small();
    launch.lower = in.numbers();
    launch.extents = in.numbers();
    launch.parent = in.small();
    launch.blocking = in.flag();
    launch.timed = in.flag();
    launch.returns = in.flag();
    launch.after = in.small_list();
    launch.rate = static_cast<Rate>(in.number());
    launch.flops = in.column();
    launch.requirements = in.list([&] { return read_requirement(in); });
    return launch;
}

}  // namespace

int64_t Launch::volume() const
{
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
    const int version = in.small();
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
    for (auto &phase : plan.phases) {
        in.expect("launches");
        phase = in.list([&] { return read_launch(in); });
        for (size_t i = 0; i < phase.size(); i++)
            if (phase[i].parent >= 0) phase[phase[i].parent].children.push_back(static_cast<int>(i));
    }
    in.expect("end");
    return plan;
}

void refuse(const std::string &sentence)
{
    fprintf(stderr, "replay: error: %s\n", sentence.c_str());
    exit(2);
}

}  // namespace replay
