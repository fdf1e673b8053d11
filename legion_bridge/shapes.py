"""Shapes that JSON and TOML documents must have, and one sentence for what does not fit.

A shape is a function from a decoded value to what it stands for; the functions here make shapes
out of smaller ones. What does not fit raises a `ShapeError`, which learns on its way out where the
value stood. A reader of nested objects shows it as ``str``, with the whole place
(``loop[3].work.flops: it must be a number, not 'much'``); a reader of tables says ``in_table``
(``flops must be a number, not 'much'``) of the table at ``table``.

A library such as msgspec names the place and the type that is expected; what stood there, the
known words, the nearest of them and the units of a machine's numbers would have to be added to
its sentences.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from dsl.nearest import did_you_mean

__all__ = [
    "Shape",
    "ShapeError",
    "a_flag",
    "a_list",
    "a_number",
    "a_number_from",
    "a_positive_number",
    "a_table",
    "a_text",
    "a_whole_number",
    "an_object",
    "at",
    "check_keys",
    "one_of",
    "optional",
    "shown",
    "wrong",
]

T = TypeVar("T")
Shape: TypeAlias = Callable[[Any], T]

WIDEST = 2**53
"""Whole numbers beyond this do not survive every JSON reader."""
MOST_SHOWN = 20
"""Known words that an error lists."""
MOST_DIGITS = 10**100
"""Whole numbers beyond this are not written out; Python refuses to write those of 4,300 digits."""


class ShapeError(ValueError):
    """A value that does not have its shape.

    Attributes:
        path: The keys and positions that lead to it, the outermost first.
        predicate: What is wrong, to be said of it: ``must be a text, not 3``.
        sentence: The same where its place was named: ``it must be a text, not 3``.
        of_table: Whether it is a table; else it is a value in one.
    """

    def __init__(
        self, predicate: str, sentence: str | None = None, *, of_table: bool = False
    ) -> None:
        super().__init__(predicate)
        self.path: tuple[str | int, ...] = ()
        self.predicate = predicate
        self.sentence = sentence or f"it {predicate}"
        self.of_table = of_table

    def under(self, key: str | int) -> ShapeError:
        """The same error, of a value that stands under a key or at a position."""
        self.path = (key, *self.path)
        return self

    @property
    def table(self) -> tuple[str | int, ...]:
        """The path of the table that it is about."""
        return self.path if self.of_table else self.path[:-1]

    @property
    def in_table(self) -> str:
        """What is wrong in the table."""
        return self.predicate if self.of_table else f"{self.path[-1]} {self.predicate}"

    def __str__(self) -> str:
        parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        return f"{''.join(parts).removeprefix('.') or 'document'}: {self.sentence}"


def a_text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong("a text", value)
    return value


def a_flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def a_number(value: Any) -> float:
    """A finite number."""
    if not _is_number(value):
        raise wrong("a number", value)
    return float(value)


def a_positive_number(value: Any) -> float:
    """A finite number above 0."""
    if not _is_number(value) or value <= 0:
        raise wrong("a number above 0", value)
    return float(value)


def a_number_from(lowest: float) -> Shape[float]:
    """A finite number, not below ``lowest``."""

    def shape(value: Any) -> float:
        if not _is_number(value) or value < lowest:
            raise wrong(f"a number of at least {lowest:g}", value)
        return float(value)

    return shape


def a_whole_number(lowest: int = -WIDEST) -> Shape[int]:
    """A whole number, not below ``lowest``."""
    wanted = f"a whole number from {lowest} on" if lowest > -WIDEST else "a whole number"

    def shape(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise wrong(wanted, value)
        if value > WIDEST:
            raise wrong(f"at most {WIDEST}", value)
        return value

    return shape


def one_of(*words: str) -> Shape[str]:
    """One of some words."""

    def shape(value: Any) -> str:
        if value not in words:
            hint = did_you_mean(str(value), words, limit=MOST_SHOWN)
            said = f"{shown(value)} is unknown: {hint}"
            raise ShapeError(said, said)
        return str(value)

    return shape


def a_list(of: Shape[T], length: int | None = None) -> Shape[tuple[T, ...]]:
    """A list of equal things."""

    def shape(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise wrong("a list", value)
        if length is not None and len(value) != length:
            said = f"must be {length} of them, not {len(value)}"
            raise ShapeError(said, f"there {said}")
        return tuple(at(i, of, item) for i, item in enumerate(value))

    return shape


def a_table(of: Shape[T], called: str = "an object") -> Shape[dict[str, T]]:
    """Things by name; ``called`` is what the format calls that."""

    def shape(value: Any) -> dict[str, T]:
        if not isinstance(value, dict):
            raise wrong(called, value, of_table=True)
        return {key: at(key, of, item) for key, item in value.items()}

    return shape


def optional(of: Shape[T], default: T) -> tuple[Shape[T], T]:
    """A member of an object that may be missing."""
    return of, default


def an_object(
    members: Mapping[str, Shape[Any] | tuple[Shape[Any], Any]], called: str = "an object"
) -> Shape[dict[str, Any]]:
    """An object with these members and no others.

    >>> an_object({"name": a_text, "nodes": optional(a_whole_number(1), 1)})({"name": "x"})
    {'name': 'x', 'nodes': 1}
    >>> a_list(an_object({"name": a_text}))([{"name": "x"}, {"name": 3}])
    Traceback (most recent call last):
    legion_bridge.shapes.ShapeError: [1].name: it must be a text, not 3
    """

    def shape(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(called, value, of_table=True)
        check_keys(value, members)
        return {key: _member(value, key, of) for key, of in members.items()}

    return shape


def check_keys(value: Iterable[str], known: Iterable[str]) -> None:
    """Refuses an object that has a member of another name than the known ones.

    Raises:
        ShapeError: It has one.
    """
    for key in value:
        if key not in known:
            said = f"{key!r} is unknown: {did_you_mean(key, known, limit=MOST_SHOWN)}"
            raise ShapeError(said, said, of_table=True)


def at(key: str | int, of: Shape[T], value: Any) -> T:
    """What a value that stands under a key or at a position stands for."""
    try:
        return of(value)
    except ShapeError as error:
        raise error.under(key) from None


def wrong(wanted: str, value: Any, *, of_table: bool = False) -> ShapeError:
    """The error for a value that must be something else."""
    return ShapeError(f"must be {wanted}, not {shown(value)}", of_table=of_table)


def _is_number(value: Any) -> bool:
    """Whether it is a number that is finite as a float; whole numbers may have any length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def shown(value: Any) -> str:
    """A short form of a value, for messages."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    is_word = value is None or isinstance(value, bool)
    if isinstance(value, int) and not is_word and abs(value) > MOST_DIGITS:
        return "one of hundreds of digits"
    text = {None: "null", True: "true", False: "false"}[value] if is_word else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _member(
    value: Mapping[str, Any], key: str, member: Shape[Any] | tuple[Shape[Any], Any]
) -> Any:
    of, *default = member if isinstance(member, tuple) else (member,)
    if key in value:
        return at(key, of, value[key])
    if not default:
        raise ShapeError("is missing", "this member is missing").under(key)
    return default[0]
