"""A program as a model is told of it: the launches of an iteration, their data, and their cost.

Everything that a mapper decides about is there once: a line for each launch in program order, one
for each of its arguments, with who made the data and which piece each point takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.units import amount, quantity, seconds
from legion_bridge.machines.flat_machine import FlatMachine, flatten_machine
from legion_bridge.programs.data_flow import Made, made_by
from legion_bridge.simulation.point_times import least_times
from tuners.llm.prompts.pieces import Coordinates, piece_formula

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from legion_bridge.programs.application import Launch, Partition, Requirement

__all__ = ["describe_program"]

FIELDS = 5
"""Fields of a requirement that are named; stems of fields count once."""
USUAL = 0.2
"""Share by which what a point streams may differ from what it holds before it is told."""
LEAST_MOVED = 1e5
"""Bytes from which on it is told how much a point moves."""
PRIVILEGES = {
    "READ_ONLY": "R",
    "READ_WRITE": "RW",
    "WRITE_ONLY": "W",
    "REDUCE": "+=",
}

Ints: TypeAlias = NDArray[np.int64]

LEGEND = (
    "times of one point, data where it serves best; bytes of its piece: piece p for point p, or "
    "that in brackets; `R` read, `RW`, `W` overwritten, `+=` summed up in an own instance, folded "
    "for the next reader; `<t` made by t, `<+t` summed by t, `<t'` in the iteration before, `<-` "
    "before the loop)"
)


def describe_program(application: Application, machine: Machine) -> str:
    """A program on a machine, as far as a mapper decides about it."""
    machine = machine.for_ranks(application.ranks_per_node)
    parts = [
        _head(application),
        "\n".join(["Regions and their pieces", *_regions(application, machine)]),
        "\n".join([f"One iteration, in program order ({LEGEND}", *_loop(application, machine)]),
    ]
    if application.setup:
        parts.append("\n".join([BEFORE, *_setup(application)]))
    if application.finish:
        names = dict.fromkeys(launch.task for launch in application.finish)
        parts.append(f"After the loop, not timed: {', '.join(names)}")
    if application.unknown:
        parts.append("\n".join(["Unknown, and assumed", *_unknown(application)]))
    return "\n\n".join(parts)


BEFORE = "Before the loop, not timed: what data tasks have, and where it lies first"


def _unknown(application: Application) -> Iterator[str]:
    yield from (f"  {place}: {why}" for place, why in application.unknown.items())


def _head(application: Application) -> str:
    sizes = ", ".join(f"{key} {value}" for key, value in application.parameters.items())
    traced = "the runtime replays a trace of it" if application.traced else "no trace is replayed"
    work = quantity(application.work, application.unit.removesuffix("/s"), digits=6)
    times = f"{application.timed} iterations are timed, after {application.warmup} others"
    lines = [
        f"{application.name}: {application.summary} ({sizes})",
        f"{work} an iteration; {times}; {traced}.",
    ]
    if application.ranks_per_node > 1:
        lines.append(f"{application.ranks_per_node} processes a node: each is a node to a mapper.")
    return "\n".join(lines)


# Regions


def _regions(application: Application, machine: Machine) -> Iterator[str]:
    used = {r.partition for launch in application.launches() for r in launch.requirements
            if r.fields}  # fmt: skip
    for region in application.regions.values():
        extents = [b - a + 1 for a, b in zip(region.lower, region.upper, strict=True)]
        each = sum(f.bytes for f in region.fields)
        whole = math.prod(extents) * each
        parts = [
            _partition(partition)
            for partition in application.partitions.values()
            if partition.region == region.name and partition.name in used
        ]
        pieces = f": {', '.join(parts)}" if parts else ""
        yield (
            f"  {region.name} {'x'.join(map(str, extents))} of {each} B, {amount(whole)}"
            f"{_too_large(whole, machine)}{pieces}"
        )


def _too_large(whole: float, machine: Machine) -> str:
    """The memories of GPUs that cannot hold a node's share of a region, all together."""
    seen = [m for m in machine.memories if ("GPU", m) in machine.access]
    small = [
        f"{kind}'s {amount(each)}"
        for kind in seen
        if (each := machine.capacity(kind) * machine.memories_per_node(kind))
        < whole / machine.nodes
    ]
    return f" (does not fit into {', '.join(small)} a node)" if small else ""


