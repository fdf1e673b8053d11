"""A sample of simulated runs that visits every part of the kernel; a script for a fresh process.

Usage: ``python sample_runs.py KERNEL [REPEATS [BREAKS]]`` runs the sample on another build of the
kernel, and prints one line with what came of it, how the resident memory of the process grew after
the first half of the repeats, and how many of so many randomly broken inputs were not refused.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys

SAMPLE = {
    # Zero-copy and frame buffer, reductions and folds, futures, single tasks.
    "pennant": ("expert", {}),
    "circuit": ("expert", {}),
    # Nested launches, instance limits, collection, on two nodes.
    "cannon": ("expert", {"nodes": 2}),
    "johnson": ("default", {"nodes": 2}),
    # Everything in the host's memory; everything in too small a memory.
    "stencil": ("Task * CPU;", {}),
    "summa": ("Task * GPU; Layout * * * C_order; Region * * * ZCMEM;", {"n": 20000}),
    "solomonik": (
        "Task * GPU; Layout * * * C_order; CollectMemory * *; InstanceLimit task_5 1;",
        {},
    ),
    "cosma": ("Task * GPU,OMP; Layout * * * C_order Compact Exact;", {}),
}


def outcomes() -> list[list[object]]:
    """Status, elapsed seconds and words of each run of the sample, with a trace and without."""
    import dsl
    from legion_bridge.machines.machine import Machine
    from legion_bridge.outcome import Outcome
    from legion_bridge.programs.application import Application
    from legion_bridge.simulation.simulator import Simulator

    found: list[list[object]] = []
    for name, (mapper, parameters) in SAMPLE.items():
        program = Application.load(name, **parameters)
        nodes = int(parameters.get("nodes", 1))
        simulator = Simulator(program, Machine.load("p100x4", nodes=nodes))
        text = program.mappers.get(mapper, mapper)
        loaded = dsl.load(dsl.parse(text), simulator.machine.shape)
        decisions = simulator.decide(loaded)
        outcome = decisions
        if not isinstance(decisions, Outcome):
            outcome, _ = simulator.trace(decisions)
            assert outcome == simulator.run_decisions(decisions)
        found.append([name, outcome.status, outcome.elapsed, outcome.raw])
    return found


def resident() -> int:
    """Kilobytes of memory in use, of the whole process, at this time."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (not a file to keep)
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def use_kernel(path: str) -> None:
    """Puts another build of the kernel in the place of the installed one."""
    spec = importlib.util.spec_from_file_location("legion_bridge._kernel", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["legion_bridge._kernel"] = module
    import legion_bridge

    legion_bridge._kernel = module


def repeat(times: int) -> int:
    """Kilobytes that many equal runs, good and failed, add to the process."""
    import dsl
    from legion_bridge.machines.machine import Machine
    from legion_bridge.programs.application import Application
    from legion_bridge.simulation.simulator import Simulator

    program = Application.load("johnson")
    simulator = Simulator(program, Machine.load("p100x4"))
    full = "Task * GPU; Layout * * * C_order; Region * * * ZCMEM;"
    texts = [program.mappers["expert"], full]
    all_decisions = [
        simulator.decide(dsl.load(dsl.parse(text), simulator.machine.shape)) for text in texts
    ]
    before = 0
    for number in range(times):
        if number == times // 2:
            before = resident()
        for decisions in all_decisions:
            simulator.trace(decisions)
    return resident() - before


if __name__ == "__main__":
    if sys.argv[1] != "installed":
        use_kernel(sys.argv[1])
    repeats, breaks = (*map(int, sys.argv[2:]), 0, 0)[:2]
    found = {"outcomes": outcomes(), "growth": repeat(repeats) if repeats else 0}
    if breaks:
        from tests.legion_bridge.kernel.broken_inputs import survive

        found["survived"] = survive(0, breaks)
    found["kernel"] = sys.modules["legion_bridge._kernel"].__file__
    sys.stdout.write(json.dumps(found) + "\n")
