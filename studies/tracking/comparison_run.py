"""A comparison as a run of MLflow, of which its studies' runs are children."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.files import make_folder, write_text
from studies.tracking.curves import curves_as_svg
from studies.tracking.described import described_comparison
from studies.tracking.runs import Metric
from studies.tracking.study_run import STUDY, source_tags

if TYPE_CHECKING:
    from studies.compare import Comparison, TunerSummary
    from studies.records import StudyResult
    from studies.study_facts import StudyFacts
    from studies.tracking.tracker import Tracker

__all__ = ["ComparisonRun"]

NAME_FILE = "comparison.name"
"""Beside the studies: the comparison's own name, by which its run is found again."""
TABLE = "comparison.json"
_NO_KEY = re.compile(r"[^\w. -]")  # what MLflow allows in no metric's name


class ComparisonRun:
    """The run of a comparison: of all studies of a case in an output folder.

    Args:
        tracker: Where it is written; the studies that it tracks become its children.
        folder: Of the case in the output folder.
        facts: What the studies are about.
    """

    def __init__(self, tracker: Tracker, folder: Path, facts: StudyFacts) -> None:
        self._tracker = tracker
        self._folder = folder
        self._facts = facts

    @property
    def _case(self) -> str:
        return self._folder.name

    def begin(self, *, ends: bool = False) -> None:
        """Opens the run, so that studies become its children; where that fails, they do not.

        Args:
            ends: Whether all studies are over.
        """
        tracker = self._tracker
        with tracker.guarded(ends=ends):
            runs, experiment = tracker.runs(), tracker.experiment(self._case)
            name = self._name()
            run = runs.find(experiment, STUDY, name)
            if run is None:
                facts = self._facts
                plain = {"application": facts.application, "machine": facts.machine}
                run = runs.create(
                    experiment,
                    "comparison",
                    int(time.time() * 1000),
                    plain | {"nodes": str(facts.nodes), "objective": facts.objective},
                    plain | {"unit": facts.unit} | source_tags() | {STUDY: name},
                )
            else:
                runs.reopen(run)
            tracker.parent = run

    def finish(
        self,
        comparison: Comparison,
        results: Sequence[StudyResult],
        *,
        interrupted: bool,
    ) -> None:
        """Writes what the studies come to, and ends the run.

        Args:
            comparison: The statistics.
            results: The studies.
            interrupted: Whether some of them are not finished.
        """
        tracker, run = self._tracker, self._tracker.parent
        if tracker.failed or run is None:
            return
        with tracker.guarded():
            runs, now = tracker.runs(), int(time.time() * 1000)
            runs.texts(run, self._texts(comparison, results))
            trials = max(len(result.records) for result in results)
            budgets = sorted({result.spec.trials for result in results})
            runs.log(
                run,
                metrics=[
                    Metric(key, value, now, trials)
                    for key, value in _statistics(comparison).items()
                    if value is not None
                ],
                tags={
                    "tuners": ", ".join(summary.tuner for summary in comparison.tuners),
                    "seeds": _seeds(comparison),
                    "budget": ", ".join(map(str, budgets)),
                    "studies": str(len(results)),
                    "reference": comparison.reference or "none runs",
                    "mlflow.note.content": described_comparison(
                        self._facts, self._case, comparison
                    ),
                    "mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}]),
                },
            )
            runs.end(run, "KILLED" if interrupted else "FINISHED", now)

    def add(self, page: Path) -> None:
        """Adds a file to the run, such as the report."""
        tracker, run = self._tracker, self._tracker.parent
        if not tracker.failed and run is not None:
            with tracker.guarded():
                tracker.runs().file(run, page)

    def _name(self) -> str:
        path = self._folder / NAME_FILE
        try:
            name = path.read_text(encoding="utf-8").strip()
        except OSError:
            name = ""
        if not re.fullmatch("[0-9a-f]{32}", name):
            name = uuid.uuid4().hex
            make_folder(self._folder)
            write_text(path, f"{name}\n")
        return name

    def _texts(
        self, comparison: Comparison, results: Sequence[StudyResult]
    ) -> Iterator[tuple[str, str]]:
        yield TABLE, json.dumps(_table(comparison))
        yield (
            "best.svg",
            curves_as_svg(results, comparison.reference, comparison.reference_throughput),
        )
        best = max(results, key=lambda result: result.throughput)
        if best.mapper is not None:
            yield "best.mapper.txt", best.mapper


def _statistics(comparison: Comparison) -> dict[str, float | None]:
    """Metrics by name; those of a tuner have its name in theirs."""
    name = (comparison.reference or "reference").replace(" ", "_")
    best = max(value for summary in comparison.tuners for value in summary.throughputs)
    found: dict[str, float | None] = {
        "best": best,
        name: comparison.reference_throughput,
        "floor": comparison.floor,
    }
    if comparison.reference_throughput:
        found[f"best_over_{name}"] = best / comparison.reference_throughput
    for summary in comparison.tuners:
        # Without a slash, by which MLflow's page would put them before the curves.
        start = f"tuner.{_NO_KEY.sub('_', summary.tuner)}"
        for key, value in _of_tuner(summary, name).items():
            found[f"{start}.{key}"] = value
    return found


def _of_tuner(summary: TunerSummary, reference: str) -> dict[str, float | None]:
    low, high = summary.interval or (None, None)
    return {
        "best": max(summary.throughputs),
        f"mean_over_{reference}": summary.mean,
        "deviation": summary.deviation,
        "interval_low": low,
        "interval_high": high,
        f"worst_over_{reference}": summary.worst,
        f"best_over_{reference}": summary.best,
        f"share_of_seeds_at_{reference}": summary.reach_reference,
        "share_of_seeds_near_floor": summary.reach_floor,
        f"median_trials_to_{reference}": summary.median_trials,
        "invalid_share": summary.invalid_share,
    }


def _table(comparison: Comparison) -> dict[str, list[object]]:
    """The statistics in the form that MLflow shows as a table."""
    columns: list[object] = [
        *("name", "seeds", "best throughput", "best", "mean", "interval low", "interval high"),
        *("worst", "invalid share", "seeds at reference", "median trials to reference"),
    ]
    rows: list[object] = [
        [each.name, None, each.throughput, each.over_reference, *[None] * 7]
        for each in comparison.references
    ]
    for summary in comparison.tuners:
        low, high = summary.interval or (None, None)
        rows.append(
            [
                *(summary.tuner, len(summary.seeds), max(summary.throughputs), summary.best),
                *(summary.mean, low, high, summary.worst, summary.invalid_share),
                *(summary.reached if summary.reach_reference is not None else None,),
                summary.median_trials,
            ]
        )
    return {"columns": columns, "data": rows}


def _seeds(comparison: Comparison) -> str:
    seeds = sorted({seed for summary in comparison.tuners for seed in summary.seeds})
    return ", ".join(map(str, seeds))