def _partition(partition: Partition) -> str:
    volumes = partition.volumes
    if volumes is None:
        volumes = (partition.pieces[:, 1] - partition.pieces[:, 0] + 1).clip(min=0).prod(axis=1)
    overlap = " overlapping" if _overlap(partition.pieces) else ""
    return f"{partition.name} {len(volumes)}{overlap} of {int(volumes.max(initial=0))}"


def _overlap(pieces: Ints) -> bool:
    """Whether the bounds of some two pieces overlap; not looked at where there are many."""
    if not 1 < len(pieces) <= MOST_COMPARED:
        return False
    lower = np.maximum(pieces[:, None, 0], pieces[None, :, 0])
    upper = np.minimum(pieces[:, None, 1], pieces[None, :, 1])
    return bool(np.triu((lower <= upper).all(axis=2), k=1).any())


MOST_COMPARED = 512


# Launches


@dataclass(frozen=True)
class _Group:
    """Launches of one task one after the other, over one domain and by one parent.

    Attributes:
        numbers: Of the launches.
        first: The first of them.
    """

    numbers: tuple[int, ...]
    first: Launch


def _groups(launches: Sequence[Launch]) -> list[_Group]:
    found: list[_Group] = []
    for number, launch in enumerate(launches):
        last = found[-1] if found else None
        if last is not None and _alike(last.first, launch):
            found[-1] = _Group((*last.numbers, number), last.first)
        else:
            found.append(_Group((number,), launch))
    return found


def _alike(one: Launch, other: Launch) -> bool:
    """Whether two launches differ in nothing but the pieces that they take."""

    def kind(launch: Launch) -> tuple[object, ...]:
        needs = tuple((r.region, r.privilege, r.fields) for r in launch.requirements)
        return launch.task, launch.domain, launch.lower, launch.parent, launch.timed, needs

    return kind(one) == kind(other)


def _loop(application: Application, machine: Machine) -> Iterator[str]:
    """Each launch with its arguments.

    Of launches that differ in numbered fields, or in where their domain begins, it is the first.
    """
    flat, made = flatten_machine(machine), made_by(application)
    launches = application.loop
    depth: dict[int, int] = {}
    told: set[str] = set()
    order: list[str] = []
    idle: list[str] = []
    for group in _groups(launches):
        number, launch = group.numbers[0], group.first
        depth[number] = 0 if launch.parent is None else depth.get(launch.parent, 0) + 1
        depth |= dict.fromkeys(group.numbers, depth[number])
        order.append(launch.task)
        if launch.single and launch.parent is None and not launch.requirements:
            idle.append(launch.task)
            continue
        lines = list(_lines(application, flat, group, made))
        shape = _NUMBERED.sub(r"\1", _FROM.sub("", "\n".join(lines).partition(" <")[0]))
        if shape in told:
            continue
        told.add(shape)
        yield from (f"{'  ' * (depth[number] + 1)}{line}" for line in lines)
    if idle:
        yield f"  single tasks without data: {', '.join(dict.fromkeys(idle))}"
    if len(order) > len(told) + len(idle):
        yield f"In this order: {', '.join(_folded(order))}."


_NUMBERED = re.compile(r"\b([a-z]+)\d+\b")
_FROM = re.compile(r" from \([-\d, ]+\)")


def _lines(
    application: Application,
    machine: FlatMachine,
    group: _Group,
    made: Mapping[tuple[int, int], Sequence[Made]],
) -> Iterator[str]:
    """A launch, and its arguments with data."""
    coordinates = Coordinates(application.loop, group.numbers)
    yield _launch(application, machine, group, coordinates)
    passed = []
    for index, requirement in enumerate(group.first.requirements):
        if requirement.virtual:
            passed.append(f"{index} {_pieces(application, group, index, coordinates)}")
        elif requirement.fields:
            yield f"  {index} {_argument(application, group, index, coordinates, made)}"
    if passed:
        yield f"  passes on, without instances: {', '.join(passed)}"


