"""Tuning a Legion program by runs of it: its case, its own mapper, and the last comparison."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from scipy.stats import binom

import dsl
from legion_bridge import Application, Machine
from studies.errors import UsageError
from studies.learned_causes import LearnedCauses
from studies.measured_runs import FINALISTS, MeasuredRuns, Runner
from studies.noise import Noise
from tuners import MapperProblem, attributes
from tuners.problems.problem import Finding
from tuners.problems.start import Start

if TYPE_CHECKING:
    from studies.program_files import ProgramFiles
    from studies.records import TrialRecord

__all__ = [
    "MeasuredProblem",
    "PairedComparison",
    "RealCase",
    "compare_with_own",
    "confirm_best",
    "machine_of",
]

# The flags that size memories, and the megabytes without them.
_SIZES = {"SYSMEM": ("-ll:csize", 512), "RDMEM": ("-ll:rsize", 0), "SOCKMEM": ("-ll:nsize", 0)}
_INTERPRETER = re.compile(r"(?:python|legate)[\d.]*")
_UNITS = {"k": 10, "": 20, "m": 20, "g": 30, "t": 40}  # as Realm reads them
LEVEL = 0.95
FEWEST_PAIRS = 6  # of five pairs, no median's interval reaches 95 %
MOST_RACED = 6 * FINALISTS
"""Runs of the last few mappers at most, however many others have left."""


class MeasuredProblem(MapperProblem):
    """The problem of mapping a program that is measured by runs.

    Attributes:
        runs: What runs it.
        learned: What failures have taught.
    """

    def __init__(
        self, application: Application, machine: Machine, template: dsl.Template, runner: Runner
    ) -> None:
        self.learned = LearnedCauses(application, machine)
        self.runs = MeasuredRuns(runner, self.learned)
        super().__init__(application, machine, template, self.runs)

    def __call__(self, trial: optuna.Trial) -> float:
        """The throughput of the mapper that the trial proposes; 0.0 for an invalid one."""
        self.runs.noted = {}
        self.runs.ahead = max(0, self.runs.ahead - 1)
        value = super().__call__(trial)
        for name, noted in self.runs.noted.items():
            trial.set_user_attr(name, noted)
        if not self.runs.noted:  # its like was run before
            self.runs.spare += self.runs.runner.repeats
        return value

    def text_of(self, trial: optuna.Trial) -> str:
        """The mapper that a trial proposes, less the decisions that were seen to fail.

        So a cause costs the trial that has shown it, and no further one: what fails is replaced
        by what the fastest mapper decides there.
        """
        text = super().text_of(trial)
        mended = self.runs.mended(text)
        if mended is None:
            return text
        trial.set_user_attr(attributes.TEXT, mended)
        return mended

    def recall(self, records: Sequence[TrialRecord]) -> None:
        """Takes up what the trials of an earlier session have shown and taught."""
        self.runs.ahead = max(0, self.runs.ahead - len(records))
        texts = {record.normal_form: record for record in records}
        self.runs.recall(records, lambda key: dsl.parse(texts[key].mapper(self)))
        for record in records:
            if record.learned is not None:
                self.learned.recall(record.learned)

    def _check(self, program: dsl.Program) -> list[Finding]:
        return [*super()._check(program), *self.learned.findings(program)]


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
        files: The program's file and those that its command names; None where nobody looked.
    """

    command: tuple[str, ...]
    captured: Application
    target: Machine
    runner: Runner
    space: str = "paper"
    template: str | None = None
    settings: str = ""
    files: ProgramFiles | None = None

    @property
    def application(self) -> str:
        """Name of the application."""
        return self.captured.name

    @property
    def name(self) -> str:
        """Short, and another one for another command or metric, or a program that was rebuilt."""
        told = f"{shlex.join(self.command)}\n{self.settings}".encode()
        named = f"{self.family}-{hashlib.blake2b(told, digest_size=4).hexdigest()}"
        return named if self.files is None else f"{named}-{self.files.digest}"

    def of_files(self, files: ProgramFiles) -> RealCase:
        """The same case, of given files."""
        return replace(self, files=files)

    @property
    def family(self) -> str:
        """What the names of all cases of this program begin with."""
        return re.sub(r"[^A-Za-z0-9_.=-]", "_", f"{self.application}-real")

    def problem(self) -> MeasuredProblem:
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
        problem = MeasuredProblem(application, self.target, template, self.runner)
        values = template.defaults() if own is None else problem.project(own).values
        problem.start = Start("default", values)
        return problem


