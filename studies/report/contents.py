"""What a report tells: the studies of folders and storages by case, beside their references."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dsl import Template
from dsl.errors import MappertuneError
from legion_bridge.outcome import Outcome
from studies.compare import Comparison, compare_studies
from studies.errors import StorageError, UsageError
from studies.finished import REAL, FinishedStudy, case_of_studies, read_each
from studies.records import StudyResult, fastest, hardly_asked, template_digest
from studies.references import Reference, references
from studies.run import study_result
from tuners import attributes
from tuners.redaction import process_redactor, redacted_url

if TYPE_CHECKING:
    from studies.suite import Case
    from tuners import MapperProblem

__all__ = ["ReportContents", "ReportedCase", "read_contents", "reported"]

FIRST = "first trial"
MEASURED = (
    "The program was run, and its runs are not repeated here: throughputs are as they were "
    "measured, and there are no timelines. The fastest of many noisy trials is often one that was "
    "lucky: what a mapper gains is told by the pairs of runs at the end of tune."
)
CHANGED = "is another one today than it was in the studies, so that nothing is run."
OTHER_TEMPLATE = (
    "The template is another one today, or was a file: mappers are shown as far as the studies "
    "keep their texts."
)


@dataclass(frozen=True)
class ReportedCase:
    """The studies of one application on one machine.

    Attributes:
        name: Of the case.
        identity: What its studies say that they are of.
        problem: The problem of mapping it, simulated; None where it cannot be made anew.
        missing: Why something cannot be shown, in sentences.
        studies: As they are kept.
        results: What they found, in the same order.
        references: The mappers that they stand beside.
        comparison: What they come to.
    """

    name: str
    identity: Mapping[str, Any]
    problem: MapperProblem | None
    missing: tuple[str, ...]
    studies: tuple[FinishedStudy, ...]
    results: tuple[StudyResult, ...]
    references: tuple[Reference, ...]
    comparison: Comparison

    @property
    def unit(self) -> str:
        """Of the throughputs."""
        return self.comparison.unit

    @property
    def best(self) -> StudyResult:
        """The study with the fastest mapper, the first of several."""
        return max(self.results, key=lambda result: result.throughput)

    @property
    def arms(self) -> dict[str, list[StudyResult]]:
        """The studies by tuner, the best mean first."""
        order = [summary.tuner for summary in self.comparison.tuners]
        return {name: [r for r in self.results if r.spec.tuner == name] for name in order}

    @property
    def fallbacks(self) -> set[str]:
        """The arms whose model proposed under half of the trials: they are their fallback's."""
        return {
            name
            for name, arm in self.arms.items()
            if arm[0].spec.llm is not None
            and hardly_asked([record for result in arm for record in result.records])
        }


@dataclass(frozen=True)
class ReportContents:
    """What a report tells.

    Attributes:
        places: Where the studies were looked for, without passwords.
        cases: By name.
        unread: A sentence on each journal or database that cannot be read.
    """

    places: tuple[str, ...]
    cases: tuple[ReportedCase, ...]
    unread: tuple[str, ...]


def read_contents(places: Sequence[str]) -> ReportContents:
    """Reads all studies of some places, those that are running as well; nothing is changed there.

    Args:
        places: Output folders or folders in them, journals, URLs of databases.

    Raises:
        UsageError: There is no study.
        StorageError: There are some, and none can be read.
    """
    groups, unread = read_each(places)
    shown = tuple(map(redacted_url, places))
    if not groups:
        where = ", ".join(shown)
        if unread:
            raise StorageError(f"no study of {where} can be read: {unread[0]}")
        raise UsageError(
            f"there is no study with trials in {where}: name the --output folder of tune or "
            "compare, a journal, or the URL of a database"
        )
    cases = sorted(map(reported, groups), key=lambda case: (case.name, str(case.identity)))
    return ReportContents(shown, tuple(cases), tuple(unread))


