// What a replay executes: an application as Python wrote it down (replay_plan.py tells the format).
#ifndef MAPPERTUNE_REPLAY_PLAN_H
#define MAPPERTUNE_REPLAY_PLAN_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace replay {

constexpr int MOST_DIMENSIONS = 3;  // of a region
constexpr int PLAN_VERSION = 2;

using Corner = std::array<int64_t, MOST_DIMENSIONS>;

// Inclusive bounds; empty where an upper bound lies below its lower bound.
struct Box {
    Corner lower{}, upper{};

    bool empty(int dimension) const
    {
        for (int d = 0; d < dimension; d++)
            if (upper[d] < lower[d]) return true;
        return false;
    }
    bool contains(const Box &other, int dimension) const
    {
        for (int d = 0; d < dimension; d++)
            if (other.lower[d] < lower[d] || other.upper[d] > upper[d]) return false;
        return true;
    }
};

struct Field {
    std::string name;
    size_t bytes;
};

struct Region {
    std::string name;
    int dimension;
    Box bounds;
    std::vector<Field> fields;
};

struct Partition {
    std::string name;
    int region;
    std::vector<Box> pieces;
};

// The layout that a variant insists on for one of its requirements.
struct Need {
    unsigned requirement;
    char order;   // 'C', 'F' or '-'
    char fields;  // 'S' for apart, 'A' for together, '-' for either
    size_t reduces;  // bytes of the fields that are reduced, 0 where none are
};

struct TaskKind {
    std::string name;
    bool inner, leaf, returns;
    std::vector<std::string> processors;
    std::vector<Need> needs;
};

enum class Privilege { NONE, READ, READ_WRITE, WRITE, REDUCE };
constexpr size_t PRIVILEGES = 5;

// One number for all points, or one for each.
struct Column {
    std::vector<double> values;

    double at(int64_t point) const { return values.size() == 1 ? values[0] : values[point]; }
};

struct Requirement {
    int region, partition;  // -1: all the region
    Privilege privilege;
    bool is_virtual;
    char traversal;  // 'C' or 'F': in which order a task visits the points
    int under;       // requirement of the parent task that holds it; -1 at the top level
    std::vector<int> fields;
    std::vector<int64_t> colors;  // of each point; empty: its own number
    Column traffic, accesses;
};

enum class Rate { FP32, FP64, DGEMM };
constexpr size_t RATES = 3;

struct Launch {
    int task;
    std::vector<int64_t> lower, extents;  // empty: a single task
    std::vector<std::vector<int64_t>> points;  // of a sparse domain, row-major; empty: all
    int parent;
    bool blocking, timed, returns;
    std::vector<int> after, children;
    Rate rate;
    Column flops;
    std::vector<Requirement> requirements;

    int64_t volume() const;
};

enum Phase { SETUP, LOOP, FINISH, PHASES };

struct Plan {
    std::string application;
    bool traced;
    std::vector<TaskKind> tasks;
    std::vector<Region> regions;
    std::vector<Partition> partitions;
    std::array<std::vector<Launch>, PHASES> phases;

    // Points of a launch over all points of its parents.
    int64_t points(Phase phase, int launch) const;
};

// Ends the program with a sentence where the file is no whole plan of this version.
Plan read_plan(const char *path);

[[noreturn]] void refuse(const std::string &sentence);

}  // namespace replay

#endif
