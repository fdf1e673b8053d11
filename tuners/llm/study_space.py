"""Any Optuna search space as a problem that a model can read and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution

from tuners.llm.conditions import Condition
from tuners.llm.replies.values import InvalidValues, checked_values, json_object
from tuners.problems.parameter_problem import NoCandidateError, ParameterProblem, spread, suggested
from tuners.problems.problem import Suggester

__all__ = ["StudySpace"]


class StudySpace(ParameterProblem):
    """The parameters of a study whose objective nobody else knows.

    Args:
        distributions: The parameters.
        description: What the user says of it.
        conditions: Of the parameters that are not asked for in every trial.

    Attributes:
        conditions: The same.
    """

    unit = ""

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        description: str | None = None,
        conditions: Mapping[str, Condition] | None = None,
    ) -> None:
        self.distributions = dict(distributions)
        self.conditions = {
            name: each
            for name, each in (conditions or {}).items()
            if name in self.distributions and (not each.parent or each.parent in distributions)
        }
        self._description = description

    def describe(self) -> str:
        """What the user says of it, or how many parameters it has."""
        count = len(self.distributions)
        return self._description or f"An objective of {count} parameter{'s' * (count != 1)}."

    def space(self) -> str:
        """The parameters with their values, and when they are asked for."""
        return "\n".join(
            f"- {name}: {spread(each)}"
            + (f"; {self.conditions[name].sentence(self.distributions)}" if name in self.conditions
               else "")
            for name, each in self.distributions.items()
        )  # fmt: skip

    def suggest(self, trial: Suggester) -> dict[str, Any]:
        """Asks for the parameters that count, those first that others depend on."""
        values: dict[str, Any] = {}
        while True:
            names = [name for name in self._counting(values) if name not in values]
            if not names:
                return {name: values[name] for name in self.distributions if name in values}
            for name in names:
                values[name] = suggested(trial, name, self.distributions[name])

    def render(self, values: Mapping[str, Any]) -> str:
        """The values that count as a JSON object."""
        counting = self._counting(values)
        return super().render({name: values[name] for name in counting if name in values})

    def score(self, values: Mapping[str, Any]) -> float:  # noqa: ARG002  (see below)
        """Raises: only the study knows how good values are.

        Raises:
            ValueError: Always.
        """
        raise ValueError("only the study knows its objective")

    def _counting(self, values: Mapping[str, Any]) -> list[str]:
        """The parameters that are asked for, given these values, and those that may be."""
        counting: dict[str, None] = {}
        for _ in range(1 + len(self.conditions)):
            known = {name: values[name] for name in counting if name in values}
            found = dict.fromkeys(
                name for name in self.distributions if self._counts(name, known, values)
            )
            if found == counting:
                break
            counting = found
        return list(counting)

    def _counts(self, name: str, known: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
        """Whether a parameter counts; where nobody knows it does if it has a value."""
        holds = self.conditions[name].holds(known) if name in self.conditions else True
        return name in values if holds is None else holds

    def _read(self, text: str) -> dict[str, Any]:
        """The values of a text that count; others, which nobody asked for, are passed over."""
        try:
            found = json_object(text)
            read: dict[str, Any] = {}
            for name in found.keys() & self.distributions.keys():
                try:
                    read |= checked_values({name: found[name]}, {name: self.distributions[name]})
                except InvalidValues:
                    continue  # told below, if it counts
            counting = self._counting(read)
            unasked = self.distributions.keys() - set(counting)
            asked = {name: value for name, value in found.items() if name not in unasked}
            return checked_values(asked, {name: self.distributions[name] for name in counting})
        except InvalidValues as error:
            raise NoCandidateError(str(error)) from error
