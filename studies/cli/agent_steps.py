"""What ``ask`` and ``tell`` share: where a study lies, and how it stands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.cli.console import columns, say
from studies.errors import UsageError

if TYPE_CHECKING:
    from studies.agent.settings import AgentSettings
    from studies.agent.study import AgentStudy, Step
    from studies.records import StudyResult, TrialRecord

__all__ = [
    "begun_folder",
    "folder_for",
    "study_as_json",
    "tell_news",
    "tell_summary",
]


def folder_for(output: Path, settings: AgentSettings) -> Path:
    """Where the study of an application lies that was begun by its name."""
    return output / f"{settings.case.name}-seed{settings.seed}"


def begun_folder(case: str, output: Path) -> Path:
    """The folder of a study that was begun, by its path or by its application.

    Raises:
        UsageError: There is none, or there are several of the application.
    """
    from studies.agent.settings import CASE_FILE

    named = Path(case)
    if (named / CASE_FILE).is_file():
        return named
    found = sorted(each.parent for each in output.glob(f"*/{CASE_FILE}"))
    alike = [each for each in found if each.name == case or each.name.startswith(f"{case}-")]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise UsageError(f"{case} is {len(alike)} studies: name {', '.join(map(str, alike))}")
    raise UsageError(f"no study of {case} was begun in {output}: `mappertune ask {case}` begins")


def tell_news(study: AgentStudy, step: Step) -> None:
    """Says what came of a reply, in a line for each trial."""
    for record in step.news:
        say(study.described(record))
    if not step.news:
        say("nothing was tried: the reply goes back")


def tell_summary(study: AgentStudy, step: Step) -> None:
    """Says what the whole study has found."""
    result = step.result
    why = f", {result.ended_by}" if result.ended_by else ""
    say(f"the study in {study.folder} is done: {len(result.records)} trials{why}")
    rows = []
    if result.best is not None:
        rows.append(("best", study.described(result.best)))
        rows.append(("mapper", str(study.best_mapper)))
    columns([*rows, ("study", result.location)])


def study_as_json(study: AgentStudy, step: Step) -> dict[str, Any]:
    """How a study stands, as JSON values."""
    request = step.request
    return {
        "folder": str(study.folder),
        "done": request is None,
        "tried": [_record_as_json(step.result, each) for each in step.news],
        "request": None if request is None else asdict(request),
        "study": step.result.as_json(),
        "mapper": str(study.best_mapper) if step.result.best else None,
    }


def _record_as_json(result: StudyResult, record: TrialRecord) -> dict[str, Any]:
    return {
        "trial": record.number,
        "status": record.status,
        "throughput": record.throughput,
        f"over_{result.reference_key}": record.throughput / result.expert
        if result.expert
        else None,
        "proposer": record.proposer,
        "why": record.why,
        "raw": record.raw,
    }
