"""Decision blocks: a mapper taken apart by what it decides, and put together with new blocks.

The blocks are those of the ICML 2025 paper: task, region, layout, limit (with collection), index
map and single map; functions and variables belong to all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import dsl
from dsl import syntax
from dsl.parsing.statement_cache import StatementCache
from dsl.unparse import unparse_statement

__all__ = ["BLOCKS", "FUNCTIONS", "block_of", "blocks_of", "emptied_blocks", "merge_blocks"]

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
