"""JSON in a model's words: whole, fenced, or somewhere in the prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

__all__ = ["json_values_in"]

_OBJECTS = 50  # places where an object may begin that are tried
_LONGEST = 100_000  # characters of one JSON text
_FENCED_JSON = re.compile(r"```(?:json)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL | re.IGNORECASE)
_BEGIN = re.compile(r"[{\[]")


def json_values_in(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a text; of a list, each object in it.

    ``NaN`` and ``Infinity`` are no JSON, nor is nesting that is too deep to read.

    >>> list(json_values_in('I would try {"x": 1}, or perhaps [{"x": 2}, {"x": 3}].'))
    [{'x': 1}, {'x': 2}, {'x': 3}]
    """
    whole = _loaded(text.strip())
    if whole is not None:
        yield from _objects(whole)
        return
    fenced = [each for part in _FENCED_JSON.findall(text) for each in _objects(_loaded(part))]
    yield from fenced or _somewhere(text)


def _somewhere(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(parse_constant=_refuse)
    end = 0
    for found in list(_BEGIN.finditer(text))[:_OBJECTS]:
        if found.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text[: found.start() + _LONGEST], found.start())
        except (ValueError, RecursionError):
            continue
        yield from _objects(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def _loaded(text: str) -> Any:
    if len(text) > _LONGEST or not text.strip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
