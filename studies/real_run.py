"""Tuning a Legion program by runs of it: its case, its own mapper, and the last comparison."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.stats import binom

import dsl
from legion_bridge import Application, Machine
from studies.errors import UsageError
from tuners import MapperProblem
from tuners.problems.start import Start

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from studies.records import StudyResult

__all__ = [
    "PairedComparison",
    "RealCase",
    "Runner",
    "compare_with_own",
    "confirm_best",
    "machine_of",
]

_ASKED_FOR = {"RDMEM": "-ll:rsize", "SOCKMEM": "-ll:nsize"}  # 0 MB unless a flag asks for some
LEVEL = 0.95
FINALISTS, ROUNDS = 3, 3
FEWEST_PAIRS = 6  # of five pairs, no median's interval reaches 95 %


class Runner(Protocol):
    """Runs a program under a mapper, or under its own; ``LegionRun`` is one.

    Attributes:
        unit: Of the throughputs.
        flags: Of the runtime, which every run has.
    """

    unit: str
    flags: Sequence[str]

    def evaluate(self, program: dsl.Program | None, *, profile: bool = False) -> Outcome: ...

    def sample(self, program: dsl.Program | None) -> Outcome: ...


@dataclass
class _MeasuredRuns:
    """An evaluator whose reference is the mapper that the program has itself."""

    runner: Runner
    repeatable: bool = field(default=False, init=False)

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        return self.runner.evaluate(program, profile=profile)

    def evaluate_own(self) -> Outcome:
        """What came of the program's own mapper, measured once.

        Raises:
            UsageError: The program fails under it, or prints no metric.
        """
        return self._own

    @cached_property
    def _own(self) -> Outcome:
        outcome = self.runner.evaluate(None)
        if not outcome.ok or outcome.throughput <= 0:
            advice = "; give it more by --timeout" if outcome.status == "timeout" else ""
            raise UsageError(
                f"the program cannot be measured under its own mapper: {outcome.raw}{advice}"
            )
        return outcome


@dataclass(frozen=True)
class RealCase:
    """A captured program on the machine that it runs on, measured by runs of it.

    Attributes:
        command: The program and its arguments.
        captured: What it was captured as.
        target: The machine.
        runner: What runs it.
        space: Name of the search space that is written from the program's facts.
        template: Text of a template that takes the place of ``space``.
        settings: What else a study's measurements depend on, such as the metric.
    """

    command: tuple[str, ...]
    captured: Application
    target: Machine
    runner: Runner
    space: str = "paper"
    template: str | None = None
    settings: str = ""

    @property
    def application(self) -> str:
        """Name of the application."""
        return self.captured.name

    @property
    def name(self) -> str:
        """Short, and another one for another command or metric."""
        told = f"{shlex.join(self.command)}\n{self.settings}".encode()
        safe = re.sub(r"[^A-Za-z0-9_.=-]", "_", f"{self.application}-real")
        return f"{safe}-{hashlib.blake2b(told, digest_size=4).hexdigest()}"

    def problem(self) -> MapperProblem:
        """The problem of mapping it, evaluated by runs.

        Raises:
            dsl.TemplateError: The template is wrong, or the space unknown.
        """
        application = replace(self.captured, unit=self.runner.unit)
        own = application.mappers.get("own")
        start = dsl.parse(own) if own else None
        if self.template is None:
            template = dsl.template_for(application, self.target, space=self.space, start=start)
        else:
            template = dsl.Template(self.template)
        problem = MapperProblem(application, self.target, template, _MeasuredRuns(self.runner))
        values = template.defaults() if own is None else problem.project(own).values
        problem.start = Start("default", values)
        return problem


def machine_of(command: Sequence[str], default_flags: str = "") -> Machine:
    """The machine that Legion makes of this one by a command's flags: its CPU processors.

    >>> machine_of(["./stencil2d", "-ll:cpu", "3"]).processors["CPU"].count
    3

    Args:
        command: The program and its arguments.
        default_flags: Those of the environment, which those of the command override.

    Raises:
        UsageError: The flags ask for other kinds of processors.
    """
    words = [*shlex.split(default_flags), *command]
    asked = dict(pairwise(words))
    for flag in ("-ll:gpu", "-ll:ocpu"):
        if asked.get(flag, "0") != "0":
            raise UsageError(f"{flag} asks for other processors than CPU: name a --machine file")
    count = asked.get("-ll:cpu", "1")
    if not count.isdecimal() or int(count) < 1:
        raise UsageError(f"-ll:cpu {count} is not a number of processors from 1 on")
    machine = Machine.load("cpu2")
    cpu = replace(machine.processors["CPU"], count=int(count))
    processors = {**machine.processors, "CPU": cpu}
    memories = {
        name: memory
        for name, memory in machine.memories.items()
        if name not in _ASKED_FOR or asked.get(_ASKED_FOR[name], "0") != "0"
    }
    return replace(machine, name=f"cpu{count}", processors=processors, memories=memories)


@dataclass(frozen=True)
class PairedComparison:
    """How much faster a mapper is than the program's own, of pairs of runs.

    Attributes:
        ratios: Throughput over that of the program's own mapper, one for each pair.
    """

    ratios: tuple[float, ...]

    @property
    def percent(self) -> float:
        """The median, in percent; below 0 where it is slower."""
        return 100 * (float(np.median(self.ratios)) - 1)

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of the median, in percent, at 95 % or more, whatever the distribution.

        It lies between two of the ratios, as the sign test chooses them.
        """
        ordered, count = sorted(self.ratios), len(self.ratios)
        skipped = max(0, int(binom.ppf((1 - LEVEL) / 2, count, 0.5)) - 1)
        return 100 * (ordered[skipped] - 1), 100 * (ordered[-1 - skipped] - 1)

    @property
    def sentence(self) -> str:
        """What was found."""
        low, high = self.interval
        within = f"(95 % interval {low:+.1f} % to {high:+.1f} %, {len(self.ratios)} pairs of runs)"
        if low > 0:
            return f"{self.percent:.1f} % faster than its own mapper {within}"
        if high < 0:
            return f"{-self.percent:.1f} % slower than its own mapper {within}"
        return f"no difference from its own mapper was found: {self.percent:+.1f} % {within}"


