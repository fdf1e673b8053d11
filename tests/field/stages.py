"""What is tried with one program, step by step; each step's result can be kept as JSON."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.capture.names import language_name
from legion_bridge.legion import LegionInstallation
from legion_bridge.programs.application import Launch
from studies.real_run import machine_of

from .output import difference
from .table import FieldProgram
from .trial import Bench

__all__ = ["NAMES", "Steps", "launched_points", "valid_mappers"]

_PLAIN = 3  # runs, which show what the output is and whether it is the same every time
_SEED = 7
_TRIES = 200  # random points, at most, for each mapper that is to be found
_COMMAND_TIMEOUT = 900.0
_TUNE = ("--tuner", "tpe", "--repeats", "1", "--pairs", "6", "--no-mlflow")

Result = dict[str, Any]


class Steps:
    """The steps of one program.

    Attributes:
        folder: Where what they need of each other is kept: the application, studies.
        randoms: How many random mappers are tried.
        trials: Of the tuning.
    """

    def __init__(
        self,
        program: FieldProgram,
        bed: Path,
        folder: Path,
        legion: LegionInstallation,
        *,
        randoms: int = 5,
        trials: int = 8,
        space: str = "paper",
    ) -> None:
        self._program, self._bed, self._folder = program, bed, folder
        self._bench = Bench(program, bed, legion)
        self._words = program.words(bed)
        self._randoms, self._trials, self._space = randoms, trials, space

    def plain(self) -> Result:
        """Runs under the program's own mapper, without us."""
        runs, outputs = [], []
        for _ in range(_PLAIN):
            ran, lines = self._bench.expected()
            runs.append(ran)
            if ran.status != "ok":
                return {"status": ran.status, "said": ran.said}
            outputs.append(lines)
        unlike = [difference(outputs[0], other) for other in outputs[1:]]
        stable = not any(unlike)
        return {
            "status": "ok",
            "seconds": min(ran.seconds for ran in runs),
            "stable": stable,
            "said": "" if stable else next(str(each) for each in unlike if each),
            "lines": dict(outputs[0]),
        }

    def capture(self) -> Result:
        """Captures it, as a user does; compares how often each task runs with Legion's profile."""
        target = self._folder / f"{self._program.name}.json"
        target.unlink(missing_ok=True)
        done = self._mappertune(
            "capture", "--json", "--timeout", "120", "-o", str(target), "--", *self._words
        )
        if not target.exists():
            return {"status": "failed", "said": _words_of(done)}
        told = json.loads(done.stdout)
        application = Application.load(str(target))
        return {
            "status": "ok",
            "tasks": told["tasks"],
            "loop": told["loop"],
            "unknown": told["unknown"],
            "skipped": told["skipped"],
            "own_mapper": told["own_mapper"],
            "own": "own" in application.mappers,
            "counts": _unlike_counts(self._bench.points(), launched_points(application)),
        }

    def own(self) -> Result:
        """Runs it under the mapper that the capture wrote."""
        path = self._folder / f"{self._program.name}.json"
        text = Application.load(str(path)).mappers.get("own") if path.exists() else None
        return {"status": "none"} if text is None else self._under(text)

    def default(self) -> Result:
        """Runs it under the application's default mapper, or one that says nothing."""
        path = self._folder / f"{self._program.name}.json"
        mappers: Mapping[str, str] = Application.load(str(path)).mappers if path.exists() else {}
        result = self._under(mappers.get("default", "Task * CPU;\n"))
        asks_none = not path.exists() and result["status"] == "not asked"
        return {"status": "none"} if asks_none else result

    def random(self) -> Result:
        """Runs it under random mappers that the check accepts."""
        path = self._folder / f"{self._program.name}.json"
        if not path.exists():
            return {"status": "none", "runs": []}
        application = Application.load(str(path))
        flags = self._program.variables.get("LEGION_DEFAULT_ARGS", "")
        machine = machine_of(self._words, flags)
        found = valid_mappers(application, machine, self._space, _SEED)
        runs = [{"mapper": text, **self._under(text)} for text in islice(found, self._randoms)]
        return {"status": "ok" if runs else "none", "runs": runs}

    def tune(self) -> Result:
        """Tunes it, as a user does, from what it was captured as."""
        path = self._folder / f"{self._program.name}.json"
        if not path.exists():
            return {"status": "none"}
        metric = ["--metric", self._program.metric] if self._program.metric else []
        with TemporaryDirectory(dir=self._folder) as scratch:
            done = self._mappertune(
                *("tune", "--json", "--command", shlex.join(self._words), *metric, *_TUNE),
                *("--application", str(path), "--trials", str(self._trials)),
                *("--timeout", f"{self._program.timeout:g}", "--output", scratch),
            )
        try:
            told = json.loads(done.stdout)
        except ValueError:
            return {"status": "failed", "code": done.returncode, "said": _words_of(done)}
        if "against_own" not in told:
            return {"status": "failed", "code": done.returncode, "said": _words_of(done)}
        against = told["against_own"]
        return {
            "status": "ok",
            "code": done.returncode,
            "invalid": told.get("invalid_share"),
            "sentence": against["sentence"] if against else None,
            "said": _words_of(done),
        }

    def _under(self, text: str) -> Result:
        plain = self._expected()
        try:
            ran = self._bench.run(text, plain)
        except dsl.MapperError as error:
            return {"status": "mapper refused", "seconds": 0.0, "said": str(error), "same": None}
        return ran.as_json()

    def _expected(self) -> Counter[str] | None:
        """What the program prints by itself; None where that differs from run to run."""
        kept = self._folder / f"{self._program.name}.result.json"
        plain = json.loads(kept.read_text("utf-8")).get("plain", {}) if kept.exists() else {}
        if not self._program.compare or not plain.get("stable"):
            return None
        return Counter(plain["lines"])

    def _mappertune(self, *words: str) -> subprocess.CompletedProcess[str]:
        with TemporaryDirectory(dir=self._folder) as scratch:
            return subprocess.run(
                [sys.executable, "-m", "studies.cli", *words],
                cwd=scratch,
                env={**os.environ, **self._program.variables},
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT,
                check=False,
                stdin=subprocess.DEVNULL,
            )


