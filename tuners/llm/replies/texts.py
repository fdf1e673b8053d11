"""What a reply holds: mappers, whole or by decision blocks, and JSON objects.

They are fenced, in JSON, or bare among prose. The blocks are those of the ICML 2025 paper: task,
region, layout, limit (with collection), index map and single map; functions and variables belong
to all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import dsl
from dsl import syntax
from dsl.parsing.statement_cache import StatementCache
from dsl.unparse import unparse_statement

__all__ = [
    "BLOCKS",
    "FUNCTIONS",
    "block_of",
    "blocks_of",
    "emptied_blocks",
    "joined_blocks",
    "json_values_in",
    "mapper_texts_in",
    "merge_blocks",
]

FUNCTIONS = "functions"
BLOCKS = ("task", "region", "layout", "limit", FUNCTIONS, "index map", "single map")

_OF: Mapping[type, str] = {
    syntax.Task: "task",
    syntax.ControlReplicate: "task",
    syntax.Region: "region",
    syntax.Layout: "layout",
    syntax.InstanceLimit: "limit",
    syntax.CollectMemory: "limit",
    syntax.IndexTaskMap: "index map",
    syntax.SingleTaskMap: "single map",
}
_HEADING = re.compile(
    r"^[ \t]*(?:#|//)+[ \t]*(task|region|layout|limit|index map|single map) block: none",
    re.MULTILINE | re.IGNORECASE,
)
_STATEMENTS = StatementCache()  # replies repeat most of the mappers that they revise

_OBJECTS = 50  # places where an object may begin that are tried
_LONGEST = 100_000  # characters of one JSON text
_DEEPEST = 30  # levels of a JSON value
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
        if not _too_deep(value):
            yield from _objects(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            yield each


def _loaded(text: str) -> Any:
    if len(text) > _LONGEST or not text.strip().startswith(("{", "[")):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return None if _too_deep(value) else value


def _too_deep(value: Any) -> bool:
    """Whether a value nests more than any answer does: whoever walks it need not be careful."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = [list(each.values()) if isinstance(each, dict) else each for each in level]
        level = [each for part in inner if isinstance(part, list) for each in part]
        if not level:
            return False
    return True


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


# Decision blocks


def block_of(statement: syntax.Statement) -> str:
    """The block that a statement belongs to."""
    return _OF.get(type(statement), FUNCTIONS)


def blocks_of(program: dsl.Program) -> dict[str, str]:
    """The text of each block that the mapper has, in the order of ``BLOCKS``."""
    parts: dict[str, list[str]] = {name: [] for name in BLOCKS}
    for statement in program.statements:
        parts[block_of(statement)].append(unparse_statement(statement))
    return {name: "\n".join(lines) for name, lines in parts.items() if lines}


def emptied_blocks(text: str) -> set[str]:
    """The blocks that a text declares empty, such as by ``# limit block: none``."""
    return {found.lower() for found in _HEADING.findall(text)}


def joined_blocks(parts: Sequence[str]) -> str:
    r"""The parts of a reply as one text, in which the last one that decides a block decides it.

    Models quote what they are about to change: the first statement for a key would count.

    >>> joined_blocks(["Region * * GPU ZCMEM; Task a GPU;", "Region * * GPU FBMEM;"])
    'Task a GPU;\nRegion * * GPU FBMEM;'
    """
    kept: list[str] = []
    later: set[str] = set()
    for part in reversed(parts):
        try:
            statements = () if _is_comment(part) else _STATEMENTS.parse(part).statements
        except dsl.MapperSyntaxError:
            return "\n".join(parts)  # a check will say what is wrong with it
        emptied = emptied_blocks(part)
        names = [_name(each) or block_of(each) for each in statements]
        if later.isdisjoint({*names, *emptied}):
            kept.append(part)
        else:
            lines = [
                unparse_statement(each)
                for each, name in zip(statements, names, strict=True)
                if name not in later
            ]
            kept.append("\n".join(lines))
        later |= {*names, *emptied}
    return "\n".join(text for text in reversed(kept) if text)


def merge_blocks(base: str, part: str) -> str:
    """A mapper with some of its blocks replaced.

    Every block of which the part has a statement replaces that block of the base. Functions and
    variables of the part replace those of the same name, and others are added.

    Raises:
        dsl.MapperSyntaxError: The base or the part does not parse.

    >>> print(merge_blocks("Task a GPU; Region * * GPU FBMEM;", "Region * * GPU ZCMEM;"))
    Task a GPU;
    Region * * GPU ZCMEM;
    <BLANKLINE>
    """
    emptied = emptied_blocks(part)
    old = _STATEMENTS.parse(base).statements
    new = _STATEMENTS.parse(part).statements if not _is_comment(part) else ()
    replaced = emptied | {block_of(each) for each in new} - {FUNCTIONS}
    rules = [each for each in old if block_of(each) not in {FUNCTIONS, *replaced}]
    rules += [each for each in new if block_of(each) != FUNCTIONS]
    ordered = [each for block in BLOCKS[:4] for each in rules if block_of(each) == block]
    maps = [each for block in BLOCKS[5:] for each in rules if block_of(each) == block]
    statements = [*ordered, *_definitions(old, new), *maps]
    return "\n".join(map(unparse_statement, statements)) + "\n"


def _is_comment(text: str) -> bool:
    return all(
        not line.strip() or line.lstrip().startswith(("#", "//")) for line in text.split("\n")
    )


def _definitions(
    old: Iterable[syntax.Statement], new: Sequence[syntax.Statement]
) -> list[syntax.Statement]:
    """The old definitions, with new ones of the same name in their places.

    A definition of a new name stands before the next one that replaces an old definition.
    """
    before: dict[str, list[syntax.Statement]] = {}
    waiting: list[syntax.Statement] = []
    known = {_name(each) for each in old if block_of(each) == FUNCTIONS}
    for each in new:
        if block_of(each) == FUNCTIONS:
            waiting.append(each)
            if _name(each) in known:
                before[_name(each)] = waiting
                waiting = []
    merged: list[syntax.Statement] = []
    for each in old:
        if block_of(each) == FUNCTIONS:
            merged += before.pop(_name(each), [each])
    return merged + waiting


def _name(statement: syntax.Statement) -> str:
    if isinstance(statement, syntax.Assignment | syntax.FunctionDefinition):
        return statement.name
    return ""
