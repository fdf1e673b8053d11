"""Turns reductions of the grammar into nodes of the syntax tree, each with its position.

Every method of `TreeBuilder` is the action of the grammar rule of its name. Its argument holds
what the right side of the rule left: the tokens that it names, and the results of other actions.
"""

from __future__ import annotations

from typing import Any, TypeVar

from lark import Token, Transformer

from dsl import syntax
from dsl.errors import MapperSyntaxError
from dsl.limits import MAX_NESTING
from dsl.nearest import did_you_mean
from dsl.syntax import Position, nests_deeper

__all__ = ["TreeBuilder", "c_integer", "token_position"]

LAYOUT_WORDS = {
    "SOA": ("soa", True),
    "AOS": ("soa", False),
    "C_order": ("c_order", True),
    "F_order": ("c_order", False),
    "Compact": ("compact", True),
    "Exact": ("exact", True),
    "No_Align": ("align", None),
}

_Statement = TypeVar("_Statement", bound=syntax.Statement | syntax.Return)


def c_integer(digits: str) -> int:
    """A decimal literal as the C function ``atoi`` reads it into 32 bits (section 1)."""
    digits = digits.lstrip("0") or "0"
    if len(digits) > 19 or int(digits) > 2**63 - 1:
        return -1
    return (int(digits) + 2**31) % 2**32 - 2**31


def token_position(token: Token) -> Position:
    """Where a token stands."""
    return _span(token, token)


def _span(first: Any, last: Any) -> Position:
    """From the start of one token or node to the end of another."""
    start: Any = first if isinstance(first, Token) else first.position
    end: Any = last if isinstance(last, Token) else last.position
    return Position(start.line, start.column, end.end_line, end.end_column)


def _names(keys: Any) -> tuple[str, ...]:
    """A list of names, or the one token that stands in its place."""
    return (keys.value,) if isinstance(keys, Token) else keys


def _bounded(statement: _Statement) -> _Statement:
    """The statement, unless its expressions are nested too deeply for those who walk the tree."""
    place = statement.position
    short = place and place.line == place.end_line and place.end_column <= MAX_NESTING
    if not short and nests_deeper(statement, MAX_NESTING):
        raise MapperSyntaxError(
            f"this statement nests its expressions more than {MAX_NESTING} deep",
            code="too-deep",
            position=place,
            hint="give parts of the expression names of their own",
        )
    return statement


