"""What a reply holds: mappers, and JSON objects; whole, fenced, or somewhere in the prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

__all__ = ["json_values_in", "mapper_texts_in"]

_OBJECTS = 50  # places where an object may begin that are tried
_LONGEST = 100_000  # characters of one JSON text
_FENCED_JSON = re.compile(r"```(?:json)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL | re.IGNORECASE)
_BEGIN = re.compile(r"[{\[]")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*$", re.MULTILINE)
_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:Task|Region|Layout|InstanceLimit|CollectMemory|IndexTaskMap|SingleTaskMap"
    r"|ControlReplicate)[ \t]+[\w*]|def[ \t]+\w+[ \t]*\(|\w+[ \t]*=[ \t]*\w)",
    re.MULTILINE,
)
_OURS = ("mapper", "dsl", "mapping", "legion")
_KEYS = ("mappers", "mapper", "candidates", "blocks", "text", "code")


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


def mapper_texts_in(text: str) -> list[str]:
    """The mappers, or parts of mappers, that a reply holds, in its order.

    Fences that are marked as mappers come before others, those before JSON, and that before bare
    statements among prose. A fence that is never closed ends with the reply.

    >>> mapper_texts_in("Try this:" + chr(10) + "Task * GPU;" + chr(10) + "It is faster.")
    ['Task * GPU;']
    """
    in_json = _in_json(text) if text.lstrip().startswith(("{", "[")) else []
    if in_json:
        return in_json
    fenced = _fenced(text)
    ours = [body for word, body in fenced if word in _OURS]
    others = [body for _, body in fenced if _STATEMENT.search(body)]
    return ours or others or _in_json(text) or _bare(text)


def _fenced(text: str) -> list[tuple[str, str]]:
    """The word after each opening fence, and what stands between it and its end."""
    found: list[tuple[str, str]] = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence[1][0] == opened[1][0] and not fence[2]:
            found.append((opened[2].lower(), text[opened.end() : fence.start()].strip("\n")))
            opened = None
        elif fence[2]:  # a new one begins: the one before was never closed
            found.append((opened[2].lower(), text[opened.end() : fence.start()].strip("\n")))
            opened = fence
    if opened is not None:
        found.append((opened[2].lower(), text[opened.end() :].strip("\n")))
    return [(word, body) for word, body in found if body.strip()]


def _in_json(text: str) -> list[str]:
    found: list[str] = []
    for each in json_values_in(text):
        for key in _KEYS:
            found += _texts(each.get(key))
    return found


def _texts(value: object) -> list[str]:
    """The texts of a value: itself, those of a list, those of blocks put together."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, dict):
        parts = [part for each in value.values() for part in _texts(each)]
        return ["\n".join(parts)] if parts else []
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return []


def _bare(text: str) -> list[str]:
    """From the first line that looks like a statement to the last that ends one."""
    first = _STATEMENT.search(text)
    last = max(text.rfind(";"), text.rfind("}"))
    if first is None or last < first.start():
        return []
    return [text[first.start() : last + 1].strip("\n")]