NAMES: tuple[str, ...] = ("plain", "capture", "own", "default", "random", "tune")
"""The steps, in order: each may need those before it."""


def step(steps: Steps, name: str) -> Result:
    """The result of a step; what breaks in us is a fault that is found, and the suite goes on."""
    taken: Callable[[], Result] = getattr(steps, name)
    try:
        return taken()
    except Exception as error:  # noqa: BLE001  (whatever it is, the other programs are due)
        traceback.print_exc()
        said = f"mappertune fails: {type(error).__name__}: {error}"
        return {"status": "failed", "said": said, "code": 1, "same": None, "runs": []}


def valid_mappers(
    application: Application, machine: Machine, space: str, seed: int
) -> Iterator[str]:
    """Different random mappers of a space that the check finds no error in."""
    rng = random.Random(seed)
    try:
        template = dsl.template_for(application, machine, space)
    except dsl.TemplateError:
        return
    forecast = Evaluator(application, machine).forecast
    seen: set[str] = set()
    tries = 0
    while tries < _TRIES:
        tries += 1
        values: dict[str, str | int] = {}
        for name, parameter in template.parameters.items():
            if template.is_active(name, values):
                values[name] = rng.choice(list(parameter.values))
        text = template.render(values)
        mapper = dsl.parse(text)
        form = dsl.normal_form(mapper)
        found = dsl.check(mapper, application, machine, forecast=forecast)
        if form in seen or any(each.severity == "error" for each in found):
            continue
        seen.add(form)
        tries = 0
        yield text


def launched_points(application: Application) -> dict[str, int]:
    """How many points of each task a captured run has had."""
    count: Counter[str] = Counter()
    iterations = application.warmup + application.timed
    phases: Sequence[tuple[Sequence[Launch], int]] = (
        (application.setup, 1), (application.loop, iterations), (application.finish, 1),
    )  # fmt: skip
    for launches, times in phases:
        for number, launch in enumerate(launches):
            count[launch.task] += times * application.points(launches, number)
    return dict(count)


def _unlike_counts(ran: Mapping[str, int] | None, captured: Mapping[str, int]) -> list[str]:
    """The tasks that ran another number of times than was captured."""
    if ran is None:
        return ["the program did not run with Legion's profile"]
    named: Counter[str] = Counter()
    for name, points in ran.items():
        # A task without a name has a number.
        named[language_name(re.sub(r"^unnamed_task_", "task", name))] += points
    return [
        f"{name} ran {named[name]} times, {captured.get(name, 0)} captured"
        for name in sorted({*named, *captured})
        if named[name] != captured.get(name, 0)
    ]


def _words_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command said: its error where it told one as JSON, else the end of its words."""
    for text in (done.stdout, done.stderr):
        try:
            return str(json.loads(text)["error"]["message"])[-1200:]
        except (ValueError, KeyError, TypeError):
            continue
    return (done.stderr.strip() or done.stdout.strip())[-1200:]
