"""Which parameters matter, as the trials so far show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial

__all__ = ["importances"]

_LEAST = 4  # trials
_BINS = 4  # into which numbers are put


def importances(trials: Sequence[FinishedTrial], names: Sequence[str]) -> list[tuple[str, float]]:
    """The share of the results' spread that each parameter explains by itself, largest first.

    The share is the adjusted correlation ratio (epsilon squared; Kelley 1935) of the ranks of the
    losses, failures last: cheap, and free of scale. Parameters that explain nothing are left out.
    """
    known = [each for each in trials if each.params]
    if len(known) < _LEAST:
        return []
    order = sorted(range(len(known)), key=lambda i: known[i].feasible_loss)
    ranks = np.empty(len(known))
    ranks[order] = np.arange(len(known))
    shares = [(name, _ratio(known, ranks, name)) for name in names]
    return sorted([each for each in shares if each[1] > 0], key=lambda each: -each[1])


def _ratio(
    trials: Sequence[FinishedTrial],
    ranks: np.ndarray[tuple[int], np.dtype[np.float64]],
    name: str,
) -> float:
    here = [i for i, each in enumerate(trials) if name in each.params]
    labels = _labels([trials[i].params[name] for i in here])
    groups = {
        label: ranks[[i for i, own in zip(here, labels, strict=True) if own == label]]
        for label in set(labels)
    }
    count, levels = len(here), len(groups)
    if levels < 2 or count <= levels:
        return 0.0
    total = float(np.sum((ranks[here] - ranks[here].mean()) ** 2))
    within = float(sum(np.sum((group - group.mean()) ** 2) for group in groups.values()))
    if total == 0:
        return 0.0
    return 1.0 - (within / (count - levels)) / (total / (count - 1))


def _labels(values: Sequence[object]) -> list[object]:
    """The values as labels; where there are many numbers, the quarter that each falls into."""
    if len(set(map(str, values))) <= 2 * _BINS or not all(
        isinstance(value, int | float) for value in values
    ):
        return [str(value) for value in values]
    numbers = np.array(values, dtype=float)
    edges = np.quantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1])
    return list(np.searchsorted(edges, numbers))
