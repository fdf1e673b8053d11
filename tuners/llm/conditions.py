"""Which parameters an objective asks for under which value of another, as its trials show.

Optuna's objectives decide while they run what they ask for next, and tell nobody beforehand. What
is learned from few trials may be wrong; each trial that shows it makes it right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from tuners.llm.replies.values import told_value

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial

__all__ = ["Condition", "learned_conditions"]

SHOWN = 10  # values of a condition


@dataclass(frozen=True)
class Condition:
    """When a parameter is asked for.

    Attributes:
        parent: The parameter whose value decides; empty where nobody knows what decides.
        values: Its values for which the parameter has been asked for.
        others: Its values for which it has not.
    """

    parent: str = ""
    values: tuple[Any, ...] = ()
    others: tuple[Any, ...] = ()

    def holds(self, point: Mapping[str, Any]) -> bool | None:
        """Whether the parameter is asked for among these values; None where nobody knows."""
        if not self.parent:
            return None
        if self.parent not in point:
            return False
        value = point[self.parent]
        if any(_same(value, each) for each in self.values):
            return True
        return False if any(_same(value, each) for each in self.others) else None

    def sentence(self, distributions: Mapping[str, BaseDistribution]) -> str:
        """The condition in words."""
        if not self.parent:
            return "not asked for in every trial: give it where you think that it is"
        where, elsewhere = (
            _listed(values, distributions[self.parent]) for values in (self.values, self.others)
        )
        return (
            f"asked for where {self.parent} is {where}, and not where it is {elsewhere}: "
            "leave it out there"
        )


def _listed(values: Sequence[Any], distribution: BaseDistribution) -> str:
    shown = [json.dumps(told_value(each, distribution), default=str) for each in values[:SHOWN]]
    return " or ".join([*shown, *([f"{len(values) - SHOWN} more"] if values[SHOWN:] else [])])


def learned_conditions(
    trials: Sequence[FinishedTrial], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Condition]:
    """The conditions of the parameters that some trials, and not all, have asked for."""
    whole = [each.params for each in trials if each.value is not None]
    found: dict[str, Condition] = {}
    for name in distributions:
        having = [params for params in whole if name in params]
        if having and len(having) < len(whole):
            lacking = [params for params in whole if name not in params]
            found[name] = next(_conditions(having, lacking, distributions), Condition())
    return found


def _conditions(
    having: Sequence[Mapping[str, Any]],
    lacking: Sequence[Mapping[str, Any]],
    distributions: Mapping[str, BaseDistribution],
) -> Iterator[Condition]:
    """What may decide, the choices first: values that tell some trials from the others."""
    kinds = CategoricalDistribution, IntDistribution
    for kind in kinds:
        for parent, distribution in distributions.items():
            if not isinstance(distribution, kind) or any(parent not in each for each in having):
                continue
            there = _distinct([each[parent] for each in having])
            elsewhere = _distinct([each[parent] for each in lacking if parent in each])
            if elsewhere and not any(_same(one, other) for one in there for other in elsewhere):
                yield Condition(parent, there, elsewhere)


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for value in values:
        if not any(_same(value, each) for each in found):
            found.append(value)
    if all(type(each) in (int, str) for each in found):
        found.sort(key=lambda each: (isinstance(each, str), each))
    return tuple(found)


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))
