"""Probes on the real runtime: how long an iteration of a small program takes under a mapper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import dsl
from dsl.c_output.compiled_policy import compile_policy
from dsl.scratch_folder import ScratchFolder
from legion_bridge.errors import LegionError
from legion_bridge.legion.build import build_mapper
from legion_bridge.legion.installation import find_legion
from legion_bridge.legion.metric import Metric
from legion_bridge.legion.priority import with_priority
from legion_bridge.legion.replay import CORES_PATTERN, REPLAY_PATTERN, build_replay, write_plan
from legion_bridge.legion.run import LegionRun
from legion_bridge.programs.application import Application

__all__ = ["ONE", "SPREAD", "Probe", "ProbeRuns", "probe_runs"]

ONE = "all = Machine(CPU); def f(Task t) { return all[0, 0]; } IndexTaskMap CPU f;"
"""All points on one processor."""
SPREAD = (
    "all = Machine(CPU); def f(Task t) { return all[0, t.ipoint[0] * all.size[1] / t.ispace[0]]; }"
    " IndexTaskMap CPU f;"
)
"""Points side by side, as many on each processor."""

_MEGABYTES = "1500"


@dataclass(frozen=True)
class Probe:
    """A program under a mapper.

    Attributes:
        name: One word.
        rules: Statements about memories and layouts.
        maps: Where the points go.
        cores: Whether it tells how long cores were busy, of all together, in place of how long
            it took.
    """

    name: str
    application: Application
    rules: str = ""
    maps: str = ONE
    cores: bool = False

    @property
    def mapper(self) -> str:
        """The first statement for a key wins, so that the rules do."""
        return f"Task * CPU; {self.rules} Region * * CPU SYSMEM; {self.maps}"


class ProbeRuns:
    """Probes, made ready; every call runs one of them."""

    def __init__(self, probes: Sequence[Probe], processors: int, folder: Path) -> None:
        legion = find_legion()
        library, program = build_mapper(legion), build_replay(legion)
        flags = ["-ll:cpu", str(processors), "-ll:csize", _MEGABYTES, "-ll:rsize", _MEGABYTES]
        self._runs = {
            probe.name: self._run(probe, [str(program)], flags, library, folder)
            for probe in probes
        }
        self._iterations = {probe.name: probe.application.timed for probe in probes}

    def _run(
        self, probe: Probe, program: list[str], flags: list[str], library: Path, folder: Path
    ) -> LegionRun:
        plan = write_plan(probe.application, folder / f"{probe.name}.plan")
        policy = compile_policy(dsl.emit_c(dsl.parse(probe.mapper)), folder / f"{probe.name}.so")
        preload, loaded = quote(str(library)), quote(str(policy))
        counts = ["-warmup", str(probe.application.warmup)]
        counts += ["-iterations", str(probe.application.timed)]
        command = [*program, str(plan), *counts, *flags]
        return LegionRun(
            with_priority(command, f"LD_PRELOAD={preload} MAPPERTUNE_POLICY={loaded}"),
            Metric(CORES_PATTERN if probe.cores else REPLAY_PATTERN),
            repeats=1,
            warmup=0,
        )

    def seconds(self, name: str) -> float:
        """Of one iteration.

        Raises:
            LegionError: The run failed.
        """
        outcome = self._runs[name].evaluate(None)
        if outcome.elapsed is None:
            words = outcome.raw.strip().splitlines()[-1:]
            raise LegionError(f"the probe {name} failed on the real runtime: {' '.join(words)}")
        return outcome.elapsed / self._iterations[name]


@contextmanager
def probe_runs(probes: Sequence[Probe], processors: int) -> Iterator[ProbeRuns]:
    """Probes that are ready to run; what they need goes with the context.

    Raises:
        LegionError: There is no Legion runtime, or no compiler.
    """
    with ScratchFolder("probes") as folder:
        yield ProbeRuns(probes, processors, Path(folder))
