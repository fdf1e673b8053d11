"""The parameters of a template: what each hole may hold, and when it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsl.syntax import Position

__all__ = ["NONE", "Comparison", "Condition", "Parameter", "Value"]

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
