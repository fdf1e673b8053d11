"""The rules of a mapper as tables in C (section 10).

Rows stand in the order of the text and the look-ups take the first that fits: the first rule for
a key wins. Rows that an earlier one with the same key hides are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from dsl import syntax
from dsl.c_output.body import at, c_integer
from dsl.c_output.functions import is_mapping_function
from dsl.c_output.scope import Globals
from dsl.c_output.text import c_string
from dsl.machine_shape import PROCESSOR_KINDS

__all__ = ["rule_tables"]

# The key of a row, and its text.
_Row: TypeAlias = tuple[tuple[str, ...], str]


class _Table(NamedTuple):
    struct: str
    name: str
    statement: type
    rows: Callable[[Any, Globals], Iterator[_Row]]
    end: str


def rule_tables(program: syntax.Program, names: Globals) -> list[str]:
    """All tables, each ended by a row that no question fits."""
    return [line for table in _TABLES for line in _text(table, program, names)]


def _text(table: _Table, program: syntax.Program, names: Globals) -> list[str]:
    rows: dict[tuple[str, ...], str] = {}
    for statement in program.statements:
        if isinstance(statement, table.statement):
            for key, row in table.rows(statement, names):
                line = statement.position.line if statement.position else 0
                rows.setdefault(key, f"    {{{row}}}, /* line {line} */")
    head = f"static const {table.struct} {table.name}[] = {{"
    return [head, *rows.values(), f"    {{{table.end}}}}};", ""]


def _kind(word: str) -> str:
    return "MAPPER_ANY_KIND" if word == "*" else f"MAPPER_{word}"


def _list(words: Iterable[str]) -> str:
    listed = [f"MAPPER_{word}" for word in words]
    return f"{len(listed)}, (const int8_t[]){{{', '.join(listed)}}}"


def _task_rows(node: syntax.Task, _: Globals) -> Iterator[_Row]:
    for task in node.tasks:
        yield (task,), f"{c_string(task)}, {_list(node.kinds)}"


def _region_rows(node: syntax.Region, _: Globals) -> Iterator[_Row]:
    for task in node.tasks:
        keys = f"{c_string(task)}, {c_string(node.region)}, {_kind(node.processor)}"
        yield (task, node.region, node.processor), f"{keys}, {_list(node.memories)}"


def _layout_rows(node: syntax.Layout, _: Globals) -> Iterator[_Row]:
    memory = processor = "*"
    if node.place in PROCESSOR_KINDS:
        processor = node.place
    elif node.place != "VIRTUAL":  # stored as *
        memory = node.place
    where = "MAPPER_ANY_MEMORY" if memory == "*" else f"MAPPER_{memory}"
    operator, size = (node.align.operator, node.align.bytes) if node.align else ("", 0)
    flags = [not node.soa, node.compact, node.exact]
    words = ", ".join(str(int(flag)) for flag in (node.c_order, *flags))
    for task in node.tasks:
        keys = f"{c_string(task)}, {c_string(node.region)}, {where}, {_kind(processor)}"
        layout = f"{{1, {words}, {c_string(operator)}, {c_integer(size)}}}"
        yield (task, node.region, memory, processor), f"{keys}, {layout}"


def _limit_rows(node: syntax.InstanceLimit, _: Globals) -> Iterator[_Row]:
    yield (node.task,), f"{c_string(node.task)}, {c_integer(node.limit)}"


def _collect_rows(node: syntax.CollectMemory, _: Globals) -> Iterator[_Row]:
    yield (node.task, node.region), f"{c_string(node.task)}, {c_string(node.region)}"


def _replicate_rows(node: syntax.ControlReplicate, _: Globals) -> Iterator[_Row]:
    for task in node.tasks:
        yield (task,), c_string(task)


def _map_rows(node: syntax.IndexTaskMap | syntax.SingleTaskMap, names: Globals) -> Iterator[_Row]:
    definition = names.definitions.get(node.function)
    if definition is None or not is_mapping_function(definition):
        return  # loading fails
    returns = [each for each in definition.body if isinstance(each, syntax.Return)]
    where = at(returns[0].position if returns else definition.position)
    for key in node.keys:
        if key in PROCESSOR_KINDS:
            yield (key,), f"NULL, MAPPER_{key}, fn_{node.function}, {where}"
        elif key != "*":  # which has no effect
            function = f"fn_{node.function}, {where}"
            yield (key,), f"{c_string(key)}, MAPPER_ANY_KIND, {function}"


_TABLES = (
    _Table("task_rule", "TASK_RULES", syntax.Task, _task_rows, "NULL, 0, NULL"),
    _Table(
        "region_rule",
        "REGION_RULES",
        syntax.Region,
        _region_rows,
        "NULL, NULL, MAPPER_ANY_KIND, 0, NULL",
    ),
    _Table(
        "layout_rule",
        "LAYOUT_RULES",
        syntax.Layout,
        _layout_rows,
        'NULL, NULL, MAPPER_ANY_MEMORY, MAPPER_ANY_KIND, {0, 0, 0, 0, 0, "", 0}',
    ),
    _Table("limit_rule", "LIMIT_RULES", syntax.InstanceLimit, _limit_rows, "NULL, 0"),
    _Table("collect_rule", "COLLECT_RULES", syntax.CollectMemory, _collect_rows, "NULL, NULL"),
    _Table("replicate_rule", "REPLICATE_RULES", syntax.ControlReplicate, _replicate_rows, "NULL"),
    _Table(
        "map_rule",
        "INDEX_MAPS",
        syntax.IndexTaskMap,
        _map_rows,
        "NULL, MAPPER_ANY_KIND, NULL, NOWHERE",
    ),
    _Table(
        "map_rule",
        "SINGLE_MAPS",
        syntax.SingleTaskMap,
        _map_rows,
        "NULL, MAPPER_ANY_KIND, NULL, NOWHERE",
    ),
)
