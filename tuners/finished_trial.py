"""Finished trials: the one record that samplers, prompts and models learn from."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from dsl.errors import MappertuneError
from dsl.plain_text import plain
from tuners import attributes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuners.problems.problem import Problem

__all__ = ["FinishedSince", "FinishedTrial", "TrialHistory"]

_SIGNATURE = 60  # characters of a message that tell one kind of failure from another


@dataclass(frozen=True, slots=True, eq=False)
class FinishedTrial:
    """One finished trial of a study with one objective.

    Attributes:
        number: Its number in the study, from 0.
        params: Values of the parameters that it asked for.
        violation: How far it is from keeping every constraint, 0 where it keeps them all;
            infinite for a trial that failed.
        loss: Its value, negated where the study maximises; infinite where it has none.
        value: What the objective returned; None where it returned nothing.
        failed: Whether it failed, perhaps before it had asked for all parameters.
        key: What tells its candidate from others, where the problem has said so.
        raw: What was said of it, such as a runtime's message.
        text: The candidate as a model wrote it; None where its parameters make it.
        proposer: Who proposed it; empty where nobody said so.
        setup: Seconds of its run that the program's clock does not show; None where unknown.
        notes: What else is to be told of it, in sentences.
        spread: How far apart repeated runs of it lay, over their median; None in a simulation.
        base: Number of the trial whose candidate a model revised for it; None where it wrote anew.
    """

    number: int
    params: Mapping[str, Any]
    violation: float
    loss: float
    value: float | None = None
    failed: bool = False
    key: str | None = None
    raw: str = ""
    text: str | None = None
    proposer: str = ""
    setup: float | None = None
    notes: tuple[str, ...] = ()
    spread: float | None = None
    base: int | None = None

    @classmethod
    def of(cls, trial: FrozenTrial, direction: StudyDirection) -> FinishedTrial:
        """The record of one of Optuna's trials."""
        noted = trial.user_attrs
        failed = trial.state == TrialState.FAIL
        violation = sum(max(0.0, value) for value in trial.constraints.values())
        complete = trial.state == TrialState.COMPLETE and trial.values
        value = trial.values[0] if complete else None
        sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
        key, text = noted.get(attributes.NORMAL_FORM), noted.get(attributes.TEXT)
        return cls(
            number=trial.number,
            params=trial.params,
            violation=math.inf if failed else violation,
            loss=math.inf if value is None else sign * value,
            value=value,
            failed=failed,
            key=key if isinstance(key, str) else None,
            raw=plain(str(noted.get(attributes.RAW, ""))) or _reason(violation, value),
            text=plain(text) if isinstance(text, str) else None,
            proposer=str(noted.get(attributes.PROPOSER, "")),
            setup=noted.get(attributes.SETUP),
            notes=_notes(noted),
            spread=noted.get(attributes.SPREAD),
            base=noted.get(attributes.BASE),
        )

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: the constraints count first, then the value."""
        return self.violation, self.loss

    @property
    def feasible(self) -> bool:
        """Whether it kept every constraint and has a finite value."""
        return self.violation <= 0 and math.isfinite(self.loss)

    @property
    def score(self) -> float | None:
        """The value of a feasible trial; None of any other."""
        return self.value if self.feasible else None

    @property
    def feasible_loss(self) -> float:
        """The loss of a feasible trial; infinite of any other."""
        return self.loss if self.feasible else math.inf

    @property
    def failure(self) -> str:
        """Equal for trials that are infeasible in the same way; empty for a feasible one."""
        return "" if self.feasible else re.sub(r"\d+", "0", self.raw[:_SIGNATURE])

    def candidate(self, problem: Problem) -> str:
        """The text of its candidate; empty where its parameters do not make one."""
        if self.text is not None:
            return self.text
        try:
            return problem.render(self.params)
        except (MappertuneError, KeyError):  # a trial that stopped early, or of another space
            return ""


def _notes(noted: Mapping[str, Any]) -> tuple[str, ...]:
    """What a model must know of its proposal beside what came of it."""
    mended, added = noted.get(attributes.MENDED), noted.get(attributes.ADDED)
    by_sampler: dict[str, list[str]] = {}
    for name, sampler in added.items() if isinstance(added, dict) else ():
        by_sampler.setdefault(str(sampler), []).append(str(name))
    return (
        *map(str, mended if isinstance(mended, list) else ()),
        *(
            f"{', '.join(names)} chosen by {sampler}: not asked for before, or of another range"
            for sampler, names in by_sampler.items()
        ),
    )


def _reason(violation: float, value: float | None) -> str:
    """Why a trial is infeasible, where nobody has said so."""
    if violation > 0:
        return "it broke a constraint"
    return "" if value is not None and math.isfinite(value) else "it gave no value"


class FinishedSince:
    """Notices which trials of a study have finished, each of them once.

    Attributes:
        unfinished_from: All trials of lower numbers have finished, and never change again.
    """

    def __init__(self) -> None:
        self.unfinished_from = 0
        self._seen: set[int] = set()

    def take(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that have finished since the last time.

        Args:
            trials: All trials of the study, by number.
        """
        new, gap = [], False
        for trial in trials[self.unfinished_from :]:
            if not trial.state.is_finished():
                gap = True
            elif trial.number not in self._seen:
                self._seen.add(trial.number)
                new.append(trial)
            if not gap:
                self.unfinished_from = trial.number + 1
        return new


