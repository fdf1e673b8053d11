"""How far the seeds of a tuner had come after so many trials, or at such a cost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from studies.records import best_so_far

if TYPE_CHECKING:
    from studies.records import StudyResult, TrialRecord

__all__ = ["COSTS", "Curve", "best_curve", "valid_curve"]

Spent: TypeAlias = "Callable[[Sequence[TrialRecord]], list[float] | None]"

# A curve has as many points at most: more than a picture is wide in dots would not be seen.
MOST_POINTS = 160


@dataclass(frozen=True, slots=True)
class Curve:
    """Steps of a figure over seeds: each value holds until the next position.

    Attributes:
        at: Positions: trials, or what was spent.
        mean: Over the seeds.
        low, high: Of the worst and the best seed.
        seeds: How many.
    """

    at: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


def _trials(records: Sequence[TrialRecord]) -> list[float]:
    return [float(count) for count in range(1, len(records) + 1)]


def _seconds(records: Sequence[TrialRecord]) -> list[float] | None:
    """Pauses between trials do not count."""
    took = [record.seconds for record in records]
    if any(each is None for each in took):
        return None
    return list(accumulate(each or 0.0 for each in took))


def _spent(amount: Callable[[TrialRecord], float]) -> Spent:
    def spent(records: Sequence[TrialRecord]) -> list[float] | None:
        found = list(accumulate(map(amount, records)))
        return found if found and found[-1] > 0 else None

    return spent


def _money(records: Sequence[TrialRecord]) -> list[float] | None:
    """None where the price of a call is unknown."""
    if any(record.model_use and record.model_use.unknown for record in records):
        return None
    return _spent(lambda record: record.model_use.cost if record.model_use else 0.0)(records)


#: What studies cost, by name: what had been spent after each trial; None where nobody knows.
COSTS: dict[str, Spent] = {
    "trials": _trials,
    "seconds": _seconds,
    "calls": _spent(lambda record: record.model_use.calls if record.model_use else 0),
    "tokens": _spent(lambda record: record.model_use.tokens if record.model_use else 0),
    "money": _money,
}


def best_curve(arm: Sequence[StudyResult], cost: str) -> Curve | None:
    """The best throughput so far of a tuner's seeds, over a cost of ``COSTS``.

    None where the cost of a seed is unknown or nothing, or no mapper was valid.
    """
    begun = [result.records for result in arm if result.records]
    positions = [COSTS[cost](records) for records in begun]
    known = [each for each in positions if each is not None]
    if not known or len(known) < len(positions):
        return None
    return _curve(known, [best_so_far(records) for records in begun])


def valid_curve(arm: Sequence[StudyResult]) -> Curve | None:
    """The share of a tuner's mappers that were valid, of all trials up to each."""
    begun = [result.records for result in arm if result.records]
    shares = []
    for records in begun:
        valid = accumulate(record.status == "ok" for record in records)
        shares.append([count / number for number, count in enumerate(valid, start=1)])
    return _curve([_trials(records) for records in begun], shares, every=True) if begun else None


def _curve(
    positions: Sequence[Sequence[float]], values: Sequence[Sequence[float]], *, every: bool = False
) -> Curve | None:
    """The seeds together, from where each has a value, at the positions of their steps.

    Args:
        positions: Of each seed, ascending.
        values: Of each seed, one a position.
        every: Whether each position is a step, rather than where a value changes.
    """
    begin = max(own[0] for own in positions)
    end = max(own[-1] for own in positions)
    steps = {begin, end}
    for own, found in zip(positions, values, strict=True):
        previous = None
        for at, value in zip(own, found, strict=True):
            if at > begin and (every or value != previous):
                steps.add(at)
            previous = value
    kept = _thinned(sorted(steps))
    rows = [
        [found[bisect_right(own, at) - 1] for own, found in zip(positions, values, strict=True)]
        for at in kept
    ]
    if not any(map(any, rows)):
        return None
    first = next(place for place, row in enumerate(rows) if any(row))
    kept, rows = kept[first:], rows[first:]
    return Curve(
        at=tuple(kept),
        mean=tuple(sum(row) / len(row) for row in rows),
        low=tuple(map(min, rows)),
        high=tuple(map(max, rows)),
        seeds=len(positions),
    )


def _thinned(steps: Sequence[float]) -> list[float]:
    """As many of the positions as can be shown, the first and the last among them.

    They lie evenly on a scale that is linear at first and then one of equal ratios, as their
    picture is.
    """
    if len(steps) <= MOST_POINTS:
        return list(steps)
    least, most = max(steps[0], steps[-1] * 1e-6), steps[-1]
    ratio = (most / least) ** (1 / (MOST_POINTS - 1))
    wanted = [least * ratio**number for number in range(MOST_POINTS)]
    found = {steps[min(bisect_right(steps, each), len(steps)) - 1] for each in wanted}
    return sorted({steps[0], *found, steps[-1]})
