"""Shapes that a JSON document must have, and one sentence for the first place that has not.

A shape is a function from a decoded value and its place (``loop[3].work.flops``) to what it stands
for; the functions here make shapes out of smaller ones.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from legion_bridge.errors import ApplicationError

__all__ = [
    "Shape",
    "a_flag",
    "a_list",
    "a_number",
    "a_table",
    "a_text",
    "a_whole_number",
    "an_object",
    "one_of",
    "optional",
]

T = TypeVar("T")
Shape: TypeAlias = Callable[[Any, str], T]

WIDEST = 2**53
"""Whole numbers beyond this do not survive every JSON reader."""


def a_text(value: Any, place: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise _wrong(place, "a text", value)
    return value


def a_flag(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(place, "true or false", value)
    return value


def a_number(value: Any, place: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(place, "a number", value)
    return float(value)


def a_whole_number(lowest: int = -WIDEST) -> Shape[int]:
    """A whole number, not below ``lowest``."""

    def shape(value: Any, place: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(place, "a whole number", value)
        if not lowest <= value <= WIDEST:
            raise ApplicationError(f"{place}: {value} is out of range; it begins at {lowest}")
        return value

    return shape


def one_of(*words: str) -> Shape[str]:
    """One of some words."""

    def shape(value: Any, place: str) -> str:
        if value not in words:
            raise ApplicationError(
                f"{place}: {_shown(value)} is unknown; {_nearest(value, words)}known are "
                f"{', '.join(words)}"
            )
        return str(value)

    return shape


def a_list(of: Shape[T], length: int | None = None) -> Shape[tuple[T, ...]]:
    """A list of equal things."""

    def shape(value: Any, place: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _wrong(place, "a list", value)
        if length is not None and len(value) != length:
            raise ApplicationError(f"{place}: there must be {length} of them, not {len(value)}")
        return tuple(of(item, f"{place}[{i}]") for i, item in enumerate(value))

    return shape


def a_table(of: Shape[T]) -> Shape[dict[str, T]]:
    """Things by name."""

    def shape(value: Any, place: str) -> dict[str, T]:
        if not isinstance(value, dict):
            raise _wrong(place, "an object", value)
        return {key: of(item, _under(place, key)) for key, item in value.items()}

    return shape


def optional(of: Shape[T], default: T) -> tuple[Shape[T], T]:
    """A member of an object that may be missing."""
    return of, default


def an_object(
    members: Mapping[str, Shape[Any] | tuple[Shape[Any], Any]],
) -> Shape[dict[str, Any]]:
    """An object with these members and no others."""

    def shape(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(place, "an object", value)
        for key in value:
            if key not in members:
                raise ApplicationError(
                    f"{_under(place, key)}: no such member; {_nearest(key, tuple(members))}known "
                    f"are {', '.join(members)}"
                )
        return {key: _member(value, key, shape, place) for key, shape in members.items()}

    return shape


def _member(
    value: Mapping[str, Any], key: str, shape: Shape[Any] | tuple[Shape[Any], Any], place: str
) -> Any:
    of, *default = shape if isinstance(shape, tuple) else (shape,)
    if key in value:
        return of(value[key], _under(place, key))
    if not default:
        raise ApplicationError(f"{_under(place, key)}: this member is missing")
    return default[0]


def _under(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _wrong(place: str, wanted: str, value: Any) -> ApplicationError:
    return ApplicationError(f"{place or 'document'}: it must be {wanted}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A short form of what stood there."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = {None: "null", True: "true", False: "false"}.get(value) or repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _nearest(value: Any, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(value), words, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""
