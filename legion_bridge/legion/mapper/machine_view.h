// The machine as the mapping language sees it: nodes, and processors of each kind in every node.
#ifndef MAPPERTUNE_MACHINE_VIEW_H
#define MAPPERTUNE_MACHINE_VIEW_H

#include <array>
#include <map>
#include <utility>
#include <vector>

#include "legion.h"
#include "mapper_abi.h"

namespace mappertune {

// Kinds of the language; -1 for one that it has no word for.
int kind_of(Legion::Processor::Kind kind);
int kind_of(Legion::Memory::Kind kind);
Legion::Processor::Kind processor_kind(int kind);
Legion::Memory::Kind memory_kind(int kind);
const char *processor_word(int kind);
const char *memory_word(int kind);

class MachineView {
public:
    explicit MachineView(const Legion::Machine &machine);

    int nodes() const { return static_cast<int>(node_count); }
    // In a node; all are taken to be alike, and node 0 speaks for them.
    int processors(int kind) const;
    bool has(int kind) const { return processors(kind) > 0; }
    // NO_PROC where the machine has none at that place.
    Legion::Processor at(int kind, int node, int index) const;
    const std::vector<Legion::Processor> &in_node(int kind, int node) const;
    // Where a processor is; false where the language has no place for it.
    bool locate(Legion::Processor processor, int &kind, mapper_point &place) const;
    // The memory of a kind in the processor's own node that it sees with the highest bandwidth.
    Legion::Memory best_memory(Legion::Processor processor, int memory_kind) const;
    bool sees(Legion::Processor processor, Legion::Memory memory) const;

    mapper_machine shape() const;

private:
    Legion::Machine machine;
    size_t node_count;
    std::array<std::vector<std::vector<Legion::Processor>>, MAPPER_PROCESSOR_KINDS> table;
    std::map<Legion::Processor, std::pair<int, mapper_point>> places;
    mutable std::map<std::pair<Legion::Processor, int>, Legion::Memory> best;
};

}  // namespace mappertune

#endif
