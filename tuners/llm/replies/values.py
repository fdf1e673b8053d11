"""Values of parameters, taken from what a model wrote and checked one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dsl.nearest import did_you_mean
from dsl.plain_text import plain
from tuners.errors import TunerError
from tuners.llm.replies.texts import json_values_in

__all__ = [
    "InvalidValues",
    "checked_values",
    "is_json",
    "json_object",
    "read_values",
    "told",
    "told_value",
]

_COMPLAINTS = 8  # told at once
_SHOWN = 60  # characters of a wrong value


class InvalidValues(TunerError):  # noqa: N818  (what the values are)
    """Values are missing, or some are not allowed for their parameters."""


def read_values(text: str, distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The values of a text that is a JSON object.

    Raises:
        InvalidValues: It is no JSON object, or a value is missing, unknown or out of range.
    """
    return checked_values(json_object(text), distributions)


def json_object(text: str) -> dict[str, Any]:
    """The first JSON object of a text.

    Raises:
        InvalidValues: There is none.
    """
    found = next(json_values_in(text), None)
    if found is None:
        raise InvalidValues("there is no JSON object with a value for each parameter")
    return found


def checked_values(
    found: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Values of the right types, in the order of the parameters.

    A number written as text, or text written as a number, is taken for what is meant; nothing is
    rounded or moved into a range.

    Raises:
        InvalidValues: With a sentence for each value that is wrong.

    >>> checked_values({"n": "8"}, {"n": IntDistribution(1, 8)})
    {'n': 8}
    """
    complaints = [
        f"there is no parameter {str(name)[:_SHOWN]}: {did_you_mean(str(name), distributions)}"
        for name in found
        if name not in distributions
    ]
    values: dict[str, Any] = {}
    for name, distribution in distributions.items():
        if name not in found:
            complaints.append(f"{name} has no value")
            continue
        try:
            values[name] = _value(found[name], distribution)
        except (ValueError, TypeError, OverflowError):
            shown = repr(found[name])[:_SHOWN]
            complaints.append(f"{shown} is no value of {name}: it is {_range(distribution)}")
    if complaints:
        more = len(complaints) - _COMPLAINTS
        rest = [f"and {more} more"] if more > 0 else []
        raise InvalidValues("; ".join([*complaints[:_COMPLAINTS], *rest]))
    return values


def _value(found: Any, distribution: BaseDistribution) -> Any:
    """The distribution's value that is meant.

    Raises:
        ValueError: The distribution has no such value.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _choice(found, distribution)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise TypeError("no number")
    number = float(found)
    if not math.isfinite(number):
        raise ValueError("no finite number")
    if isinstance(distribution, IntDistribution):
        if number != int(number):
            raise ValueError("no integer")
        number = int(found) if isinstance(found, int) else int(number)
    elif isinstance(distribution, FloatDistribution) and distribution.step is not None:
        number = _on_grid(number, distribution)
    if not distribution._contains(number):  # noqa: SLF001  (the public way warns instead)
        raise ValueError("out of range")
    return number


def _on_grid(number: float, distribution: FloatDistribution) -> float:
    """The point of a grid that a decimal fraction stands for."""
    assert distribution.step is not None  # noqa: S101  (the caller asks)
    steps = round((number - distribution.low) / distribution.step)
    point = min(distribution.low + steps * distribution.step, distribution.high)
    if not math.isclose(point, number, rel_tol=1e-9, abs_tol=1e-12):
        raise ValueError("between two steps")
    return point


def _choice(found: Any, distribution: CategoricalDistribution) -> Any:
    for number, choice in enumerate(distribution.choices):
        if type(choice) is type(found) and choice == found:
            return choice
        if not is_json(choice) and found == told(choice, number):
            return choice
    said = str(found).strip().lower()
    numbered = list(enumerate(distribution.choices))
    foreign = [(number, each) for number, each in numbered if not is_json(each)]
    for alike in (
        [each for _, each in numbered if _equal_numbers(each, found)],
        [each for _, each in numbered if str(each).lower() == said],
        [each for _, each in foreign if str(_listed(each)).lower() == said],
        [each for number, each in foreign if str(number) == said.partition(":")[0]],
    ):
        if len(alike) == 1:
            return alike[0]
    raise ValueError("no such choice")


def _equal_numbers(choice: Any, found: Any) -> bool:
    """Whether two numbers are equal, be one of them written as a float."""
    numbers = (int, float)
    return type(choice) in numbers and type(found) in numbers and bool(choice == found)


def _listed(choice: Any) -> Any:
    """A tuple as JSON writes it."""
    return [_listed(each) for each in choice] if isinstance(choice, tuple | list) else choice


def is_json(choice: Any) -> bool:
    """Whether JSON can carry a choice, so that it comes back as what it was.

    It can carry no tuple, no NaN and no member of an enumeration, which may also be a text.
    """
    if type(choice) is float:
        return math.isfinite(choice)
    return choice is None or type(choice) in (bool, int, str)


def told(value: Any, number: int) -> Any:
    """A choice as a model is told of it: itself, or its number and its text.

    >>> told("fast", 0), told((1, 2), 3)
    ('fast', '3: (1, 2)')
    """
    return value if is_json(value) else f"{number}: {plain(str(value))[:_SHOWN]}"


def told_value(value: Any, distribution: BaseDistribution) -> Any:
    """A value of a parameter as a model is told of it."""
    if not isinstance(distribution, CategoricalDistribution) or is_json(value):
        return value
    try:
        return told(value, int(distribution.to_internal_repr(value)))
    except ValueError:  # it is a choice no longer
        return str(value)


def _range(distribution: BaseDistribution) -> str:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        kind = "an integer" if isinstance(distribution, IntDistribution) else "a number"
        step = "" if distribution.step in (None, 1) else f" in steps of {distribution.step}"
        return f"{kind} from {distribution.low} to {distribution.high}{step}"
    assert isinstance(distribution, CategoricalDistribution)  # noqa: S101  (Optuna has no other)
    choices = [told(choice, number) for number, choice in enumerate(distribution.choices[:20])]
    more = ", ..." if distribution.choices[20:] else ""
    return "one of " + ", ".join(map(str, choices)) + more
