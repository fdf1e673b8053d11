"""What a study is about, as it is told to those who look at its run.

A study keeps it with its trials, so that it can be tracked later without the files that it was
made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from studies.records import StudyResult, fastest, template_digest
from studies.setup_cost import SetupCost
from tuners.problems.references import best_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from legion_bridge.outcome import Objective
    from studies.records import StudySpec, TrialRecord
    from studies.stored_study import StoredStudy
    from tuners import MapperProblem
    from tuners.llm.model import ModelUsage

__all__ = ["ABOUT", "StudyFacts", "floor_of"]

ABOUT = "mappertune:about"


@dataclass(frozen=True)
class StudyFacts:
    """What a study is about.

    Attributes:
        application, parameters, machine, nodes, objective, start: As in its identity.
        unit: Of the throughputs.
        template: Its text, from which mappers are rendered.
        holes: How many decisions it leaves open.
        budget: Trials that were asked for.
        reference: What ratios are to; None where nothing runs.
        expert: Its throughput.
        reference_setup, reference_whole: Its seconds that the clock does not show, and in all.
        floor: Seconds of the timed part that no mapper can beat; None where nobody knows.
    """

    application: str
    parameters: Mapping[str, int | float | str]
    machine: str
    nodes: int
    objective: Objective
    start: str
    unit: str
    template: str
    holes: int
    budget: int
    reference: str | None = None
    expert: float | None = None
    reference_setup: float | None = None
    reference_whole: float | None = None
    floor: float | None = None

    @classmethod
    def of(cls, problem: MapperProblem, spec: StudySpec) -> StudyFacts:
        """Those of a study that is run now."""
        reference = best_reference(problem)
        outcome = reference.outcome if reference else None
        return cls(
            application=problem.application.name,
            parameters=dict(problem.application.parameters),
            machine=problem.machine.name,
            nodes=problem.machine.shape.nodes,
            objective=problem.objective,
            start=problem.start.name if problem.start else "none",
            unit=problem.application.unit,
            template=problem.template.text,
            holes=len(problem.distributions),
            budget=spec.trials,
            reference=reference.name if reference else None,
            expert=reference.throughput if reference else None,
            reference_setup=outcome.setup if outcome else None,
            reference_whole=outcome.whole if outcome else None,
            floor=floor_of(problem),
        )

    @classmethod
    def kept_in(cls, store: StoredStudy) -> StudyFacts | None:
        """Those that a study has kept; None where it is from before that."""
        note = store.note(ABOUT)
        names = {each.name for each in fields(cls)}
        if not isinstance(note, dict) or not names <= note.keys():
            return None
        return cls(**{name: note[name] for name in names})

    def keep(self, store: StoredStudy) -> None:
        """Keeps them with the study."""
        if store.note(ABOUT) != asdict(self):
            store.leave_note(ABOUT, asdict(self))

    @property
    def template_digest(self) -> str:
        """Of the template's text, as it is in a study's identity."""
        return template_digest(self.template)

    def result(
        self,
        spec: StudySpec,
        records: Sequence[TrialRecord],
        location: str,
        mapper: str | None,
        spent: ModelUsage | None = None,
    ) -> StudyResult:
        """What the trials come to."""
        best = fastest(records)
        return StudyResult(
            spec=spec,
            unit=self.unit,
            expert=self.expert,
            records=tuple(records),
            resumed=len(records),
            stopped_by=None,
            location=location,
            mapper=mapper,
            reference=self.reference,
            floor=self.floor,
            spent=spent,
            setup=SetupCost(
                self.objective,
                best.setup if best else None,
                best.whole if best else None,
                self.reference_setup,
                self.reference_whole,
            ),
        )


def floor_of(problem: MapperProblem) -> float | None:
    """Seconds of the timed part that no mapper can beat; None where runs are measured."""
    if problem.evaluator is not problem.simulation:
        return None
    return problem.simulation.simulator.floor.seconds * problem.application.timed or None
