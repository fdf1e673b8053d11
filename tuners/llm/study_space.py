"""Any Optuna search space as a problem that a model can read and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution

from tuners.problems.parameter_problem import ParameterProblem

__all__ = ["StudySpace"]


class StudySpace(ParameterProblem):
    """The parameters of a study whose objective nobody else knows."""

    unit = ""

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], description: str | None = None
    ) -> None:
        self.distributions = dict(distributions)
        self._description = description

    def describe(self) -> str:
        """What the user says of it, or how many parameters it has."""
        count = len(self.distributions)
        return self._description or f"An objective of {count} parameter{'s' * (count != 1)}."

    def score(self, values: Mapping[str, Any]) -> float:  # noqa: ARG002  (see below)
        """Raises: only the study knows how good values are.

        Raises:
            ValueError: Always.
        """
        raise ValueError("only the study knows its objective")