def _folded(order: Sequence[str]) -> Iterator[str]:
    """A sequence in which what repeats itself is told once.

    >>> list(_folded("abcbcbcd"))
    ['a', '3 x (b, c)', 'd']
    """
    at = 0
    while at < len(order):
        best = (1, 1)
        for period in range(1, LONGEST_PERIOD + 1):
            unit = order[at : at + period]
            times = 1
            while order[at + times * period : at + (times + 1) * period] == unit:
                times += 1
            if times > 1 and times * period > best[0] * best[1]:
                best = (period, times)
        period, times = best
        unit = order[at : at + period]
        if times == 1:
            yield unit[0]
        else:
            yield f"{times} x ({', '.join(unit)})" if period > 1 else f"{times} x {unit[0]}"
        at += period * times


LONGEST_PERIOD = 8


def _launch(
    application: Application, machine: FlatMachine, group: _Group, coordinates: Coordinates
) -> str:
    """The task, its points, and what one of them takes on each kind of processor."""
    launch, kind = group.first, application.task_kinds[group.first.task]
    points = "single" if launch.single else _domain(launch, coordinates)
    if len(group.numbers) > 1:
        points += f", {len(group.numbers)} launches" + (
            f" (s = 0 to {len(group.numbers) - 1})" if coordinates.above else ""
        )
    said = [f"{launch.task}: {points}"]
    if launch.parent is not None:
        said.append(f"for each point of {application.loop[launch.parent].task}")
    if kind.inner:
        said.append(f"only launches others, on {' or '.join(kind.variants)}")
    else:
        said.append(_costs(application, machine, launch))
    if not all(each.timed for each in application.loop):
        said.append("timed" if launch.timed else "not timed")
    if launch.blocking:
        said.append("the program waits for it")
    elif launch.after:
        number = group.numbers[0]
        names = dict.fromkeys(
            application.loop[each].task + ("'" if each >= number else "") for each in launch.after
        )
        said.append(f"after {', '.join(names)}")
    return "; ".join(filter(None, said))


def _domain(launch: Launch, coordinates: Coordinates) -> str:
    if launch.points:
        return f"{len(launch.points)} points of a sparse domain"
    several = len(coordinates.values) > 1 or launch.parent is not None
    named = f" ({', '.join(coordinates.own)})" if several else ""
    lower = f" from ({', '.join(map(str, launch.lower))})" if any(launch.lower) else ""
    extents = "x".join(map(str, launch.domain))
    return f"{extents} point{'s' if launch.volume > 1 else ''}{named}{lower}"


def _costs(application: Application, machine: FlatMachine, launch: Launch) -> str:
    """Seconds of a point on each kind of processor, data in the memory that suits it best."""
    found = []
    for kind in application.task_kinds[launch.task].variants:
        if kind not in machine.machine.processors:
            continue
        needed = np.zeros((len(launch.work.flops), len(launch.requirements)))
        longest = float(least_times(machine, application, launch, kind, needed).max(initial=0.0))
        flops = float(launch.work.flops.max(initial=0.0))
        rate = machine.machine.processors[kind].rate(launch.work.rate)
        bound = " (arithmetic)" if flops / rate > ARITHMETIC * longest else ""
        found.append(f"{kind} {seconds(longest, digits=3)}{bound}")
    return ", ".join(found)


ARITHMETIC = 0.8
"""Share of a point's time from which on its arithmetic is what it takes."""


def _argument(
    application: Application,
    group: _Group,
    index: int,
    coordinates: Coordinates,
    made: Mapping[tuple[int, int], Sequence[Made]],
) -> str:
    """One requirement: its name, what is done with which piece, and who made that."""
    launches = [application.loop[number] for number in group.numbers]
    requirement = group.first.requirements[index]
    said = [
        _pieces(application, group, index, coordinates),
        PRIVILEGES[requirement.privilege],
        _fields(application, requirement),
        _bytes(application, launches, index),
    ]
    need = requirement.need
    if need and need.order and application.regions[requirement.region].dimension > 1:
        said.append(f"needs {need.order}")
    sources = list(dict.fromkeys(e for number in group.numbers for e in made[number, index]))
    said += dict.fromkeys(
        _made(each)
        for each in sources
        if not (each.last_iteration and each.task == group.first.task)
        and not (each.last_iteration and replace(each, last_iteration=False) in sources)
    )
    return " ".join(filter(None, said))


