"""The studies of a comparison: one after the other, or side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from studies.cli.console import warn
from studies.cli.progress import progress
from studies.errors import UsageError
from studies.stops import signal_of

if TYPE_CHECKING:
    from studies.cli.progress import StartProgress
    from studies.cli.study_runner import StudyRunner
    from studies.records import StudyResult, StudySpec

__all__ = ["refuse_shared_file", "run_studies"]


def run_studies(
    runner: StudyRunner, specs: Sequence[StudySpec], jobs: int | None
) -> tuple[list[StudyResult], int | None]:
    """Runs studies and shows their progress.

    Args:
        runner: What they have in common.
        specs: The studies.
        jobs: How many run at a time; None for as many as there are cores, where it is worth it.

    Returns:
        What they found, and the signal that stopped them; None where none did.

    Raises:
        UsageError: Several are to run at a time, and to write to one file.
    """
    from studies.side_by_side import SideBySide

    at_once = min(len(specs), _jobs(runner, specs) if jobs is None else jobs)
    if at_once > 1:
        refuse_shared_file(runner, specs, "that each has its own, or say --jobs 1")
    with progress([spec.trials for spec in specs]) as start:
        if at_once == 1:
            return _in_turn(runner, specs, start)
        studies = SideBySide(runner.setting, runner.rules, at_once, warn)
        results = studies.run(specs, lambda spec: runner.begin(spec, start))
    if studies.tracked:
        runner.note_tracked()
    return results, studies.stopped_by


def refuse_shared_file(runner: StudyRunner, specs: Sequence[StudySpec], remedy: str) -> None:
    """Refuses studies side by side that would write to one file.

    Args:
        runner: What they have in common.
        specs: The studies.
        remedy: What follows "leave it out, so".

    Raises:
        UsageError: They would.
    """
    shared = _shared_file(runner, specs)
    if shared is not None:
        raise UsageError(
            f"{shared} is one file, to which one study at a time writes: leave it out, so {remedy}"
        )


def _jobs(runner: StudyRunner, specs: Sequence[StudySpec]) -> int:
    """How many studies run at a time where nobody says it."""
    from studies.side_by_side import default_jobs

    return default_jobs(specs) if _shared_file(runner, specs) is None else 1


def _shared_file(runner: StudyRunner, specs: Sequence[StudySpec]) -> str | None:
    """The option by which all studies write to one file; None where each has its own."""
    storage = runner.workspace.storage
    if storage is not None and "://" not in storage:
        return f"--storage {storage}"
    transcripts = (spec.llm.transcript for spec in specs if spec.llm is not None)
    return next((f"--transcript {each}" for each in transcripts if each is not None), None)


def _in_turn(
    runner: StudyRunner, specs: Sequence[StudySpec], start: StartProgress
) -> tuple[list[StudyResult], int | None]:
    from studies.stop_rules import fair_share

    results: list[StudyResult] = []
    limit, begun = runner.rules.seconds, time.monotonic()
    try:
        for position, spec in enumerate(specs):
            rules = runner.rules
            if limit is not None:
                left = limit - (time.monotonic() - begun)
                rules = replace(rules, seconds=fair_share(left, len(specs) - position, 0, 1))
            results.append(runner.run(spec, start, rules=rules))
            if results[-1].interrupted:
                break
    except KeyboardInterrupt as stop:
        return results, signal_of(stop)
    return results, results[-1].stopped_by
