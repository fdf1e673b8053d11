"""Tracking what lies in an output folder: studies that no server has seen, or half of them.

A study that is tracked to its end is left alone, so that whoever asks twice changes nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dsl.errors import MappertuneError
from studies.compare import compare_studies
from studies.errors import StudyError, UsageError
from studies.finished import FinishedStudy, case_of, journals_in, studies_of, unread_told
from studies.run import spent_of
from studies.storage import StudyStore
from studies.study_facts import StudyFacts
from studies.tracking.comparison_run import NAME_FILE, ComparisonRun
from studies.tracking.study_run import TrackedStudy

if TYPE_CHECKING:
    from studies.records import StudyResult
    from studies.tracking.tracker import Tracker

__all__ = ["CaughtUp", "catch_up"]

PAGE = "report.html"  # as `mappertune report` calls it


@dataclass
class CaughtUp:
    """What was done.

    Attributes:
        studies: Those that are tracked now, by case.
        untouched: How many of them were before.
        unread: A sentence for each journal that cannot be read.
    """

    studies: dict[str, list[str]] = field(default_factory=dict)
    untouched: int = 0
    unread: list[str] = field(default_factory=list)


def catch_up(folder: Path, tracker: Tracker, storage: str | None = None) -> CaughtUp:
    """Tracks the studies of an output folder, and comparisons of several studies of a case.

    Args:
        folder: The output folder.
        tracker: Where they are tracked; it tells what fails.
        storage: The database in which its studies are kept; None for its journals.

    Raises:
        UsageError: There is no such folder, or no study in it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name the --output of tune or compare")
    done = CaughtUp()
    cases: dict[str, list[_Found]] = {}
    for found in _readable(_locations(folder, storage), done.unread):
        cases.setdefault(found.study.case, []).append(found)
    if not cases and not done.unread:
        raise UsageError(f"there is no study in {folder}: name the --output of tune or compare")
    for case, studies in sorted(cases.items()):
        _track_case(folder / case, tracker, studies, done)
        if tracker.failed:
            break
    return done


def _locations(folder: Path, storage: str | None) -> list[str]:
    if storage is not None:
        return [storage]
    return list(map(str, journals_in(folder, "*")))


class _Found(NamedTuple):
    """A study, what it is about, and the address of its storage with what passwords are in it."""

    address: str
    study: FinishedStudy
    facts: StudyFacts


def _readable(locations: Sequence[str], unread: list[str]) -> Iterator[_Found]:
    for location in locations:
        try:
            with unread_told(location, unread):
                for study in studies_of(location, location):
                    yield _Found(location, study, _facts(study))
        except UsageError as error:
            unread.append(str(error))


def _track_case(folder: Path, tracker: Tracker, studies: Sequence[_Found], done: CaughtUp) -> None:
    """Tracks the studies of one case, and how they compare where there are several."""
    tracker.parent = None
    comparison = ComparisonRun(tracker, folder, studies[0].facts)
    compared = len(studies) > 1 or (folder / NAME_FILE).exists()
    if compared:
        comparison.begin(ends=True)
    results: list[StudyResult] = []
    for found in studies:
        if tracker.failed:
            return
        try:
            result, new = _track(tracker, found)
        except StudyError as error:
            done.unread.append(str(error))
            continue
        results.append(result)
        if not tracker.failed:
            done.untouched += not new
            done.studies.setdefault(folder.name, []).append(result.spec.name)
    if compared and results and not tracker.failed:
        unfinished = any(result.interrupted for result in results)
        comparison.finish(compare_studies(results), results, interrupted=unfinished)
        pages = (place / PAGE for place in (folder, folder.parent))
        if page := next((each for each in pages if each.exists()), None):
            comparison.add(page)


def _track(tracker: Tracker, found: _Found) -> tuple[StudyResult, bool]:
    """Tracks a study, and says whether anything of it was missing."""
    study, facts = found.study, found.facts
    spec = replace(study.spec, trials=facts.budget)
    beside = Path(study.location.removesuffix(".journal") + ".transcript.jsonl")
    if spec.llm is not None and beside.exists():
        spec = replace(spec, llm=replace(spec.llm, transcript=beside))
    spent = spent_of(spec, study.records)
    result = facts.result(spec, study.records, study.location, study.mapper, spent)
    if len(study.records) < facts.budget:
        result = replace(result, stopped_by=signal.SIGTERM)
    with StudyStore.open_study(f"{study.case}-{spec.name}", found.address) as store:
        facts.keep(store)
        new = TrackedStudy(tracker, study.case, facts, spec, store).finish(result)
    return result, new


def _facts(study: FinishedStudy) -> StudyFacts:
    """What a study is about; of one from before that was kept, as far as anybody can tell."""
    if study.facts is not None:
        return study.facts
    told, unit = study.identity, ""
    with suppress(MappertuneError):
        problem = case_of(told).problem()
        facts = StudyFacts.of(problem, study.spec)
        if facts.template_digest == told.get("template"):
            return replace(facts, start=str(told.get("start", "none")))
        unit = facts.unit
    return StudyFacts(
        application=str(told["application"]),
        parameters=told["parameters"],
        machine=str(told["machine"]),
        nodes=told["nodes"],
        objective=told.get("objective", "timed"),
        start=str(told.get("start", "none")),
        unit=unit,
        template="",
        holes=max(len(record.values) for record in study.records),
        budget=study.spec.trials,
    )
