"""One run of a field program under a mapper, and what came of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dsl
from legion_bridge.capture.profile_log import ARRIVALS_FLAG
from legion_bridge.legion import LegionInstallation
from legion_bridge.legion.guarded import Ended, Guard
from legion_bridge.legion.preload_environment import preload_environment
from legion_bridge.legion.run import RUNTIME_FLAGS
from legion_bridge.legion.run_profile import PROFILE_FLAGS, profile_of_run
from legion_bridge.legion.verdict import failure_of, words_of

from .output import difference, lines_of
from .table import FieldProgram

__all__ = ["Bench", "Ran"]

_MEMORY = 6 << 30
_ATTEMPTS = 5  # some programs crash at random when they are profiled
_SAID = 600  # characters of a failure that are kept


@dataclass(frozen=True)
class Ran:
    """What came of a run.

    Attributes:
        status: ``"ok"``, or how it failed.
        seconds: From its start to its end.
        said: Of a failure the last words; of a run that printed something else, what.
        same: Whether it printed what the program prints by itself; None where that was not asked.
    """

    status: str
    seconds: float
    said: str = ""
    same: bool | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.status == "ok" and self.same is not False

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


class Bench:
    """Runs one program, each time in a folder that is new."""

    def __init__(self, program: FieldProgram, bed: Path, legion: LegionInstallation) -> None:
        self._program = program
        self._words = program.words(bed)
        self._legion = legion

    def run(self, mapper: str | None, expected: Counter[str] | None = None) -> Ran:
        """Runs it under a mapper, or under the one that it has; compares its output."""
        with Guard() as guard:
            ended = self._ended(guard, mapper)
            report = guard.folder / "report"
            asked = mapper is None or (report.exists() and "policy " in report.read_text("utf-8"))
        failure = failure_of(ended, self._words[0], self._program.timeout, _MEMORY)
        if failure is not None:
            return Ran(failure[0], ended.seconds, failure[1][-_SAID:])
        if not asked:
            return Ran("not asked", ended.seconds, "our mapper was not asked anything")
        if expected is None:
            return Ran("ok", ended.seconds)
        found = difference(expected, self._lines(ended))
        return Ran("ok", ended.seconds, str(found), same=not found)

    def expected(self) -> tuple[Ran, Counter[str]]:
        """A run under the program's own mapper, and what it printed."""
        with Guard() as guard:
            ended = self._ended(guard, None)
        failure = failure_of(ended, self._words[0], self._program.timeout, _MEMORY)
        if failure is not None:
            return Ran(failure[0], ended.seconds, failure[1][-_SAID:]), Counter()
        return Ran("ok", ended.seconds), self._lines(ended)

    def points(self) -> dict[str, int] | None:
        """How often each task ran, by Legion's profile; None where there is none."""
        for _ in range(_ATTEMPTS):
            with Guard() as guard:
                flags = PROFILE_FLAGS.format(folder=shlex.quote(str(guard.folder)))
                ended = self._ended(guard, None, f"{flags} {ARRIVALS_FLAG}")
                failed = failure_of(ended, self._words[0], self._program.timeout, _MEMORY)
                if failed is None and list(guard.folder.glob("times_*")):
                    uses = profile_of_run(guard.folder).tasks
                    return {name: use.points for name, use in uses.items()}
        return None

    def _lines(self, ended: Ended) -> Counter[str]:
        return lines_of(words_of(ended), self._program.ignore)

    def _ended(self, guard: Guard, mapper: str | None, flags: str = "") -> Ended:
        variables = {**os.environ, **self._program.variables}
        variables = self._legion.environment(variables)
        given = variables.get("LEGION_DEFAULT_ARGS", "")
        variables["LEGION_DEFAULT_ARGS"] = f"{shlex.join(RUNTIME_FLAGS)} {given} {flags}".strip()
        variables["TMPDIR"] = str(guard.folder)
        if mapper is not None:
            variables |= preload_environment(dsl.parse(mapper), self._legion, guard.folder)
        place = guard.folder / "here"
        place.mkdir(exist_ok=True)
        return guard.run(
            self._words,
            environment=variables,
            timeout=self._program.timeout,
            memory=_MEMORY,
            folder=place,
        )