class TrialHistory:
    """The finished trials of a study with one objective.

    Attributes:
        direction: Whether larger or smaller values are better.
        trials: The record of each, in the order in which they were noticed.
        distributions: The distributions of all parameters seen, the latest where they changed.
    """

    def __init__(self, direction: StudyDirection) -> None:
        self.direction = direction
        self.trials: list[FinishedTrial] = []
        self.distributions: dict[str, BaseDistribution] = {}
        self._finished = FinishedSince()

    @property
    def unfinished_from(self) -> int:
        """All trials of lower numbers have finished, and never change again."""
        return self._finished.unfinished_from

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Notices what has finished since the last time.

        Args:
            trials: All trials of the study, by number.
        """
        for trial in self._finished.take(trials):
            self.distributions.update(trial.distributions)
            self.trials.append(FinishedTrial.of(trial, self.direction))

    def by_number(self) -> TrialHistory:
        """The same trials in the order of their numbers, whatever finishes later."""
        found = TrialHistory(self.direction)
        found.trials = sorted(self.trials, key=lambda each: each.number)
        return found

    @property
    def best(self) -> FinishedTrial | None:
        """The first of the best feasible trials; None where there is none."""
        feasible = [each for each in self.trials if each.feasible]
        return min(feasible, key=lambda each: each.loss, default=None)

    @property
    def last(self) -> FinishedTrial | None:
        """The last trial; None before the first."""
        return self.trials[-1] if self.trials else None

    def since_best(self) -> int:
        """How many trials came after the best one; all where none is feasible."""
        best = self.best
        if best is None:
            return len(self.trials)
        return sum(each.number > best.number for each in self.trials)

    def by_usefulness(self) -> list[FinishedTrial]:
        """The trials in the order in which they are worth telling.

        First the best, the last, the worst feasible one and the latest of each kind of failure;
        then the others, the better ones first.
        """
        feasible = sorted(
            (each for each in self.trials if each.feasible),
            key=lambda each: (each.loss, each.number),
        )
        failures = {each.failure: each for each in self.trials if not each.feasible}
        latest = sorted(failures.values(), key=lambda each: -each.number)
        first = [*feasible[:1], *self.trials[-1:], *feasible[-1:], *latest]
        rest = [each for each in self.trials if not each.feasible][::-1]
        return list(dict.fromkeys([*first, *feasible, *rest]))
