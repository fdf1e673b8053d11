"""The replay program: any application, executed on the real Legion runtime.

It does the reads, writes and arithmetic that the application describes, in integers, so that its
checksum is the same under every mapper. It can stand wherever a Legion program can::

    application = fitted("stencil", 0.01)
    run = LegionRun(replay_command(application, "stencil.plan"), Metric(REPLAY_PATTERN))
    outcome = run.evaluate(dsl.parse("Task * CPU;"))
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from legion_bridge.errors import ApplicationError, LegionError
from legion_bridge.legion.build import build_program
from legion_bridge.legion.installation import LegionInstallation, find_legion
from legion_bridge.legion.replay_plan import plan_text
from legion_bridge.machines.machine import Machine
from legion_bridge.programs.application import Application

__all__ = [
    "CORES_PATTERN",
    "REPLAY_PATTERN",
    "ReplayResult",
    "build_replay",
    "machine_flags",
    "read_replay",
    "replay_command",
    "write_plan",
]

REPLAY_PATTERN = r"^ELAPSED ([0-9.]+) s$"
CORES_PATTERN = r"^CORES ([0-9.]+) s$"
"""Finds in what it prints the seconds of the iterations that count."""

_PROGRAM = Path(__file__).with_name("programs") / "replay"
_ARGUMENTS = {"CPU": "-ll:cpu", "IO": "-ll:io", "GPU": "-ll:gpu"}
_MEMORIES = {
    "SYSMEM": "-ll:csize",
    "RDMEM": "-ll:rsize",
    "SOCKMEM": "-ll:nsize",
    "FBMEM": "-ll:fsize",
    "ZCMEM": "-ll:zsize",
}


@dataclass(frozen=True)
class ReplayResult:
    """What a run printed.

    Attributes:
        checksum: Of all data at the end; the same under every mapper.
        seconds: Of the iterations that count.
        throughput: Iterations a second.
    """

    checksum: str
    seconds: float
    throughput: float


def build_replay(installation: LegionInstallation | None = None) -> Path:
    """The program, compiled once; with CUDA variants where there is an nvcc.

    Raises:
        LegionError: There is no Legion runtime or no compiler, or the compiler fails.
    """
    sources = sorted([*_PROGRAM.glob("*.cc"), *_PROGRAM.glob("*.cu")])
    return build_program(sources, "replay", installation or find_legion())


def write_plan(application: Application, path: str | Path) -> Path:
    """Writes an application as the program reads it.

    Raises:
        ApplicationError: It cannot be executed, or the file cannot be written.
    """
    text = plan_text(application)
    try:
        Path(path).write_text(text, "ascii")
    except OSError as error:
        raise ApplicationError(f"{path}: cannot be written: {error.strerror}") from None
    return Path(path)


def replay_command(
    application: Application,
    plan: str | Path,
    *,
    iterations: int | None = None,
    warmup: int | None = None,
    machine: Machine | None = None,
    traced: bool = True,
    installation: LegionInstallation | None = None,
) -> list[str]:
    """Writes the plan of an application, and returns the command that executes it.

    Args:
        application: At a size that this machine can bear (see ``scaled``), with tasks that have
            variants for its processors.
        plan: Where to write it; the file must be there while the command runs.
        iterations: That count; by default those of the application.
        warmup: Before them, likewise.
        machine: Whose processors and memories the runtime is told to have; by default two CPU
            processors.
        traced: Whether an application that traces its loop does so here.
        installation: The Legion to use; by default the one that is found.

    Raises:
        ApplicationError: The application cannot be executed.
        LegionError: There is no Legion runtime or no compiler.

    The environment that the command needs is that of the installation, as ``LegionRun`` gives it.
    """
    program = build_replay(installation)
    flags = machine_flags(machine or Machine.load("cpu2"))
    counts = {
        "-warmup": application.warmup if warmup is None else warmup,
        "-iterations": application.timed if iterations is None else iterations,
    }
    words = [str(word) for pair in counts.items() for word in pair]
    untraced = [] if traced else ["-no-trace"]
    return [str(program), str(write_plan(application, plan)), *words, *untraced, *flags]


def machine_flags(machine: Machine) -> list[str]:
    """What tells Legion to have one node's processors and memories of a machine.

    Memories are as large as the machine's, in whole MiB, so that what fits in the simulator fits
    in the run. The runtime sets them aside, but takes only what it uses.

    Raises:
        LegionError: The machine has processors that Legion does not run in this way.
    """
    flags = []
    for kind, processors in machine.processors.items():
        if kind not in _ARGUMENTS:
            raise LegionError(
                f"{machine.name} has {kind} processors, with which the replay program cannot run; "
                f"take a machine with {', '.join(_ARGUMENTS)} only"
            )
        flags += [_ARGUMENTS[kind], str(processors.count)]
    for kind, memory in machine.memories.items():
        if kind in _MEMORIES:
            flags += [_MEMORIES[kind], str(int(memory.capacity) >> 20)]
    return flags


def read_replay(output: str) -> ReplayResult:
    """What a run printed.

    Raises:
        LegionError: It printed no result.
    """
    found = [
        re.search(pattern, output, re.MULTILINE)
        for pattern in (
            r"^CHECKSUM ([0-9a-f]{16})$",
            REPLAY_PATTERN,
            r"^THROUGHPUT (\S+) iterations/s$",
        )
    ]
    checksum, seconds, throughput = (match and match[1] for match in found)
    if not checksum or not seconds or not throughput:
        raise LegionError(f"the replay program printed no result, but: {output.strip()[-500:]}")
    return ReplayResult(checksum, float(seconds), float(throughput))
