"""A stand-in for a trial while a proposal is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ["FixedTrial"]


class FixedTrial:
    """Answers a problem's questions from known values, and leaves no trace in the study.

    Args:
        known: Values by name.
        otherwise: Called with the name and distribution of a parameter that has no value.
    """

    def __init__(
        self, known: Mapping[str, Any], otherwise: Callable[[str, BaseDistribution], Any]
    ) -> None:
        self._known = known
        self._otherwise = otherwise

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The value of a categorical parameter."""
        if name in self._known:
            return self._known[name]
        return self._otherwise(name, CategoricalDistribution(choices))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """The value of an integer parameter."""
        if name in self._known:
            return int(self._known[name])
        return int(self._otherwise(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """The value of a real parameter."""
        if name in self._known:
            return float(self._known[name])
        return float(self._otherwise(name, FloatDistribution(low, high, log=log, step=step)))
