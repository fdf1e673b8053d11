"""The tables and sentences of a comparison, for the terminal and for reports alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsl.units import percent, quantity
from studies.compare import FEWEST_SEEDS
from studies.sentences import first_sentence

if TYPE_CHECKING:
    from studies.compare import Comparison, RankTest, ReferenceSummary, TunerSummary

__all__ = ["Rows", "closing_sentences", "floor_sentence", "ratios_to", "speeds", "successes"]


MOST_PAIRS = 12  # of tuners, told one by one
MOST_NAMED = 12  # tuners in a sentence


class Rows(NamedTuple):
    """A table: the first column is of words, the others of numbers."""

    headings: list[str]
    rows: list[list[str]]


def ratios_to(comparison: Comparison) -> str:
    """What ratios are to, such as ``"to the expert's"``."""
    match comparison.reference:
        case None:
            return "to nothing, for no mapper ran"
        case "expert":
            return "to the expert's"
        case "best known":
            return "to the fastest mapper here"
        case "own mapper":
            return "to the program's own mapper"
        case "first trial":
            return "to what the studies began with"
    return "to the default"


def speeds(comparison: Comparison) -> Rows:
    """How fast the references are, and what each tuner's seeds ended with."""
    first = comparison.tuners[0].tuner
    headings = ["", "throughput", "best", "mean", "95 % interval", "worst", "invalid"]
    rows = [_reference_row(each, comparison.unit) for each in comparison.references]
    rows += [_speed_row(summary, comparison.unit) for summary in comparison.tuners]
    if comparison.tests:
        headings.append(f"beside {first}")
        rows = [[*row, *_beside(comparison, row[0], first)] for row in rows]
    return Rows(headings, rows)


def successes(comparison: Comparison) -> Rows | None:
    """How many seeds got how far, and how soon; None where there is nothing to reach."""
    if comparison.reference is None:
        return None
    headings = ["seeds that reach", f"1.00 x {comparison.reference}", "after trials (median)"]
    rows = [_success_row(summary) for summary in comparison.tuners]
    if any(summary.reach_floor is not None for summary in comparison.tuners):
        headings.append("0.95 of the floor")
        rows = [
            [*row, _of_seeds(summary.reach_floor, summary)]
            for row, summary in zip(rows, comparison.tuners, strict=True)
        ]
    return Rows(headings, rows)


def floor_sentence(comparison: Comparison) -> str | None:
    """How near the best mappers come to the floor; None where nobody knows it."""
    if comparison.floor is None:
        return None
    reached = [
        f"{summary.tuner} {percent(summary.of_floor, decimals=1)}"
        for summary in comparison.tuners
        if summary.of_floor is not None
    ]
    if len(reached) > MOST_NAMED:
        reached[MOST_NAMED:] = [f"and {len(reached) - MOST_NAMED} more tuners less or as much"]
    said = f"no mapper can beat {quantity(comparison.floor, 's', digits=4)}, the floor"
    return f"{said}; of it the best reach: {', '.join(reached) or 'none'}"


def closing_sentences(comparison: Comparison) -> list[str]:
    """Why numbers are missing, and what pairs of tuners come to that no table shows."""
    said = []
    reasons: dict[str, list[str]] = {}
    for reference in comparison.references:
        if reference.throughput is None:
            reasons.setdefault(first_sentence(reference.said), []).append(reference.name)
    said += [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    seeds = min(len(summary.seeds) for summary in comparison.tuners)
    if seeds < FEWEST_SEEDS:
        said.append(f"no intervals: of fewer than {FEWEST_SEEDS} seeds they would say nothing")
    first = comparison.tuners[0].tuner
    others = [test for test in comparison.tests if first not in (test.first, test.second)]
    if others:
        said.append(_told_of_pairs(others))
    if comparison.tests:
        pairs = "one pair" if len(comparison.tests) == 1 else f"{len(comparison.tests)} pairs"
        said.append(f"rank tests at 5 % over {pairs}, with Holm's correction")
    return said


def _told_of_pairs(tests: Sequence[RankTest]) -> str:
    """What each pair comes to; of many pairs those that are told apart, and how many are not."""
    if len(tests) <= MOST_PAIRS:
        return "; ".join(test.sentence for test in tests)
    decided = [test.sentence for test in tests if test.verdict == "faster"]
    told = decided[:MOST_PAIRS]
    if len(decided) > MOST_PAIRS:
        told.append(f"so do {len(decided) - MOST_PAIRS} more pairs")
    if left := len(tests) - len(decided):
        which = f"{left} other" if decided else f"the {left} other"
        told.append(f"{which} pairs are not told apart")
    return "; ".join(told)


def _reference_row(reference: ReferenceSummary, unit: str) -> list[str]:
    if reference.throughput is None:
        return [reference.name, "does not run", "", "", "", "", ""]
    over = _ratio(reference.over_reference)
    throughput = quantity(reference.throughput, unit, digits=4)
    return [reference.name, throughput, over, "", "", "", ""]


def _speed_row(summary: TunerSummary, unit: str) -> list[str]:
    fastest = max(summary.throughputs)
    interval = " to ".join(map(_ratio, summary.interval)) if summary.interval else ""
    return [
        summary.tuner,
        quantity(fastest, unit, digits=4) if fastest else "none valid",
        _ratio(summary.best),
        _ratio(summary.mean),
        interval,
        _ratio(summary.worst),
        f"{summary.invalid_share:.1%}",
    ]


def _beside(comparison: Comparison, tuner: str, first: str) -> Sequence[str]:
    test = comparison.test_of(first, tuner)
    return [test.beside(first) if test else ""]


def _success_row(summary: TunerSummary) -> list[str]:
    return [
        summary.tuner,
        _of_seeds(summary.reach_reference, summary),
        _median_trials(summary),
    ]


def _of_seeds(share: float | None, summary: TunerSummary) -> str:
    if share is None:
        return ""
    return f"{round(share * len(summary.seeds))} of {len(summary.seeds)}"


def _median_trials(summary: TunerSummary) -> str:
    """With the number of those that did not get there, which count as more than any."""
    if not summary.reached:
        return "not reached"
    censored = len(summary.seeds) - summary.reached
    median = summary.median_trials
    most = summary.trials // len(summary.seeds)
    told = f"over {most}" if median is None else f"{median:g}"
    return f"{told} ({censored} never)" if censored else told


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
