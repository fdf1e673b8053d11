"""Running the studies of a suite: what is missing, seed by seed, one or several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import StorageError
from studies.experiments.curves import StudyCurve, keep_curve, kept_curve
from studies.experiments.tables import CaseResult
from studies.references import best_reference, references
from studies.run import NO_RULES, study_identity
from studies.side_by_side import SideBySide, default_jobs
from studies.starts import start_of
from studies.stop_rules import fair_share
from studies.stops import signal_of
from studies.worker import CaseSpec, Setting

if TYPE_CHECKING:
    from studies.experiments.suite import Suite, SuiteCase
    from studies.records import StudyResult, TrialRecord
    from studies.references import Reference
    from studies.run import Observer
    from studies.stop_rules import StopRules
    from studies.workspace import Workspace
    from tuners import MapperProblem
    from tuners.llm.settings import ModelSettings

__all__ = ["Arm", "SuiteRun"]


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
class _Facts:
    """What is known of a case before its studies are run."""

    case: SuiteCase
    unit: str
    reference: Reference | None
    known: Mapping[str, float | None]
    specs: Sequence[CaseSpec]
    identities: Sequence[Mapping[str, Any]]


# Called with a label, the trials, the unit and what ratios are to when a study begins.
Begin = Callable[[str, int, str, "Reference | None"], "Observer"]


@dataclass
class SuiteRun:
    """The studies of a suite. Each is deterministic by its seed, however many run at a time.

    They are run seed by seed, so that wherever it ends there is a table of the first seeds.
    Studies that were finished before are known, and those that were stopped go on: in whatever
    order suites, cases and arms are asked for, none is run twice.

    Attributes:
        suite: The suite.
        cases: Those of its cases that are wanted.
        arms: Those of its arms that are wanted.
        workspace: Where the studies lie.
        rules: What ends studies early; the time is that of all of them together.
        arguments: The command line, by which secrets are known.
        stopped_by: The signal that stopped them; None where none did.
    """

    suite: Suite
    cases: Sequence[SuiteCase]
    arms: Sequence[Arm]
    workspace: Workspace
    rules: StopRules = NO_RULES
    arguments: Sequence[str] = ()
    stopped_by: int | None = None
    _curves: dict[tuple[str, str, int], StudyCurve] = field(default_factory=dict)

    def missing(self) -> list[CaseSpec]:
        """The studies that have not all their trials yet, in the order in which they are run."""
        found = []
        for seed in self.suite.seeds:
            for facts in self._facts:
                for spec, identity in zip(facts.specs, facts.identities, strict=True):
                    if spec.seed == seed and not self._knows(facts, spec, identity):
                        found.append(spec)
        return found

    def is_begun(self, spec: CaseSpec) -> bool:
        """Whether a study has been begun before."""
        return self._journal(spec).exists()

    def read(self, begun: Sequence[CaseSpec]) -> None:
        """Takes in what studies have come to so far, and runs none of them.

        Those that another process is running, or that cannot be read, are told and left out.
        """
        nothing_more = replace(self.rules, seconds=0.0)
        for spec, problem in _with_problems(begun):
            try:
                result = self.workspace.run(spec.case, problem, spec, _unseen, nothing_more)
            except StorageError as error:
                self.workspace.tell(str(error))
            else:
                self._keep(spec, result)

    def run(self, missing: Sequence[CaseSpec], jobs: int | None, begin: Begin) -> None:
        """Runs studies, and keeps what they come to.

        Args:
            missing: Those that are missing.
            jobs: How many run at a time; None for one a core, where that is worth it.
            begin: Begins to show one.

        Raises:
            StudyError: One of them cannot be run; the others were stopped.
        """
        if jobs is None:
            jobs = default_jobs(missing)
        run = self._run_in_turn if jobs == 1 else self._run_side_by_side
        by_seed = [[s for s in missing if s.seed == seed] for seed in self.suite.seeds]
        until = None if self.rules.seconds is None else time.monotonic() + self.rules.seconds
        waiting = len(missing)
        for specs in filter(None, by_seed):
            rules = self.rules
            if until is not None:
                left = max(0.0, until - time.monotonic())
                rules = replace(rules, seconds=left * len(specs) / waiting)
            run(specs, jobs, rules, begin)
            waiting -= len(specs)
            if self.stopped_by is not None:
                return

    @property
    def results(self) -> list[CaseResult]:
        """What each case came to, as far as its studies have trials."""
        return [
            CaseResult(
                facts.case,
                facts.unit,
                facts.known,
                {
                    arm.name: [
                        curve
                        for seed in self.suite.seeds
                        if (curve := self._curves.get((facts.case.case.name, arm.name, seed)))
                    ]
                    for arm in self.arms
                },
            )
            for facts in self._facts
        ]

    @cached_property
    def _facts(self) -> list[_Facts]:
        return [self._facts_of(case) for case in self.cases]

    def _facts_of(self, case: SuiteCase) -> _Facts:
        problem = case.case.problem()
        problem.start = start_of(problem, self.suite.start)
        specs = [
            CaseSpec(
                arm.name, seed, self.suite.trials, arm.llm, case=case.case, start=problem.start
            )
            for arm in self.arms
            for seed in self.suite.seeds
        ]
        known = _known(problem, case)
        identities = [{**study_identity(problem, spec), "known": known} for spec in specs]
        return _Facts(case, problem.unit, best_reference(problem), known, specs, identities)

    def _knows(self, facts: _Facts, spec: CaseSpec, identity: Mapping[str, Any]) -> bool:
        """Whether all trials of a study are known without reading it.

        Studies that ask a model are read: what they have cost is told, and may be too much.
        """
        curve = None if spec.llm is not None else kept_curve(self._journal(spec), identity)
        if curve is None or curve.trials < spec.trials:
            return False
        self._curves[facts.case.case.name, spec.tuner, spec.seed] = curve
        return True

    def _journal(self, spec: CaseSpec) -> Path:
        return self.workspace.folder / spec.case.name / f"{spec.name}.journal"

    def _keep(self, spec: CaseSpec, result: StudyResult) -> None:
        facts = self._facts_of_spec(spec)
        if not result.records:
            return
        curve = StudyCurve.of(result)
        self._curves[spec.case.name, spec.tuner, spec.seed] = curve
        if spec.llm is None:
            identity = facts.identities[facts.specs.index(spec)]
            keep_curve(self._journal(spec), curve, identity)

    def _facts_of_spec(self, spec: CaseSpec) -> _Facts:
        return next(each for each in self._facts if each.case.case == spec.case)

    def _begin(self, spec: CaseSpec, begin: Begin) -> Observer:
        facts = self._facts_of_spec(spec)
        label = f"{spec.case.name} {spec.tuner} seed {spec.seed}"
        return begin(label, spec.trials, facts.unit, facts.reference)

    def _run_in_turn(
        self, specs: Sequence[CaseSpec], jobs: int, rules: StopRules, begin: Begin
    ) -> None:
        until = None if rules.seconds is None else time.monotonic() + rules.seconds
        for position, (spec, problem) in enumerate(_with_problems(specs)):
            if until is not None:
                share = fair_share(until - time.monotonic(), len(specs) - position, 0, jobs)
                rules = replace(rules, seconds=share)
            try:
                observe = self._begin(spec, begin)
                result = self.workspace.run(spec.case, problem, spec, observe, rules)
            except KeyboardInterrupt as stop:
                self.stopped_by = signal_of(stop)
                return
            self._keep(spec, result)
            self.stopped_by = result.stopped_by
            if self.stopped_by is not None:
                return

    def _run_side_by_side(
        self, specs: Sequence[CaseSpec], jobs: int, rules: StopRules, begin: Begin
    ) -> None:
        workspace = self.workspace
        setting = Setting(
            arguments=tuple(self.arguments),
            case=specs[0].case,
            start=specs[0].start,
            folder=workspace.folder,
            storage=workspace.storage,
            anew=workspace.anew,
            repair=workspace.repair,
            tracking_uri=None,
            tracked=False,
        )
        side = SideBySide(setting, rules, min(jobs, len(specs)), workspace.tell)
        results = side.run(specs, lambda spec: self._begin(_of_case(spec), begin))
        for result in results:
            self._keep(_of_case(result.spec), result)
        self.stopped_by = side.stopped_by


def _unseen(records: Sequence[TrialRecord]) -> None: ...


def _of_case(spec: Any) -> CaseSpec:
    """The specification as it was given to the processes."""
    assert isinstance(spec, CaseSpec)  # noqa: S101  (no other was given)
    return spec


def _with_problems(specs: Sequence[CaseSpec]) -> Iterator[tuple[CaseSpec, MapperProblem]]:
    """Each study with its problem, which lives no longer than the studies of its case."""
    case, problem = None, None
    for spec in specs:
        if problem is None or spec.case != case:
            case, problem = spec.case, spec.case.problem()
        problem.start = spec.start
        yield spec, problem


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