def _pieces(application: Application, group: _Group, index: int, coordinates: Coordinates) -> str:
    """What a mapper calls the data, and which piece of it each point takes."""
    launches = [application.loop[number] for number in group.numbers]
    requirement = group.first.requirements[index]
    names = dict.fromkeys(_name(each.requirements[index]) for each in launches)
    colors = np.concatenate(
        [
            _colors(application, each, number, index)
            for each, number in zip(launches, group.numbers, strict=True)
        ]
    )
    formula = "" if len(names) > 1 else _shown(application, coordinates, requirement, colors)
    return f"{' then '.join(names)}{formula}"


def _name(requirement: Requirement) -> str:
    return requirement.partition or requirement.region


def _colors(application: Application, launch: Launch, number: int, index: int) -> Ints:
    given = launch.colors[index] if launch.colors else None
    count = application.points(application.loop, number)
    if given is not None:
        return given
    divided = launch.requirements[index].partition is not None
    return np.arange(count) if divided else np.zeros(count, np.int64)


def _shown(
    application: Application,
    coordinates: Coordinates,
    requirement: Requirement,
    colors: Ints,
) -> str:
    """The formula of the pieces, unless each point takes the piece of its own number."""
    own = len(coordinates.own) == 1 and not coordinates.above and not coordinates.step
    if own and np.array_equal(colors, np.arange(len(colors))):
        return ""
    return piece_formula(application, coordinates, requirement, colors)


def _fields(application: Application, requirement: Requirement) -> str:
    """The fields, those of one stem as one; nothing where the region has but one field."""
    if len(application.regions[requirement.region].fields) == 1:
        return ""
    stems = list(dict.fromkeys(name.split(".")[0] for name in requirement.fields))
    more = len(stems) - FIELDS
    return ",".join(stems[:FIELDS]) + (f",+{more}" if more > 0 else "")


def _bytes(application: Application, launches: Sequence[Launch], index: int) -> str:
    """Bytes of the largest piece, and what is streamed or scattered where it is not one pass."""
    requirement = launches[0].requirements[index]
    held = max(_held(application, each.requirements[index]) for each in launches)
    work = launches[0].work
    said = amount(held)
    streamed = float(work.traffic[:, index].max(initial=0.0))
    passes = (1, 2) if requirement.privilege in ("READ_WRITE", "REDUCE") else (1,)
    usual = any(abs(streamed / (each * held) - 1) < USUAL for each in passes) if held else True
    if streamed > LEAST_MOVED and not usual and not work.seconds:
        said += f" ({amount(streamed)} moved)"
    scattered = float(work.accesses[:, index].max(initial=0.0))
    if scattered and not work.seconds:
        what = "gathers" if requirement.privilege == "READ_ONLY" else "atomic updates"
        said += f" ({quantity(scattered)} {what})"
    return said


def _held(application: Application, requirement: Requirement) -> float:
    region = application.regions[requirement.region]
    volume = int(application.piece_volumes(requirement).max(initial=0))
    return float(volume * region.field_bytes(requirement.fields))


def _made(made: Made) -> str:
    plus = "+" if made.summed else ""
    if made.before_loop:
        return "<-"
    return f"<{plus}{made.task}{chr(39) if made.last_iteration else ''}"


# Before the loop


def _setup(application: Application) -> Iterator[str]:
    in_loop = {launch.task for launch in application.loop}
    known = dict.fromkeys(each.task for each in application.setup if each.task in in_loop)
    bare = dict.fromkeys(
        launch.task
        for launch in application.setup
        if launch.task not in in_loop and not any(r.fields for r in launch.requirements)
    )
    for group in _groups(application.setup):
        launch, kind = group.first, application.task_kinds[group.first.task]
        if launch.task in {**known, **bare}:
            continue
        points = "" if launch.single else f" {'x'.join(map(str, launch.domain))} points"
        by = f" in {application.setup[launch.parent].task}" if launch.parent is not None else ""
        inner = ", only launches others" if kind.inner else ""
        again = f", {len(group.numbers)} times" if len(group.numbers) > 1 else ""
        needs = [
            f"{index} {_name(r)} {PRIVILEGES[r.privilege]}"
            for index, r in enumerate(launch.requirements)
            if r.fields and not kind.inner
        ]
        kinds = ",".join(kind.variants)
        data = f": {', '.join(needs)}" if needs else ""
        yield f"  {launch.task} ({kinds}{inner}){points}{by}{again}{data}"
    if known:
        yield f"  with data as in the loop: {', '.join(known)}"
    if bare:
        yield f"  without data: {', '.join(bare)}"
