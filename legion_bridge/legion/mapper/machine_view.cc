#include "machine_view.h"

#include <algorithm>

namespace mappertune {

using Legion::Machine;
using Legion::Memory;
using Legion::Processor;

namespace {

constexpr Processor::Kind PROCESSORS[MAPPER_PROCESSOR_KINDS] = {
    Processor::LOC_PROC, Processor::TOC_PROC, Processor::IO_PROC,
    Processor::PY_PROC,  Processor::PROC_SET, Processor::OMP_PROC};
constexpr const char *PROCESSOR_WORDS[MAPPER_PROCESSOR_KINDS] = {"CPU", "GPU",  "IO",
                                                                 "PY",  "PROC", "OMP"};
constexpr Memory::Kind MEMORIES[MAPPER_VIRTUAL] = {Memory::SYSTEM_MEM, Memory::GPU_FB_MEM,
                                                   Memory::REGDMA_MEM, Memory::Z_COPY_MEM,
                                                   Memory::SOCKET_MEM};
constexpr const char *MEMORY_WORDS[MAPPER_MEMORY_KINDS] = {"SYSMEM", "FBMEM",   "RDMEM",
                                                           "ZCMEM",  "SOCKMEM", "VIRTUAL"};

}  // namespace

int kind_of(Processor::Kind kind)
{
    const auto *found = std::find(std::begin(PROCESSORS), std::end(PROCESSORS), kind);
    return found == std::end(PROCESSORS) ? -1 : static_cast<int>(found - PROCESSORS);
}

int kind_of(Memory::Kind kind)
{
    const auto *found = std::find(std::begin(MEMORIES), std::end(MEMORIES), kind);
    return found == std::end(MEMORIES) ? -1 : static_cast<int>(found - MEMORIES);
}

Processor::Kind processor_kind(int kind)
{
    return PROCESSORS[kind];
}

Memory::Kind memory_kind(int kind)
{
    return MEMORIES[kind];
}

const char *processor_word(int kind)
{
    return kind >= 0 && kind < MAPPER_PROCESSOR_KINDS ? PROCESSOR_WORDS[kind] : "another";
}

const char *memory_word(int kind)
{
    return kind >= 0 && kind < MAPPER_MEMORY_KINDS ? MEMORY_WORDS[kind] : "another";
}

MachineView::MachineView(const Machine &m) : machine(m), node_count(m.get_address_space_count())
{
    for (auto &of_kind : table)
        of_kind.resize(node_count);
    Machine::ProcessorQuery all(machine);
    for (const Processor processor : all) {
        const int kind = kind_of(processor.kind());
        if (kind >= 0 && processor.address_space() < node_count)
            table[kind][processor.address_space()].push_back(processor);
    }
    for (int kind = 0; kind < MAPPER_PROCESSOR_KINDS; kind++)
        for (size_t node = 0; node < node_count; node++) {
            auto &processors = table[kind][node];
            std::sort(processors.begin(), processors.end());
            for (size_t i = 0; i < processors.size(); i++)
                places[processors[i]] = {
                    kind, {static_cast<int32_t>(node), static_cast<int32_t>(i)}};
        }
}

int MachineView::processors(int kind) const
{
    return static_cast<int>(table[kind][0].size());
}

Processor MachineView::at(int kind, int node, int index) const
{
    if (node < 0 || static_cast<size_t>(node) >= node_count) return Processor::NO_PROC;
    const auto &processors = table[kind][node];
    if (index < 0 || static_cast<size_t>(index) >= processors.size()) return Processor::NO_PROC;
    return processors[index];
}

const std::vector<Processor> &MachineView::in_node(int kind, int node) const
{
    return table[kind][node];
}

bool MachineView::locate(Processor processor, int &kind, mapper_point &place) const
{
    const auto found = places.find(processor);
    if (found == places.end()) return false;
    kind = found->second.first;
    place = found->second.second;
    return true;
}

Memory MachineView::best_memory(Processor processor, int kind) const
{
    const auto known = best.find({processor, kind});
    if (known != best.end()) return known->second;
    Memory fastest = Memory::NO_MEMORY;
    unsigned bandwidth = 0;
    Machine::MemoryQuery visible(machine);
    visible.only_kind(memory_kind(kind)).has_affinity_to(processor).has_capacity(1);
    for (const Memory memory : visible) {
        if (memory.address_space() != processor.address_space()) continue;
        std::vector<Machine::ProcessorMemoryAffinity> affinity;
        machine.get_proc_mem_affinity(affinity, processor, memory, false);
        if (affinity.empty()) continue;
        if (fastest.exists() && affinity[0].bandwidth <= bandwidth) continue;
        fastest = memory;
        bandwidth = affinity[0].bandwidth;
    }
    best[{processor, kind}] = fastest;
    return fastest;
}

bool MachineView::sees(Processor processor, Memory memory) const
{
    return machine.has_affinity(processor, memory);
}

mapper_machine MachineView::shape() const
{
    mapper_machine shape = {};
    shape.nodes = nodes();
    for (int kind = 0; kind < MAPPER_PROCESSOR_KINDS; kind++)
        shape.processors[kind] = processors(kind);
    return shape;
}

}  // namespace mappertune
