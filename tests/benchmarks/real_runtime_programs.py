"""The programs that are both simulated and run on the real Legion runtime, at sizes for two cores.

A run counts for 0.2 to 2 s under most mappers, and its data fits into the memory that the runtime
is told to have several times over, so that mappers may hold it in several layouts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.capture import capture
from legion_bridge.legion import build_program, find_legion
from legion_bridge.legion.priority import with_priority
from legion_bridge.legion.replay import REPLAY_PATTERN, machine_flags, replay_command
from legion_bridge.legion.scaled import on_cpus
from legion_bridge.programs.application_json import read_application, write_application

__all__ = ["FIELD_NAMES", "NAMES", "Program", "program", "roomy", "valid_mappers"]

_PROGRAMS = Path(__file__).parents[2] / "legion_bridge/legion/programs"
_ELAPSED = r"^ELAPSED ([0-9.]+) s$"
# Of the replays: parameters, iterations before those that count, and iterations that count.
_REPLAYS: dict[str, tuple[dict[str, int], int, int]] = {
    "stencil": ({"nx": 1200, "ny": 1200}, 2, 20),
    "circuit": (
        {
            "pieces": 16,
            "per_superpiece": 4,
            "circuit_nodes": 1000,
            "wires": 4000,
            "inner_steps": 400,
        },
        2,
        10,
    ),
    "summa": ({"nodes": 4, "gx": 2, "gy": 2, "n": 1300}, 1, 3),
}
# Of the real programs: arguments, and how often their loop runs.
_REAL: dict[str, tuple[str, int]] = {
    "stencil2d": ("-n 1000 -f 2 -p 2x2 -t 20", 20),
    "summa program": ("-n 1000 -p 4 -t 3", 3),
}
# Of programs that others wrote, built as CONTRIBUTING.md says: binary, arguments, how often their
# loop runs, and what finds their seconds.
_FIELD: dict[str, tuple[str, str, int, str]] = {
    "Legion's circuit": (
        "circuit",
        "-l 20 -p 8 -npp 1000 -wpp 4000 -i 400",
        20,
        r"^ELAPSED TIME = +([0-9.]+) s$",
    ),
}
NAMES = (*_REPLAYS, *_REAL)
FIELD_NAMES = (*_FIELD,)
_SPACE = "rich"
_ON_ONE = 0.25
_FIRST = "all = Machine(CPU);\ndef first(Task t) { return all[0, 0]; }\n"
_MEGABYTES = 3000
_MEMORY = ("-ll:csize", str(_MEGABYTES), "-ll:rsize", str(_MEGABYTES))
"""Aligned fields side by side take up to sixteen times the room of their data."""


@dataclass(frozen=True)
class Program:
    """One program.

    Attributes:
        application: What is simulated; it counts the same iterations as the program does.
        command: What is run.
        pattern: Finds the seconds in what it prints.
        size: In words.
    """

    name: str
    application: Application
    command: list[str]
    pattern: str
    size: str


def roomy(machine: Machine) -> Machine:
    """The machine with memories of the size that the runtime is told to have here."""
    memories = {
        kind: replace(memory, capacity=_MEGABYTES << 20)
        for kind, memory in machine.memories.items()
    }
    return replace(machine, memories=memories)


def program(name: str, machine: Machine, folder: Path, bed: Path | None = None) -> Program:
    """A program, ready to be run.

    Args:
        name: One of ``NAMES``, or of ``FIELD_NAMES`` where there is a ``bed``.
        machine: The machine that it runs on.
        folder: Keeps what is made for it.
        bed: The folder of built programs that others wrote.
    """
    if name in _REPLAYS:
        return _replay(name, machine, folder)
    if name in _REAL:
        return _real(name, machine, folder)
    if bed is None:
        raise SystemExit(f"{name} was written by others: name the folder of built ones by --bed")
    return _field(name, machine, folder, bed)


def _replay(name: str, machine: Machine, folder: Path) -> Program:
    sizes, warmup, timed = _REPLAYS[name]
    built = on_cpus(Application.load(name, **sizes))
    application = replace(built, warmup=warmup, timed=timed)
    plan = folder / f"{name}.plan"
    command = [*replay_command(application, plan, machine=machine), *_MEMORY]
    size = ", ".join(f"{key} {value}" for key, value in sizes.items())
    return Program(name, application, command, REPLAY_PATTERN, f"{size}; {timed} iterations")


def _real(name: str, machine: Machine, folder: Path) -> Program:
    arguments, times = _REAL[name]
    source = name.split(maxsplit=1)[0]
    sources = sorted(_PROGRAMS.joinpath(source).glob("*.c*"))
    built = build_program(sources, source, find_legion())
    command = [str(built), *arguments.split(), *machine_flags(machine), *_MEMORY]
    application = _captured(command, source, folder, times)
    return Program(name, application, command, _ELAPSED, arguments)


def _field(name: str, machine: Machine, folder: Path, bed: Path) -> Program:
    binary, arguments, times, pattern = _FIELD[name]
    path = bed.resolve() / binary
    command = [str(path), *arguments.split(), *machine_flags(machine), *_MEMORY]
    application = _captured(command, f"legion_{binary}", folder, times)
    return Program(name, application, command, pattern, arguments)


def _captured(command: list[str], name: str, folder: Path, times: int) -> Application:
    """What a command is captured as, once; its loop counts ``times`` iterations."""
    path = folder / f"{name}-program.json"
    if not path.exists():
        write_application(capture(with_priority(command), name=name).application, path)
    return replace(read_application(str(path)), warmup=0, timed=times)


def valid_mappers(
    application: Application, machine: Machine, seed: int
) -> Iterator[tuple[str, dsl.Program]]:
    """Different random mappers that pass all checks and run in simulation.

    They are drawn from the application's rich space; but one index map in four sends all points to
    the first processor, which no map of that space does.
    """
    rng = random.Random(seed)
    template = dsl.template_for(application, machine, _SPACE)
    evaluator = Evaluator(application, machine)
    seen: set[str] = set()
    while True:
        text = _on_one_processor(template.render(_random_point(template, rng)), rng)
        mapper = dsl.parse(text)
        form = dsl.normal_form(mapper)
        found = dsl.check(mapper, application, machine, forecast=evaluator.forecast)
        if form in seen or any(d.severity == "error" for d in found):
            continue
        if evaluator.evaluate(mapper).ok:
            seen.add(form)
            yield text, mapper


def _on_one_processor(text: str, rng: random.Random) -> str:
    """The mapper with some of its index maps replaced."""

    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]} first;" if rng.random() < _ON_ONE else match[0]

    changed = re.sub(r"^(IndexTaskMap \S+) \S+;$", replaced, text, flags=re.MULTILINE)
    return _FIRST + changed if changed != text else text


def _random_point(template: dsl.Template, rng: random.Random) -> dict[str, str | int]:
    values: dict[str, str | int] = {}
    for name, parameter in template.parameters.items():
        if template.is_active(name, values):
            values[name] = rng.choice(list(parameter.values))
    return values
