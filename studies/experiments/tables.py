"""Every arm on every case of a suite, beside the mappers that are known."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.records import StudySpec
from studies.references import references
from studies.starts import start_of

if TYPE_CHECKING:
    from studies.experiments.suite import Suite, SuiteCase
    from studies.records import StudyResult
    from studies.run import Observer
    from studies.workspace import Workspace
    from tuners import MapperProblem
    from tuners.llm.settings import ModelSettings

__all__ = ["Arm", "CaseResult", "run_cases"]

# Called with a case, an arm and a seed when a study begins; returns what follows it.
Follow = Callable[[str, "Arm", int, "MapperProblem"], "Observer"]


@dataclass(frozen=True, slots=True)
class Arm:
    """A tuner of a suite.

    Attributes:
        name: Its name, with the model's where there are several.
        llm: How the model is asked; None where the tuner asks none.
    """

    name: str
    llm: ModelSettings | None = None


@dataclass(frozen=True)
class CaseResult:
    """What the arms came to on one case. Ratios are to ``reference``.

    Attributes:
        case: The case.
        unit: Unit of the throughputs.
        known: Throughputs of the mappers that are known, by name; None where one does not run.
            Among them are ``"template's defaults"`` and, where the suite keeps it, ``"best
            known"``.
        arms: The studies of each arm, by its name, in the order of their seeds.
    """

    case: SuiteCase
    unit: str
    known: Mapping[str, float | None]
    arms: Mapping[str, Sequence[StudyResult]]

    @property
    def reference(self) -> str | None:
        """What ratios are to: the expert's mapper where it runs, else the best that is known."""
        for name in ("expert", "best known", "default mapper"):
            if self.known.get(name):
                return name
        return None

    def ratio(self, throughput: float | None) -> float | None:
        """A throughput over the reference's; None where either is missing."""
        usual = self.known.get(self.reference) if self.reference else None
        return None if throughput is None or not usual else throughput / usual

    def ratios(self, arm: str) -> list[float]:
        """The best of each seed of an arm, 0.0 where no mapper was valid."""
        found = (self.ratio(each.throughput) for each in self.arms.get(arm, ()))
        return [each for each in found if each is not None]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "case": self.case.case.name,
            "application": self.case.case.application,
            "unit": self.unit,
            "reference": self.reference,
            "known": {name: self.ratio(each) for name, each in self.known.items()},
            "found_by": self.case.found_by,
            "arms": {
                name: {
                    "ratios": (ratios := self.ratios(name)),
                    "mean": statistics.fmean(ratios) if ratios else None,
                    "deviation": statistics.stdev(ratios) if len(ratios) > 1 else None,
                    "invalid_share": _invalid_share(studies),
                    "trials": [len(each.records) for each in studies],
                }
                for name, studies in self.arms.items()
            },
        }


def run_cases(
    suite: Suite,
    cases: Sequence[SuiteCase],
    arms: Sequence[Arm],
    workspace: Workspace,
    follow: Follow,
    *,
    start: str = "default",
) -> Iterator[CaseResult]:
    """Runs what is missing of every study, case by case, and yields what each case came to.

    Studies that were finished before are read, and those that were stopped go on: in whatever
    order suites, cases and arms are asked for, none is run twice.

    Args:
        suite: The suite.
        cases: Those of its cases that are wanted.
        arms: Those of its arms that are wanted.
        workspace: Where the studies lie.
        follow: Told of each study that begins.
        start: Where the studies begin, as of ``tune --start``.
    """
    for case in cases:
        problem = case.case.problem()
        problem.start = start_of(problem, start)
        studies: dict[str, list[StudyResult]] = {arm.name: [] for arm in arms}
        for seed in suite.seeds:
            for arm in arms:
                spec = StudySpec(arm.name, seed, suite.trials, arm.llm)
                observe = follow(case.case.name, arm, seed, problem)
                result = workspace.run(case.case, problem, spec, observe)
                studies[arm.name].append(result)
                if result.stopped_by is not None:
                    yield CaseResult(case, problem.unit, _known(problem, case), studies)
                    return
        yield CaseResult(case, problem.unit, _known(problem, case), studies)


def _known(problem: MapperProblem, case: SuiteCase) -> dict[str, float | None]:
    """The throughputs of all mappers that studies need not find."""
    found = {each.name: each.throughput for each in references(problem)}

    def speed_of(text: str) -> float | None:
        outcome = problem.evaluate_text(text, check=False).outcome
        return outcome.throughput if outcome.ok else None

    found["template's defaults"] = speed_of(problem.render(problem.template.defaults()))
    if case.best_known is not None:
        found["best known"] = speed_of(case.best_known)
    return found


def _invalid_share(studies: Sequence[StudyResult]) -> float | None:
    records = [record for each in studies for record in each.records]
    return sum(each.status != "ok" for each in records) / len(records) if records else None
