"""Random small programs, machines and mappers, for tests of what always holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

from legion_bridge.machines.machine import Algorithm, Machine, Runtime
from legion_bridge.programs.application import Application, Launch, Partition, Requirement
from tests.legion_bridge import tiny

SIZE = 12
FIELDS = ("a", "b")
AMPLE = (10_000,)
CHUNKS = (0.0, 1.0, 12.0)
COSTLY = Runtime(launch=0.25, point=0.125, requirement=0.0625, untraced=4.0, message=0.5)


@dataclass(frozen=True)
class Case:
    """A program, a machine and a mapper; it shows itself in a few lines."""

    program: Application
    machine: Machine
    rules: str
    places: dict[str, tuple[int, int]]

    def run(self, **changed: Any) -> tiny.Run:
        """Simulates it, with some of its parts exchanged."""
        case = replace(self, **changed)
        return tiny.Run(case.program, case.machine, tiny.mapper(case.rules, **case.places))

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        """How Hypothesis shows it."""
        printer.text(str(self))

    def __str__(self) -> str:
        program, machine = self.program, self.machine
        parts = program.partitions.values()
        lines = [f"{part.name}: {part.pieces[:, :, 0].tolist()}" for part in parts]
        for phase, found in (("setup", program.setup), ("loop", program.loop)):
            for number, x in enumerate(found):
                lines.append(
                    f"{phase} {number}: {x.task}{list(x.domain)} {dict(x.work.seconds)}, parent "
                    f"{x.parent}, after {x.after}, blocking {x.blocking}"
                )
                for needed, colors in zip(x.requirements, x.colors, strict=True):
                    of = needed.partition or needed.region
                    pieces = None if colors is None else colors.tolist()
                    lines.append(f"    {needed.privilege} {of}{list(needed.fields)} {pieces}")
        links = {name: link.bandwidth for name, link in machine.links.items()}
        gpus, capacity = machine.processors["GPU"].count, machine.capacity("FBMEM")
        ranks = f"{machine.nodes} nodes of {program.ranks_per_node} ranks"
        lines.append(f"{ranks}, {gpus} GPUs of {capacity} bytes, {links}")
        lines.append(f"latency {machine.routes[0].latency}, {machine.runtime}")
        lines.append(f"chunk {machine.routes[-1].chunk}, stream {machine.routes[-1].stream}")
        return "\n".join([*lines, self.rules, str(self.places)])


@st.composite
def partitions(draw: st.DrawFn, of: str, number: int) -> Partition:
    bounds = draw(
        st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(-1, 6)), min_size=1, max_size=3)
    )
    pieces = [(low, min(low + more, SIZE - 1)) for low, more in bounds]
    return tiny.pieces(f"{of}_{number}", of, *pieces)


@st.composite
def requirements(
    draw: st.DrawFn, parts: Sequence[Partition], *, overlapping: bool
) -> tuple[Requirement, ...]:
    """Up to three that do not interfere: where two share data, both only read it.

    Args:
        overlapping: Whether they may all the same: pieces are then taken to have holes.
    """
    found: list[Requirement] = []
    for _ in range(draw(st.integers(0, 3))):
        region = draw(st.sampled_from(["x", "y"]))
        choices = [None, *(p.name for p in parts if p.region == region)]
        partition = draw(st.sampled_from(choices))
        fields = draw(st.sampled_from([("a",), ("b",), FIELDS]))
        make = draw(st.sampled_from([tiny.reads, tiny.writes, tiny.updates, tiny.reduces]))
        made = make(region, partition, *fields)
        if overlapping or not any(_interferes(made, other) for other in found):
            found.append(made)
    return tuple(found)


def _interferes(one: Requirement, other: Requirement) -> bool:
    shared = one.region == other.region and set(one.fields) & set(other.fields)
    return bool(shared) and {one.privilege, other.privilege} != {"READ_ONLY"}


@st.composite
def launches(
    draw: st.DrawFn,
    parts: Sequence[Partition],
    before: Sequence[Launch],
    total: int,
    *,
    overlapping: bool,
) -> Launch:
    """One launch: at the top, or made by the points of the one at the top before it."""
    number = len(before)
    tops = [n for n, other in enumerate(before) if other.parent is None]
    parent = draw(st.sampled_from([None, None, *tops[-1:]]))
    above = 1 if parent is None else before[parent].volume
    domain = (draw(st.integers(1, 3)),)
    needed = draw(requirements(parts, overlapping=overlapping))
    points = above * domain[0]
    sizes = {p.name: len(p.pieces) for p in parts}
    colors = [
        None
        if r.partition is None
        else draw(
            st.lists(st.integers(0, sizes[r.partition] - 1), min_size=points, max_size=points)
        )
        for r in needed
    ]
    top = parent is None
    taken = st.integers(0, total - 1).filter(lambda n: n >= number or n in tops)
    return tiny.launch(
        f"task_{draw(st.integers(0, 2))}",
        *needed,
        domain=domain,
        seconds=float(draw(st.integers(1, 8))),
        traffic=draw(st.sampled_from([None, None, 20.0])) if needed else None,
        colors=colors,
        above=above,
        parent=parent,
        blocking=top and draw(st.booleans()) and draw(st.booleans()),
        after=tuple(draw(st.lists(taken, max_size=1))) if top and number else (),
    )


@st.composite
def programs(draw: st.DrawFn, *, iterations: int = 3, overlapping: bool = False) -> Application:
    parts = [draw(partitions(of, number)) for of in ("x", "y") for number in range(2)]
    total = draw(st.integers(1, 5))
    loop: list[Launch] = []
    for _ in range(total):
        loop.append(draw(launches(parts, loop, total, overlapping=overlapping)))
    setup = [draw(launches(parts, [], 1, overlapping=overlapping))] if draw(st.booleans()) else []
    regions = [
        tiny.region(name, SIZE, FIELDS, width=width) for name, width in (("x", 1), ("y", 4))
    ]
    return tiny.application(
        regions, loop, setup=setup, partitions=parts, warmup=1, timed=iterations - 1
    )


@st.composite
def machines(
    draw: st.DrawFn, *, capacities: Sequence[int] = AMPLE, chunks: Sequence[float] = CHUNKS
) -> Machine:
    speeds = st.sampled_from([5.0, 10.0, 20.0])
    names = (
        "inward",
        "outward",
        "inside",
        "host",
        "net_in",
        "net_out",
        "wide_in",
        "wide_out",
        "root",
    )
    return tiny.machine(
        nodes=draw(st.integers(1, 2)) if 0.0 in chunks else 2,
        gpus=draw(st.integers(1, 3)),
        capacity=draw(st.sampled_from(capacities)),
        shared=draw(st.sampled_from(capacities)),
        latency=draw(st.sampled_from([0.0, 0.5])),
        runtime=draw(st.sampled_from([tiny.FREE, COSTLY])),
        chunk=draw(st.sampled_from(chunks)),
        stream=draw(st.sampled_from([3.0, 10.0, 100.0])),
        **{name: draw(speeds) for name in names},
    )


@st.composite
def mappers(
    draw: st.DrawFn, machine: Machine, tasks: Sequence[str], *, placed: bool
) -> tuple[str, dict[str, tuple[int, int]]]:
    """Random memories, layouts, collection and limits, and places for GPU tasks.

    Args:
        placed: Whether all GPU tasks have a place, and not only some.
    """
    gpus = machine.processors["GPU"].count
    lines: list[str] = []
    places: dict[str, tuple[int, int]] = {}
    for task in tasks:
        kind = draw(st.sampled_from(["GPU", "GPU", "CPU"]))
        lines.append(f"Task {task} {kind};")
        for region in ("x", "y"):
            memory = draw(st.sampled_from(["FBMEM", "ZCMEM"]))
            lines.append(f"Region {task} {region} GPU {memory};")
            memory = draw(st.sampled_from(["SYSMEM", "ZCMEM"]))
            lines.append(f"Region {task} {region} CPU {memory};")
            layout = draw(st.sampled_from(["SOA", "AOS", "SOA Compact Exact"]))
            lines.append(f"Layout {task} {region} * {layout};")
            if draw(st.booleans()):
                lines.append(f"CollectMemory {task} {region};")
        if draw(st.booleans()):
            lines.append(f"InstanceLimit {task} {draw(st.integers(1, 3))};")
        if kind == "GPU" and (placed or draw(st.booleans())):
            node = draw(st.integers(0, machine.ranks - 1))
            places[task] = (node, draw(st.integers(0, gpus - 1)))
    return "\n".join(lines), places


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    capacities: Sequence[int] = AMPLE,
    iterations: int = 3,
    placed: bool = False,
    chunks: Sequence[float] = CHUNKS,
    overlapping: bool = False,
) -> Case:
    program = draw(programs(iterations=iterations, overlapping=overlapping))
    machine = draw(machines(capacities=capacities, chunks=chunks))
    if machine.processors["GPU"].count == 2 and draw(st.booleans()):
        program = replace(program, ranks_per_node=2)
    tasks = sorted({launch.task for launch in program.launches()})
    seen = machine.for_ranks(program.ranks_per_node)
    text, places = draw(mappers(seen, tasks, placed=placed))
    return Case(program, machine, text, places)


@st.composite
def spread_cases(
    draw: st.DrawFn, *, capacities: Sequence[int] = AMPLE, chunks: Sequence[float] = (0.0,)
) -> Case:
    """A case on a machine with collective operations, its points spread over GPUs.

    What some points make is read by several: such launches come after those of a random program.
    """
    case = draw(cases(capacities=capacities, chunks=chunks))
    loop = list(case.program.loop)
    for number in range(draw(st.integers(1, 3))):
        region = draw(st.sampled_from(["x", "y"]))
        parts = [None, *(p.name for p in case.program.partitions.values() if p.region == region)]
        make = draw(st.sampled_from([tiny.writes, tiny.reduces, tiny.reduces]))
        part, count = draw(st.sampled_from(parts)), draw(st.integers(2, 4))
        if make is tiny.writes:
            part, count = None, 1
        use = draw(st.sampled_from([tiny.reads, tiny.reads, tiny.updates]))
        readers = 1 if use is tiny.updates else draw(st.integers(2, 4))
        for task, needed, points in (
            (f"make_{number}", make(region, part, "a"), count),
            (f"use_{number}", use(region, None, "a"), readers),
        ):
            colors = None if needed.partition is None else [0] * points
            loop.append(tiny.launch(task, needed, domain=(points,), colors=[colors]))
    tasks = {x.task: replace(next(iter(case.program.task_kinds.values())), name=x.task,
                             inner=False) for x in loop}  # fmt: skip
    program = replace(
        case.program, loop=tuple(loop), task_kinds={**tasks, **case.program.task_kinds}
    )
    program.validate()
    rules = [case.rules, *draw(spread_maps(case, program))]
    for name in sorted(tasks):
        if name.startswith(("make", "use")) and f"IndexTaskMap {name} " not in rules[-1]:
            rules = [rule for rule in rules if f"spread_{name}" not in rule]
            shift = draw(st.integers(0, 2))
            rules.append(
                f"def far_{name}(Task t) {{ all = every.merge(0, 1); "
                f"return all[(t.ipoint[0] + {shift}) % all.size[0]]; }}"
            )
            rules.append(f"IndexTaskMap {name} far_{name};")
            if name.startswith("use") and draw(st.booleans()):
                rules.append(f"CollectMemory {name} *;")
    seconds, shares = st.sampled_from([0.0, 0.25]), st.sampled_from([0.5, 1.0])
    algorithms = [
        Algorithm(kind, draw(seconds), draw(seconds), draw(seconds), draw(shares))
        for kind in ("ring", "tree")
    ]
    runtime = replace(case.machine.runtime, collective="nccl")
    machine = replace(case.machine, runtime=runtime, algorithms=tuple(algorithms))
    return replace(case, program=program, machine=machine, rules="\n".join(rules))


@st.composite
def clocked_cases(draw: st.DrawFn) -> Case:
    """A case whose clock starts in each iteration, once all data was made, and perhaps read.

    The points of tasks are spread over nodes and GPUs.
    """
    case = draw(cases())
    before = [each for region in ("x", "y") for each in draw(placing(case.program, region))]
    shifted = [
        replace(
            each,
            parent=None if each.parent is None else each.parent + len(before),
            after=tuple(number + len(before) for number in each.after),
        )
        for each in case.program.loop
    ]
    kind = next(iter(case.program.task_kinds.values()))
    added = {each.task: replace(kind, name=each.task, inner=False) for each in before}
    program = replace(
        case.program,
        loop=(*before, *shifted),
        task_kinds={**case.program.task_kinds, **added},
    )
    program.validate()
    rules = "\n".join([case.rules, *draw(spread_maps(case, program))])
    return replace(case, program=program, rules=rules)


@st.composite
def placing(draw: st.DrawFn, program: Application, region: str) -> list[Launch]:
    """Launches that make all data of a region, and may read it, before the clock starts."""
    parts = [p for p in program.partitions.values() if p.region == region]
    part = draw(st.sampled_from([None, *parts]))
    name, domain = (None, (1,)) if part is None else (part.name, (len(part.pieces),))
    make = draw(st.sampled_from([tiny.writes, tiny.updates]))
    made = tiny.launch(
        f"make_{region}", make(region, name, *FIELDS), domain=domain, timed=False, blocking=True
    )
    read = tiny.launch(
        f"look_{region}",
        tiny.reads(region, name, *FIELDS),
        domain=domain,
        timed=False,
        blocking=True,
    )
    return [made, read] if draw(st.booleans()) else [made]


@st.composite
def spread_maps(draw: st.DrawFn, case: Case, program: Application) -> list[str]:
    """Index maps for some of the tasks that run on GPUs and have none."""
    seen = case.machine.for_ranks(program.ranks_per_node)
    ranks, gpus = seen.ranks, seen.processors["GPU"].count
    lines = ["every = Machine(GPU);"]
    for task in sorted({each.task for each in program.launches()}):
        if task in case.places or f"Task {task} CPU;" in case.rules or draw(st.booleans()):
            continue
        a, b, c, d = (draw(st.integers(0, 2)) for _ in range(4))
        node, gpu = f"(t.ipoint[0] * {a} + {b}) % {ranks}", f"(t.ipoint[0] * {c} + {d}) % {gpus}"
        lines.append(f"def spread_{task}(Task t) {{ return every[{node}, {gpu}]; }}")
        lines.append(f"IndexTaskMap {task} spread_{task};")
    return lines