def confirm_best(runner: Runner, result: StudyResult, problem: MapperProblem) -> str | None:
    """The best mapper of a study, after its best few were run again in turn.

    The fastest of many noisy trials is often one that was lucky. Who is best of the finalists is
    told by the medians of further runs, those of the trials not counted.

    Args:
        runner: Runs the program.
        result: The study.
        problem: What was tuned.

    Returns:
        Its text; None where no mapper was valid, or all finalists fail now.
    """
    valid = sorted(
        (record for record in result.records if record.status == "ok"),
        key=lambda record: -record.throughput,
    )
    first = {record.normal_form or record.number: record for record in reversed(valid)}
    texts = [record.mapper(problem) for record in valid if record in first.values()][:FINALISTS]
    if len(texts) < 2:
        return texts[0] if texts else None
    programs = {text: dsl.parse(text) for text in texts}
    found: dict[str, list[float]] = {text: [] for text in texts}
    for _ in range(ROUNDS):
        for text, program in programs.items():
            outcome = runner.sample(program)
            found[text].append(outcome.throughput if outcome.ok else 0.0)
    best = max(texts, key=lambda text: float(np.median(found[text])))
    return best if np.median(found[best]) > 0 else None


def compare_with_own(runner: Runner, mapper: str, pairs: int) -> PairedComparison:
    """Runs a mapper and the program's own in turn, each first in every other pair.

    Raises:
        UsageError: There are too few pairs for an interval, or a run fails.
    """
    if pairs < FEWEST_PAIRS:
        raise UsageError(f"{pairs} pairs of runs give no 95 % interval: ask for {FEWEST_PAIRS}")
    program = dsl.parse(mapper)
    ratios = []
    for pair in range(pairs):
        order = (program, None) if pair % 2 else (None, program)
        found = {which is None: _sampled(runner, which) for which in order}
        ratios.append(found[False] / found[True])
    return PairedComparison(tuple(ratios))


def _sampled(runner: Runner, program: dsl.Program | None) -> float:
    outcome = runner.sample(program)
    if not outcome.ok or outcome.throughput <= 0:
        whose = "its own mapper" if program is None else "the best mapper"
        raise UsageError(
            f"the program failed in the last comparison, under {whose}: {outcome.raw}"
        )
    return outcome.throughput