def machine_of(command: Sequence[str], default_flags: str = "") -> Machine:
    """The machine that Legion makes of this one by a command's flags: CPU processors, memories.

    Legion's mapper, and ours, makes instances of whole regions in these memories. Programs that an
    interpreter runs, such as those of Legate, size their memory themselves.

    >>> machine_of(["./stencil2d", "-ll:cpu", "3"]).processors["CPU"].count
    3
    >>> machine_of(["./stencil2d", "-ll:csize", "2g"]).memories["SYSMEM"].capacity
    2147483648

    Args:
        command: The program and its arguments.
        default_flags: Those of the environment, which those of the command override.

    Raises:
        UsageError: The flags ask for other kinds of processors, or for sizes that are none.
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
    sized_by_legate = any(_INTERPRETER.fullmatch(Path(word).name) for word in command)
    memories = {}
    for name, (flag, usual) in _SIZES.items():
        memory = machine.memories.get(name)
        if memory is None:
            continue
        size = _bytes(flag, asked[flag]) if flag in asked else usual << 20
        if flag not in asked and usual and sized_by_legate:
            size = int(memory.capacity)
        if size:
            memories[name] = replace(memory, capacity=size, whole=True)
    return replace(machine, name=f"cpu{count}", processors=processors, memories=memories)


def _bytes(flag: str, text: str) -> int:
    """A size as Realm reads it: megabytes unless a letter says otherwise."""
    found = re.fullmatch(r"(\d+)([kmgt]?)", text.lower())
    if found is None:
        raise UsageError(f"{flag} {text} is not a size, such as 512 or 2g")
    return int(found[1]) << _UNITS[found[2]]


@dataclass(frozen=True)
class PairedComparison:
    """How much faster a mapper is than the program's own, of pairs of runs.

    Attributes:
        ratios: Throughput over that of the program's own mapper, one for each pair.
    """

    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median."""
        return float(np.median(self.ratios))

    @property
    def percent(self) -> float:
        """The median, in percent; below 0 where it is slower."""
        return 100 * (self.ratio - 1)

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
            return f"{-self.percent:.1f} % slower than its own mapper {within}: keep that one"
        return f"no difference from its own mapper was found: {self.percent:+.1f} % {within}"


def confirm_best(problem: MeasuredProblem, records: Sequence[TrialRecord]) -> str | None:
    """The best mapper of a study, after its best few were run again in turn.

    The fastest of many noisy trials is often one that was lucky. Who is best of the finalists is
    told by the medians of further runs, those of the trials not counted. A finalist that is
    clearly behind is not run any more; the runs that others have left are spent on the rest.

    Args:
        problem: What was tuned.
        records: The trials.

    Returns:
        Its text; None where no mapper was valid, or all finalists fail now.
    """
    runs = problem.runs
    by_key = {record.normal_form: record for record in records if record.status == "ok"}
    texts = [by_key[key].mapper(problem) for key in runs.finalists() if key in by_key]
    if len(texts) < 2:
        return texts[0] if texts else None
    programs = {text: dsl.parse(text) for text in texts}
    found: dict[str, list[float]] = {text: [] for text in texts}
    left, racing = min(max(runs.spare, len(texts)), MOST_RACED), list(texts)
    while len(racing) > 1 and left >= len(racing):
        for text in list(racing):
            outcome = runs.runner.sample(programs[text])
            left -= 1
            if outcome.ok:
                found[text].append(outcome.throughput)
            else:
                racing.remove(text)
        racing = _ahead(racing, found, runs.noise)
        racing = racing[1:] + racing[:1]  # another one is first in each round
    return max(racing, key=lambda text: float(np.median(found[text])), default=None)


def _ahead(racing: Sequence[str], found: dict[str, list[float]], noise: Noise) -> list[str]:
    """Those that are not clearly slower than the fastest."""
    if not racing:
        return []
    best = max(racing, key=lambda text: float(np.median(found[text])))
    together = Noise.of(found.values())
    noise = max(noise, together, key=lambda each: each.freedom)
    return [text for text in racing if noise.order(found[text], found[best]) >= 0]


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
