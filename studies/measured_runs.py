"""An evaluator that runs a program, and spends its runs where they decide.

A mapper that is clearly slower than the best one is run once instead of ``repeats`` times. What
that saves goes to mappers that are close to the best: they are run in turn with it until one is
clearly faster, or the savings are spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import dsl
from legion_bridge.measurement import Measurement
from legion_bridge.outcome import Outcome
from studies.errors import UsageError
from studies.noise import Noise
from tuners import attributes
from tuners.problems.mapper_problem import digest
from tuners.problems.references import NO_DECISIONS

if TYPE_CHECKING:
    from studies.learned_causes import LearnedCauses
    from studies.records import TrialRecord

__all__ = ["FINALISTS", "OWN", "RESERVE", "MeasuredRuns", "Runner"]

OWN = "own"  # in the place of a normal form: the mapper that the program has itself
FINALISTS, ROUNDS = 3, 3
RESERVE = FINALISTS * ROUNDS
"""Runs beyond those of the trials, for the last few mappers and for what failures teach."""


class Runner(Protocol):
    """Runs a program under a mapper, or under its own; ``LegionRun`` is one.

    Attributes:
        unit: Of the throughputs.
        flags: Of the runtime, which every run has.
        repeats: Runs of each mapper.
    """

    unit: str
    flags: Sequence[str]
    repeats: int

    def evaluate(
        self,
        program: dsl.Program | None,
        *,
        profile: bool = False,
        enough: Callable[[Sequence[float]], bool] | None = None,
    ) -> Outcome: ...

    def sample(self, program: dsl.Program | None) -> Outcome: ...


class MeasuredRuns:
    """Evaluates mappers by runs; its reference is the mapper that the program has itself.

    Attributes:
        runner: What runs the program.
        learned: What earlier failures teach; None where nothing is learned.
        repeatable: False: two runs of a mapper differ.
        spare: Runs that are left of those that others did not need, with the reserve.
        ahead: Trials that are still to come, as far as is known: they can lend some of their runs.
        noted: What the last mapper's trial is to keep beside its outcome.
    """

    repeatable = False

    def __init__(self, runner: Runner, learned: LearnedCauses | None = None) -> None:
        self.runner = runner
        self.learned = learned
        self.spare = RESERVE
        self.ahead = 0
        self.noted: dict[str, Any] = {}
        self._samples: dict[str, list[float]] = {}
        self._programs: dict[str, dsl.Program | None] = {OWN: None}

    @cached_property
    def _own(self) -> Outcome:
        outcome = self.runner.evaluate(None)
        if not outcome.ok:
            advice = "; give it more by --timeout" if outcome.status == "timeout" else ""
            raise UsageError(
                f"the program cannot be measured under its own mapper: {outcome.raw}{advice}"
            )
        self._samples.setdefault(OWN, []).extend(samples_of(outcome))
        return outcome

    def evaluate_own(self) -> Outcome:
        """What came of the program's own mapper, measured once.

        Raises:
            UsageError: The program fails under it, or prints no metric that can be compared.
        """
        return self._own

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        """The outcome of a mapper: the median of as many runs as it took.

        A mapper that was seen to fail for its decisions is not run again.
        """
        self.noted = {}
        self.evaluate_own()
        if self.learned is not None and (refusal := self.learned.refusal(program)):
            self.spare += self.runner.repeats
            return self._failed(refusal)
        outcome = self.runner.evaluate(program, profile=profile, enough=self._will_do)
        if not outcome.ok:
            self.spare += self.runner.repeats - 1
            return self._learnt(program, outcome)
        return self._raced(program, outcome)

    def mended(self, text: str) -> str | None:
        """A mapper that was seen to fail, with decisions of the fastest one in their place.

        None for a mapper of which nothing is known, or that cannot be mended.
        """
        if self.learned is None or not self.learned.known:
            return None
        try:
            program = dsl.parse(text)
        except dsl.MapperSyntaxError:
            return None
        running = self._running() if self.learned.refusal(program) else None
        return None if running is None else self.learned.mended(program, running)

    def recall(self, records: Sequence[TrialRecord], program_of: Callable[[str], Any]) -> None:
        """Takes up what the trials of an earlier session have shown.

        Args:
            records: The trials.
            program_of: The program of a trial's text, by the key of its normal form.
        """
        for record in records:
            used = len(record.samples) or (record.status != "ok")
            used += len(record.rival_samples)
            used += int((record.learned or {}).get("runs", 0))
            self.spare += self.runner.repeats - used
            if record.samples and record.normal_form is not None:
                self._samples.setdefault(record.normal_form, []).extend(record.samples)
                self._programs[record.normal_form] = program_of(record.normal_form)
            if record.rival is not None:
                self._samples.setdefault(record.rival, []).extend(record.rival_samples)

    @property
    def samples(self) -> Mapping[str, Sequence[float]]:
        """The throughputs of all runs of each mapper, by the digest of its normal form."""
        return self._samples

    @property
    def noise(self) -> Noise:
        """How far runs of one mapper scatter, of all that were run."""
        return Noise.of(self._samples.values())

    def finalists(self) -> list[str]:
        """Keys of the fastest mappers but the program's own, the first one leading."""
        mapped = [key for key in self._samples if key != OWN]
        ordered = sorted(mapped, key=lambda key: -median(self._samples[key]))
        return ordered[:FINALISTS]

    def _will_do(self, samples: Sequence[float]) -> bool:
        """Whether no further run is needed: the best one is clearly faster, or runs are owed."""
        if self.spare < FINALISTS:
            return True
        best = self._samples[self._best()]
        return self.noise.order(samples, best) < 0

    def _best(self) -> str:
        """The key of the fastest mapper of those that were not given up early."""
        enough = min(self.runner.repeats, len(self._samples[OWN]))
        thorough = [key for key, each in self._samples.items() if len(each) >= enough]
        return max(thorough, key=lambda key: median(self._samples[key]))

    def _raced(self, program: dsl.Program, outcome: Outcome) -> Outcome:
        """The outcome after runs in turn with the best mapper, where these are close."""
        ours = list(samples_of(outcome))
        self.spare += self.runner.repeats - len(ours)
        rival = self._best()
        theirs: list[float] = []
        for turn in range(self.runner.repeats):
            noise = Noise.of([*self._samples.values(), ours])
            if noise.order(ours, [*self._samples[rival], *theirs]) or not noise.deviation:
                break
            if self.spare - RESERVE < 2:
                break
            self.spare -= 2
            order = ((ours, program), (theirs, self._programs[rival]))
            for samples, which in order if turn % 2 else order[::-1]:
                again = self.runner.sample(which)
                if again.ok:
                    samples.append(again.throughput)
                elif which is program:
                    return self._failed(f"it ran {len(ours)} times, and then failed: {again.raw}")
        key = digest(dsl.normal_form(program))
        self._samples.setdefault(key, []).extend(ours)
        self._samples[rival] += theirs
        self._programs[key] = program
        self.noted[attributes.SAMPLES] = ours
        if theirs:
            self.noted[attributes.RIVAL] = {"normal_form": rival, "samples": theirs}
        measured = Measurement(tuple(ours))
        return replace(outcome, throughput=measured.median, measurement=measured)

    def _learnt(self, program: dsl.Program, outcome: Outcome) -> Outcome:
        """A failure, with its cause where a few further runs find it."""
        self.noted[attributes.MESSAGE] = outcome.raw
        if self.learned is None or outcome.status != "execution_error":
            return outcome
        running = self._running()
        if running is None:
            return outcome
        lent = self.ahead * (self.runner.repeats - 1) // 2
        most = self.spare - FINALISTS + lent
        lesson = self.learned.learn(program, running, outcome, self.runner.sample, most)
        self.spare -= lesson.runs
        self.noted |= lesson.noted
        if not lesson.sentence:
            return outcome
        raw = f"{lesson.sentence}\n{outcome.raw}"
        self.noted[attributes.MESSAGE] = raw
        return replace(outcome, raw=raw)

    def _running(self) -> dsl.Program | None:
        """The fastest mapper of ours, which those that fail are held against."""
        mapped = [key for key, program in self._programs.items() if program is not None]
        best = max(mapped, key=lambda key: median(self._samples[key]), default=OWN)
        return self._programs[best] or self._undecided

    @cached_property
    def _undecided(self) -> dsl.Program | None:
        """A mapper that leaves all to the runtime, where it runs and no other one has yet."""
        program = dsl.parse(NO_DECISIONS)
        self.spare -= 1
        return program if self.runner.sample(program).ok else None

    def _failed(self, raw: str) -> Outcome:
        self.noted[attributes.MESSAGE] = raw
        return Outcome("execution_error", 0.0, self.runner.unit, None, raw)


def samples_of(outcome: Outcome) -> tuple[float, ...]:
    """The throughput of each run of an outcome."""
    return outcome.measurement.samples if outcome.measurement else (outcome.throughput,)
