"""Programs and machines so small that their times can be worked out by hand.

Sizes are bytes, times seconds: regions hold some tens of bytes, links carry ten bytes a second,
tasks run for a second, and all overhead is 0 unless a test asks for some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import dsl
from legion_bridge.machines.machine import Access, Link, Machine, Memory, Processor, Route, Runtime
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    Partition,
    Region,
    Requirement,
    TaskKind,
    Work,
)
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Simulator, Trace

FREE = Runtime(launch=0.0, point=0.0, requirement=0.0, untraced=1.0, message=0.0)


def machine(
    *,
    nodes: int = 1,
    gpus: int = 2,
    capacity: int = 1000,
    shared: int = 10_000,
    latency: float = 0.0,
    runtime: Runtime = FREE,
    chunk: float = 0.0,
    stream: float = 10.0,
    **bandwidth: float,
) -> Machine:
    """A CPU and some GPUs a node, and links of 10 bytes a second.

    Each GPU has a frame buffer of ``capacity``, each node ``shared`` bytes of host memory of each
    kind.

    Links: ``inward`` and ``outward`` of each GPU, ``inside`` its frame buffer, ``host`` memory and
    the network, ``net_in`` and ``net_out``, of each node; and ``root``, which the zero-copy
    traffic of all GPUs of a node shares, twice as fast. Where there is a ``chunk``, copies above
    it share ``wide_in`` and ``wide_out`` of the nodes, each at no more than ``stream``.
    """
    names = ("inward", "outward", "inside", "host", "net_in", "net_out", "wide_in", "wide_out")
    speeds = {**dict.fromkeys(names, 10.0), "root": 20.0, **bandwidth}
    scopes = {"inward": "GPU", "outward": "GPU", "inside": "GPU"}
    routes = [
        ("FBMEM", "FBMEM", "memory", ("source.inside",)),
        ("FBMEM", "FBMEM", "rank", ("source.outward", "target.inward")),
        ("FBMEM", "*", "rank", ("source.outward",)),
        ("*", "FBMEM", "rank", ("target.inward",)),
        ("*", "*", "memory", ("source.host",)),
        ("*", "*", "rank", ("source.host",)),
        ("*", "*", "node", ("source.host",)),
        ("*", "*", "network", ("source.net_out", "target.net_in")),
    ]
    shared_links = ("source.wide_out", "target.wide_in")
    flows: dict[str, Any] = (
        {"chunk": chunk, "stream": stream, "stream_links": shared_links} if chunk else {}
    )
    access = [
        Access("CPU", "SYSMEM", 100.0),
        Access("CPU", "ZCMEM", 50.0),
        Access("GPU", "FBMEM", 1000.0),
        Access("GPU", "ZCMEM", 10.0, links=("inward", "root")),
    ]
    host = {kind: Memory(kind, "rank", shared) for kind in ("SYSMEM", "ZCMEM")}
    return Machine(
        name="tiny",
        summary="made by hand",
        nodes=nodes,
        processors={
            kind: Processor(kind, count, 0.0, 0.0, 1.0, 1.0, 1.0, 1e9)
            for kind, count in (("CPU", 1), ("GPU", gpus))
        },
        memories={**host, "FBMEM": Memory("FBMEM", "GPU", capacity)},
        access={(a.processor, a.memory): a for a in access},
        links={n: Link(n, scopes.get(n, "node"), s, n) for n, s in speeds.items()},
        routes=tuple(
            Route(*route, latency, **(flows if route[2] == "network" else {})) for route in routes
        ),
        runtime=runtime,
    )


def region(name: str, size: int, fields: Sequence[str] = ("value",), *, width: int = 1) -> Region:
    """A line of ``size`` points, each field of ``width`` bytes a point."""
    return Region(name, (0,), (size - 1,), tuple(Field(f, width) for f in fields))


def pieces(name: str, of: str, *bounds: tuple[int, int]) -> Partition:
    """A partition of a line into pieces with inclusive bounds."""
    corners = [[[low], [high]] for low, high in bounds]
    return Partition(name, of, np.array(corners, np.int64))


def reads(name: str, partition: str | None = None, *fields: str) -> Requirement:
    return Requirement(name, partition, "READ_ONLY", fields or ("value",))


def writes(name: str, partition: str | None = None, *fields: str) -> Requirement:
    return Requirement(name, partition, "WRITE_ONLY", fields or ("value",))


def updates(name: str, partition: str | None = None, *fields: str) -> Requirement:
    return Requirement(name, partition, "READ_WRITE", fields or ("value",))


def reduces(name: str, partition: str | None = None, *fields: str) -> Requirement:
    return Requirement(name, partition, "REDUCE", fields or ("value",), "sum<double>")


def launch(
    task: str,
    *requirements: Requirement,
    domain: tuple[int, ...] = (1,),
    seconds: float = 1.0,
    colors: Sequence[Sequence[int] | None] = (),
    above: int = 1,
    traffic: float | None = None,
    **more: Any,
) -> Launch:
    """An index launch whose points take ``seconds`` each, on any processor.

    Args:
        colors: For each requirement the pieces that the points take.
        above: How many points its parent has.
        traffic: Bytes that each point moves to and from each instance; the time then follows.
    """
    points = above * (len(more.get("points", ())) or int(np.prod(domain, dtype=int)))
    measured = {"CPU": seconds, "GPU": seconds} if traffic is None else {}
    work = Work.of(points, len(requirements), traffic=traffic or 0.0, seconds=measured)
    chosen = tuple(None if c is None else np.array(c, np.int64) for c in colors)
    return Launch(task, domain, tuple(requirements), work, colors=chosen, **more)


def application(
    regions: Sequence[Region],
    loop: Sequence[Launch],
    *,
    setup: Sequence[Launch] = (),
    partitions: Sequence[Partition] = (),
    inner: Sequence[str] = (),
    **more: Any,
) -> Application:
    """A program of one timed iteration, without tracing."""
    tasks = dict.fromkeys(x.task for x in (*setup, *loop))
    made = Application(
        name="tiny",
        summary="made by hand",
        parameters={},
        task_kinds={t: TaskKind(t, ("CPU", "GPU"), inner=t in inner) for t in tasks},
        regions={r.name: r for r in regions},
        partitions={p.name: p for p in partitions},
        setup=tuple(setup),
        loop=tuple(loop),
        warmup=0,
        timed=1,
        traced=False,
        work=1.0,
        unit="iterations/s",
    )
    made = replace(made, **more)
    made.validate()
    return made


def mapper(text: str = "", **places: tuple[int, int]) -> str:
    """A mapper: all tasks on GPUs with data in their frame buffers, unless ``text`` says else.

    Args:
        text: Further statements, which come first and so win.
        places: For some tasks the node and the GPU that all their points run on.
    """
    lines = [text, "Task * GPU;", "Region * * GPU FBMEM;", "Region * * CPU SYSMEM;"]
    if places:
        lines.append("gpus = Machine(GPU);")
    for task, (node, gpu) in places.items():
        lines.append(f"def place_{task}(Task t) {{ return gpus[{node}, {gpu}]; }}")
        lines.append(f"IndexTaskMap {task} place_{task};")
    return "\n".join(lines)


class Ran(NamedTuple):
    """A point task that ran."""

    task: str
    point: int
    where: str
    start: float
    end: float


class Moved(NamedTuple):
    """A copy, a fold or a fill."""

    kind: str
    region: str
    source: str
    target: str
    bytes: float
    start: float
    end: float


class Run:
    """A simulated run, in words."""

    def __init__(self, program: Application, on: Machine, text: str) -> None:
        self.simulator = Simulator(program, on)
        loaded = dsl.load(dsl.parse(text), self.simulator.machine.shape)
        decisions = self.simulator.decide(loaded)
        assert not isinstance(decisions, Outcome), decisions.raw
        self.decisions = decisions
        self.outcome, self._trace = self.simulator.trace(decisions)

    @property
    def trace(self) -> Trace:
        assert self._trace is not None, self.outcome.raw
        return self._trace

    @property
    def tasks(self) -> list[Ran]:
        """In program order."""
        operations, program = self.trace.operations, self.trace.program
        found = []
        for number in np.flatnonzero(operations.kind == OperationKind.TASK).tolist():
            point = int(operations.point[number])
            of = int(program.point_launch[point])
            place = self.processor(int(operations.place[number]))
            index = point - int(program.launch_point[of])
            start, end = float(operations.start[number]), float(operations.end[number])
            found.append(Ran(program.launches[of].task, index, place, start, end))
        return found

    @property
    def moves(self) -> list[Moved]:
        """In program order."""
        operations = self.trace.operations
        names = list(self.trace.program.application.regions)
        kinds = (OperationKind.COPY, OperationKind.FOLD, OperationKind.FILL)
        return [
            Moved(
                OperationKind(int(operations.kind[n])).name.lower(),
                names[int(operations.region[n])],
                self.memory(int(operations.source[n])),
                self.memory(int(operations.place[n])),
                float(operations.bytes[n]),
                float(operations.start[n]),
                float(operations.end[n]),
            )
            for n in np.flatnonzero(np.isin(operations.kind, kinds)).tolist()
        ]

    def copies(self) -> list[tuple[str, str, str, float]]:
        """Region, source, target and bytes of each copy."""
        return [m[1:5] for m in self.moves if m.kind == "copy"]

    def times(self, task: str) -> list[tuple[float, float]]:
        """Start and end of each point of a task."""
        return [(ran.start, ran.end) for ran in self.tasks if ran.task == task]

    def processor(self, number: int) -> str:
        """Such as ``"GPU 0.1"``, GPU 1 of node 0."""
        kind, place, *_, rank = self.trace.machine.processor_name(number).split()
        return f"{kind} {rank}.{place}"

    def memory(self, number: int) -> str:
        """Such as ``"FB 0.1"`` or ``"SYS 0"``."""
        machine = self.trace.machine
        kind = machine.memory_name(number).split()[0].removesuffix("MEM")
        rank, owner = int(machine.memory_rank[number]), int(machine.memory_owner[number])
        if owner < 0:
            return f"{kind} {rank}"
        return f"{kind} {self.processor(owner).split()[1]}"

    def peaks(self) -> dict[str, float]:
        """Most bytes in each memory that was used."""
        return {
            self.memory(int(n)): float(self.trace.peak[n]) for n in np.flatnonzero(self.trace.peak)
        }


def run(program: Application, text: str | None = None, on: Machine | None = None) -> Run:
    """Simulates a program, on the tiny machine unless told otherwise."""
    return Run(program, on or machine(), mapper() if text is None else text)