def reported(studies: Sequence[FinishedStudy]) -> ReportedCase:
    """Studies of one case, beside the references that can be run here."""
    problem, missing = _problem_of(studies)
    results = [_result(study, problem) for study in studies]
    if problem is None:
        results = _beside_their_start(results)
        known = tuple(_told_reference(results))
    else:
        known = references(problem)
    return ReportedCase(
        name=studies[0].case,
        identity=studies[0].identity,
        problem=problem,
        missing=tuple(missing),
        studies=tuple(studies),
        results=tuple(results),
        references=known,
        comparison=compare_studies(results, known),
    )


def _problem_of(studies: Sequence[FinishedStudy]) -> tuple[MapperProblem | None, list[str]]:
    """The problem of the studies, and what of it cannot be had, in sentences."""
    if REAL in studies[0].case:
        return None, [MEASURED]
    case = case_of_studies(studies)
    facts = studies[0].facts
    try:
        problem = case.problem()
        digest = template_digest(problem.template.text)
        if digest != studies[0].identity.get("template") and facts is not None:
            problem = replace(case, template=facts.template).problem()
    except (MappertuneError, OSError) as error:
        said = f"The application or its machine cannot be loaded, so that nothing is run: {error}"
        return None, [process_redactor().message(said)]
    other = _differs(case, problem, studies[0])
    if other:
        return None, [f"The {other} {CHANGED}"]
    if template_digest(problem.template.text) != studies[0].identity.get("template"):
        return problem, [OTHER_TEMPLATE]
    return problem, []


def _differs(case: Case, problem: MapperProblem, study: FinishedStudy) -> str | None:
    """What makes the throughputs of a case others than those of its studies, if anything."""
    ours = {
        "application": problem.application.name,
        "parameters": dict(problem.application.parameters),
        "machine": problem.machine.name,
        "nodes": problem.machine.shape.nodes,
        "objective": case.objective,
    }
    told = {"objective": "timed", **study.identity}
    return next((key for key, value in ours.items() if told.get(key) != value), None)


def _result(study: FinishedStudy, problem: MapperProblem | None) -> StudyResult:
    """What a study found, beside the reference of its case as far as that is known."""
    mapper = _mapper(study)
    if problem is not None:
        result = study_result(
            problem,
            study.spec,
            study.records,
            study.location,
            resumed=len(study.records),
            mapper=mapper,
        )
    elif study.facts is not None:
        result = study.facts.result(study.spec, study.records, study.location, mapper)
    else:
        result = StudyResult(
            spec=study.spec,
            unit="",
            expert=None,
            records=study.records,
            resumed=len(study.records),
            stopped_by=None,
            location=study.location,
            mapper=mapper,
            reference=None,
        )
    return result


def _told_reference(results: Sequence[StudyResult]) -> Iterator[Reference]:
    """The reference as the studies tell it, where nothing can be run."""
    first = results[0]
    if first.expert and first.reference is not None:
        yield Reference(first.reference, Outcome("ok", first.expert, first.unit))


def _mapper(study: FinishedStudy) -> str | None:
    """The best mapper, as the study or its template writes it; None where none was valid."""
    best = fastest(study.records)
    if best is None:
        return None
    text = study.mapper or best.text
    if text is None and study.facts is not None:
        with contextlib.suppress(MappertuneError):
            text = Template(study.facts.template, check=False).render(best.values)
    return text or "# The study does not keep its text.\n"


def _beside_their_start(results: list[StudyResult]) -> list[StudyResult]:
    """The same, beside what the studies began with where they know no other reference."""
    if any(result.expert for result in results):
        return results
    firsts = [result.records[0] for result in results]
    began = [r.throughput for r in firsts if r.proposer == attributes.START and r.status == "ok"]
    if not began:
        return results
    usual = statistics.median(began)
    return [replace(result, expert=usual, reference=FIRST) for result in results]