class TreeBuilder(Transformer[Token, Any]):
    """Actions of the grammar; see the module."""

    # Lists

    def names(self, c: list[Token]) -> tuple[str, ...]:
        return tuple([token.value for token in c])

    kinds = memories = names

    def arguments(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    parameters = body = start = arguments

    # Statements (section 2)

    def task(self, c: list[Any]) -> syntax.Task:
        return syntax.Task(_names(c[1]), c[2], position=_span(c[0], c[3]))

    def region(self, c: list[Any]) -> syntax.Region:
        where = _span(c[0], c[5])
        return syntax.Region(_names(c[1]), _region(c[2]), c[3].value, c[4], position=where)

    def layout(self, c: list[Any]) -> syntax.Layout:
        settings = dict(c[4:-1])
        where = _span(c[0], c[-1])
        return syntax.Layout(_names(c[1]), _region(c[2]), c[3].value, **settings, position=where)

    def constraint(self, c: list[Token]) -> tuple[str, bool | None]:
        try:
            return LAYOUT_WORDS[c[0].value]
        except KeyError:
            raise _unknown_constraint(c[0]) from None

    def align(self, c: list[Token]) -> tuple[str, syntax.Align]:
        return "align", syntax.Align(c[1].value, c_integer(c[2].value))

    def instance_limit(self, c: list[Token]) -> syntax.InstanceLimit:
        where = _span(c[0], c[3])
        return syntax.InstanceLimit(c[1].value, c_integer(c[2].value), position=where)

    def collect_memory(self, c: list[Token]) -> syntax.CollectMemory:
        return syntax.CollectMemory(c[1].value, c[2].value, position=_span(c[0], c[3]))

    def index_task_map(self, c: list[Any]) -> syntax.IndexTaskMap:
        return syntax.IndexTaskMap(_map_keys(c[1]), c[2].value, position=_span(c[0], c[3]))

    def single_task_map(self, c: list[Any]) -> syntax.SingleTaskMap:
        return syntax.SingleTaskMap(_map_keys(c[1]), c[2].value, position=_span(c[0], c[3]))

    def control_replicate(self, c: list[Any]) -> syntax.ControlReplicate:
        return syntax.ControlReplicate(c[1], position=_span(c[0], c[2]))

    def assignment(self, c: list[Any]) -> syntax.Assignment:
        return _bounded(syntax.Assignment(c[0].value, c[1], position=_span(c[0], c[2])))

    def print_statement(self, c: list[Any]) -> syntax.Print:
        form = c[1].value[1:-1]
        return _bounded(syntax.Print(form, tuple(c[2:-1]), position=_span(c[0], c[-1])))

    def return_statement(self, c: list[Any]) -> syntax.Return:
        return _bounded(syntax.Return(c[1], position=_span(c[0], c[2])))

    def definition(self, c: list[Any]) -> syntax.FunctionDefinition:
        where = _span(c[0], c[4])
        return syntax.FunctionDefinition(c[1].value, c[2] or (), c[3], position=where)

    def parameter(self, c: list[Token]) -> syntax.Parameter:
        return syntax.Parameter(c[0].value, c[1].value, position=_span(c[0], c[1]))

    # Expressions (section 3)

    def conditional(self, c: list[Any]) -> syntax.Conditional:
        return syntax.Conditional(c[0], c[1], c[2], position=_span(c[0], c[2]))

    def binary(self, c: list[Any]) -> syntax.Binary:
        return syntax.Binary(c[1].value, c[0], c[2], position=_span(c[0], c[2]))

    def negate(self, c: list[Any]) -> syntax.Negate:
        return syntax.Negate(c[1], position=_span(c[0], c[1]))

    def unpack(self, c: list[Any]) -> syntax.Unpack:
        return syntax.Unpack(c[1], position=_span(c[0], c[1]))

    def star(self, c: list[Token]) -> syntax.Star:
        return syntax.Star(position=_span(c[0], c[0]))

    def call(self, c: list[Any]) -> syntax.Call:
        return syntax.Call(c[0], c[1], position=_span(c[0], c[2]))

    def index(self, c: list[Any]) -> syntax.Index:
        return syntax.Index(c[0], c[1], position=_span(c[0], c[2]))

    def slice(self, c: list[Any]) -> syntax.Slice:
        return syntax.Slice(c[0], c[1], c[2], position=_span(c[0], c[3]))

    def member(self, c: list[Any]) -> syntax.Member:
        return syntax.Member(c[0], c[1].value, position=_span(c[0], c[1]))

    def lower_member(self, c: list[Any]) -> syntax.Member:
        return syntax.Member(c[0], "ilower", position=_span(c[0], c[1]))

    def name(self, c: list[Token]) -> syntax.Name | syntax.MachineName:
        where = _span(c[0], c[0])
        if c[0].value == "Machine":
            return syntax.MachineName(position=where)
        return syntax.Name(c[0].value, position=where)

    def integer(self, c: list[Token]) -> syntax.Integer:
        return syntax.Integer(c_integer(c[0].value), position=_span(c[0], c[0]))

    def true(self, c: list[Token]) -> syntax.Boolean:
        return syntax.Boolean(True, position=_span(c[0], c[0]))

    def false(self, c: list[Token]) -> syntax.Boolean:
        return syntax.Boolean(False, position=_span(c[0], c[0]))

    def processor_kind(self, c: list[Token]) -> syntax.ProcessorKind:
        return syntax.ProcessorKind(c[0].value, position=_span(c[0], c[0]))

    def memory_kind(self, c: list[Token]) -> syntax.MemoryKind:
        return syntax.MemoryKind(c[0].value, position=_span(c[0], c[0]))

    def tuple_literal(self, c: list[Any]) -> syntax.TupleLiteral:
        return syntax.TupleLiteral(tuple(c[1:-1]), position=_span(c[0], c[-1]))

    def comprehension(self, c: list[Any]) -> syntax.Comprehension:
        elements = c[3]
        if not isinstance(elements, syntax.TupleLiteral):
            raise MapperSyntaxError(
                "a comprehension ranges over a tuple written out in place, such as (0, 1, 2)",
                code="comprehension-range",
                position=elements.position,
                hint=f"write the elements: tuple(... for {c[2].value} in (0, 1))",
            )
        where = _span(c[0], c[4])
        return syntax.Comprehension(c[1], c[2].value, elements.elements, position=where)


def _region(token: Token) -> str:
    """A region's name, or the decimal text of its index (section 10)."""
    return str(c_integer(token.value)) if token.type == "INTEGER" else token.value


def _map_keys(keys: Any) -> tuple[str, ...]:
    """Tasks, ``*``, or one of the kinds that maps can be given for (section 2)."""
    if isinstance(keys, Token) and keys.value in ("IO", "PY", "PROC"):
        raise MapperSyntaxError(
            f"no map can be given for the processor kind {keys.value}",
            expected=("CPU", "GPU", "OMP", "'*'", "a name"),
            code="syntax",
            position=token_position(keys),
            hint="a map is given for CPU, GPU, OMP, or for tasks by name",
        )
    return _names(keys)


def _unknown_constraint(word: Token) -> MapperSyntaxError:
    return MapperSyntaxError(
        f"{word.value} is not a layout word",
        expected=(*LAYOUT_WORDS, "Align"),
        code="syntax",
        position=token_position(word),
        hint=f"{did_you_mean(word.value, LAYOUT_WORDS)}, and Align == 64",
    )
