"""The same task graph in our simulator and in SimGrid: makespans, and time an evaluation.

Run as ``python -m tests.benchmarks.bench_simgrid [NODES]``. The graph is one iteration of Cannon's
multiplication under the expert's mapper: matrix products in order on each GPU, and the copies that
each waits for, over the links of the machine. Ours is simulated twice: as it is, and on the same
machine with a runtime that costs nothing, which is what SimGrid is given. Ours also plans: it
finds out from the mapper which copies are needed, and simulates fills, placements and several
iterations; SimGrid is given the finished graph of one, its platform is built once, and its
evaluations share one process. The makespans differ because SimGrid shares a link fairly among the
copies on it, so that all arrive late, and ours serves one copy after the other. In SimGrid the
copies of a product begin together, or in turn.

SimGrid is found in this interpreter or in the system's (Debian: ``apt install python3-simgrid``;
elsewhere: ``pip install simgrid``, which needs boost and cmake).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.machines.machine_units import is_time
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPath, LinkPaths
from legion_bridge.simulation.simulator import Trace

REPEAT = 200
LEAF = "task_4"
INTERPRETERS = (sys.executable, "/usr/bin/python3", "python3")
PEER = Path(__file__).with_name("simgrid_peer.py")


def without_runtime(machine: Machine) -> Machine:
    """The machine with a runtime that costs nothing, and tasks that start at once."""
    free = {
        kind: replace(processor, start=0.0, kernel=0.0)
        for kind, processor in machine.processors.items()
    }
    costs = {name: 0.0 for name in asdict(machine.runtime) if is_time(name)}
    return replace(
        machine,
        processors=MappingProxyType(free),
        runtime=replace(machine.runtime, **costs),
        routes=tuple(replace(route, analysis=0.0) for route in machine.routes),
    )


def graph_of(trace: Trace) -> dict[str, Any]:
    """The leaves and copies of the last iteration, for the peer."""
    operations, machine, program = trace.operations, trace.machine, trace.program
    names = [program.launches[int(number)].task for number in program.point_launch]
    of_leaf = np.array([name == LEAF for name in names])[np.maximum(operations.point, 0)]
    last = (operations.iteration == operations.iteration.max()) & of_leaf
    leaves = np.flatnonzero(last & (operations.kind == OperationKind.TASK))
    copies = np.flatnonzero(last & (operations.kind == OperationKind.COPY))
    processors: dict[str, list[dict[str, Any]]] = {}
    paths: dict[tuple[int, int], LinkPath] = {}
    finder = LinkPaths(machine)
    for leaf in leaves[np.argsort(operations.start[leaves])].tolist():
        target = int(operations.place[leaf])
        mine = copies[operations.point[copies] == operations.point[leaf]].tolist()
        sources = [int(machine.memory_owner[operations.source[copy]]) for copy in mine]
        sizes = [float(operations.bytes[copy]) for copy in mine]
        task = {
            "seconds": float(operations.seconds[leaf]),
            "copies": list(zip(sources, sizes, strict=True)),
        }
        processors.setdefault(str(target), []).append(task)
        paths |= {
            (source, target): finder.of(trace, copy)
            for source, copy in zip(sources, mine, strict=True)
        }
    used = sorted({link for path in paths.values() for link in path.links})
    bandwidths = {str(link): float(machine.link_bandwidth[link]) for link in used}
    return {
        "repeat": REPEAT,
        "processors": processors,
        "bandwidths": bandwidths,
        "routes": [
            {
                "source": source,
                "target": target,
                "links": list(dict.fromkeys(str(link) for link in path.links)),
                "latency": path.latency,
            }
            for (source, target), path in paths.items()
        ],
    }


def interpreter_with_simgrid() -> str | None:
    """The first interpreter that can import SimGrid."""
    for python in INTERPRETERS:
        try:
            found = subprocess.run(
                [python, "-c", "import simgrid"], capture_output=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if found.returncode == 0:
            return python
    return None


def peer(python: str, graph: dict[str, Any]) -> tuple[float, float]:
    """Makespan and seconds an evaluation of SimGrid."""
    done = subprocess.run(
        [python, str(PEER)],
        input=json.dumps(graph),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = json.loads(done.stdout)
    return found["makespan"], found["seconds"]


def seconds(function: Callable[[], object]) -> float:
    """Wall-clock seconds of one call, warm."""
    function()
    start = perf_counter()
    for _ in range(REPEAT):
        function()
    return (perf_counter() - start) / REPEAT


def ours(application: Application, machine: Machine, program: dsl.Program) -> list[str]:
    evaluator = Evaluator(application, machine)
    outcome = evaluator.evaluate(program)
    assert outcome.elapsed is not None, outcome.raw
    took = seconds(lambda: evaluator.evaluate(program))
    return [f"{outcome.elapsed / application.timed:.4f}", f"{took * 1e6:.0f}"]


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    application = Application.load("cannon", nodes=nodes)
    machine = Machine.load("p100x4", nodes=nodes)
    program = dsl.parse(application.mappers["expert"])
    bare = without_runtime(machine)
    _, trace = Evaluator(application, bare).trace(program)
    assert trace is not None
    graph = graph_of(trace)
    tasks = [task for of_one in graph["processors"].values() for task in of_one]
    title = (
        f"cannon on {nodes} node(s): {len(tasks)} matrix products, "
        f"{sum(len(task['copies']) for task in tasks)} copies"
    )
    table = Table("simulated by", title=title)
    table.add_column("makespan s", justify="right")
    table.add_column("us an evaluation", justify="right")
    table.add_row("mappertune", *ours(application, machine, program))
    table.add_row("mappertune, no runtime costs", *ours(application, bare, program))
    python = interpreter_with_simgrid()
    if python is not None:
        for name, in_turn in (("copies together", False), ("copies in turn", True)):
            makespan, took = peer(python, {**graph, "in_turn": in_turn})
            table.add_row(f"SimGrid, {name}", f"{makespan:.4f}", f"{took * 1e6:.0f}")
    Console(width=100).print(table)
    if python is None:
        sys.stdout.write(
            "SimGrid is missing: apt install python3-simgrid, or pip install simgrid\n"
        )


if __name__ == "__main__":
    main()
