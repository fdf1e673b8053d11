"""The parameters of a template: what each hole may hold, when it counts, what it renders as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dsl.errors import TemplateError
from dsl.nearest import did_you_mean, nearest
from dsl.syntax import Position
from dsl.templates.text.source import TemplateSource

__all__ = ["NONE", "Comparison", "Condition", "Parameter", "ParameterSpace", "Value"]

Value = str | int

#: The choice that renders as nothing; in an optional group it leaves the group out.
NONE = "none"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a condition: is the value of ``name`` among ``values``, or not?"""

    name: str
    values: tuple[Value, ...]
    negated: bool = False

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether the comparison holds; it does not where the parameter has no value."""
        value = values.get(self.name)
        return value is not None and (value in self.values) != self.negated

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.name} {'!=' if self.negated else '=='} {self.values[0]}"
        return f"{self.name} in ({', '.join(map(str, self.values))})"


@dataclass(frozen=True, slots=True)
class Condition:
    """When a parameter counts: each comparison holds, and what it asks about counts as well."""

    comparisons: tuple[Comparison, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it asks about."""
        return tuple(each.name for each in self.comparisons)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether the condition holds; ``values`` has the parameters that count."""
        return all(each.holds(values) for each in self.comparisons)

    def __str__(self) -> str:
        return " and ".join(map(str, self.comparisons))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hole of a template, as a sampler sees it.

    Attributes:
        name: The parameter's name, such as ``"proc.calculate_new_currents"``.
        choices: The values of a categorical parameter; empty for an integer range.
        low: The least value of an integer range, else None.
        high: The greatest value of an integer range, itself included, else None.
        default: The value of the untouched template.
        condition: When the parameter counts, or None where it always does.
        position: Where the hole is described in the template.
    """

    name: str
    choices: tuple[str, ...]
    low: int | None
    high: int | None
    default: Value
    condition: Condition | None = None
    position: Position | None = field(default=None, compare=False, repr=False)

    @property
    def is_range(self) -> bool:
        """Whether it is an integer range."""
        return not self.choices

    @property
    def size(self) -> int:
        """How many values it has."""
        if self.low is None or self.high is None:
            return len(self.choices)
        return self.high - self.low + 1

    @property
    def values(self) -> tuple[str, ...] | range:
        """All its values, in order."""
        if self.low is None or self.high is None:
            return self.choices
        return range(self.low, self.high + 1)

    def __contains__(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        return isinstance(value, int) and not isinstance(value, bool) and value in self.values

    def __str__(self) -> str:
        spread = " | ".join(self.choices) if self.choices else f"{self.low}..{self.high}"
        return f"{self.name}: {spread}" + (f" when {self.condition}" if self.condition else "")


class ParameterSpace:
    """Parameters by name, each after those that its condition asks about."""

    def __init__(self, parameters: Mapping[str, Parameter], source: TemplateSource) -> None:
        self.parameters: Mapping[str, Parameter] = MappingProxyType(dict(parameters))
        self._source = source
        self._known = frozenset(parameters)
        self._plan = [
            (name, parameter.condition, _texts(parameter))
            for name, parameter in parameters.items()
        ]

    def texts(self, values: Mapping[str, Value]) -> dict[str, str | None]:
        """What each hole renders as; None where it does not count.

        Raises:
            TemplateError: A name is unknown, a value is missing or is none of the parameter.
        """
        if not self._known.issuperset(values):
            raise self._unknown(next(name for name in values if name not in self._known))
        texts: dict[str, str | None] = {}
        counting: dict[str, Value] = {}
        for name, condition, text_of in self._plan:
            if condition is not None and not condition.holds(counting):
                texts[name] = None
                continue
            try:
                value = values[name]
                text = text_of[value] if text_of is not None else self._integer(name, value)
            except (KeyError, TypeError):
                value = self._coerced(name, values)
                text = str(value) if value != NONE else ""
            counting[name] = value
            texts[name] = text
        return texts

    def _integer(self, name: str, value: Value) -> str:
        if value not in self.parameters[name]:
            raise KeyError(name)
        return str(value)

    def _coerced(self, name: str, values: Mapping[str, Value]) -> Value:
        """The value where a number stands for its digits, or digits for their number."""
        parameter, value = self.parameters[name], values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and str(value) in parameter:
            return str(value)
        digits = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)
        if digits and int(digits[0]) in parameter:
            return int(digits[0])
        raise self._unfit(name, values)

    def is_active(self, name: str, values: Mapping[str, Value]) -> bool:
        """Whether a parameter counts where the others have these values.

        A parameter whose condition asks about one that has no value, or does not count, does
        not count.

        Raises:
            TemplateError: There is no such parameter.
        """
        if name not in self._known:
            raise self._unknown(name)
        condition = self.parameters[name].condition
        if condition is None:
            return True
        return condition.holds(values) and all(
            self.is_active(other, values) for other in condition.names
        )

    def active(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values of the parameters that count, in order; a missing one gets its default."""
        chosen: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if parameter.condition is None or parameter.condition.holds(chosen):
                chosen[name] = values.get(name, parameter.default)
        return chosen

    # Errors

    def _unknown(self, name: str) -> TemplateError:
        return self._source.error_at(
            f"the template has no parameter {name}",
            "unknown-parameter",
            None,
            did_you_mean(str(name), self.parameters) or "it has no parameters",
        )

    def _unfit(self, name: str, values: Mapping[str, Value]) -> TemplateError:
        parameter = self.parameters[name]
        known = ", ".join(parameter.choices) or f"the integers {parameter.low} to {parameter.high}"
        if name not in values:
            return self._source.error_at(
                f"the parameter {name} has no value",
                "missing-value",
                parameter.position,
                f"its values are {known}",
            )
        value = values[name]
        near = nearest(str(value), parameter.choices)
        return self._source.error_at(
            f"{value!r} is no value of {name}",
            "parameter-value",
            parameter.position,
            (f"did you mean {near}? " if near else "") + f"its values are {known}",
        )


def _texts(parameter: Parameter) -> dict[Value, str] | None:
    """What each choice renders as; None for an integer range."""
    if parameter.is_range:
        return None
    return {choice: "" if choice == NONE else choice for choice in parameter.choices}
