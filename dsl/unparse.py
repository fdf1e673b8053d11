"""From the syntax tree back to text, one statement a line.

Parentheses stand only where the precedences of section 3 need them, and around a star or an
unpack that is an operand, which no mapper that works contains. Reading the text again gives the
same tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dsl import syntax

__all__ = ["unparse", "unparse_expression", "unparse_statement"]

# Levels of section 3; a child stands bare where its level is at least the one asked for.
_CONDITIONAL, _POSTFIX = 1, 9
_LEVELS: dict[type, int] = {
    syntax.Conditional: _CONDITIONAL,
    syntax.Negate: 8,
    syntax.Star: 0,
    syntax.Unpack: 0,
}
_BINARY = {
    "||": 2,
    "&&": 3,
    "==": 4,
    "!=": 4,
    "<": 5,
    ">": 5,
    "<=": 5,
    ">=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "%": 7,
}
_UNSIGNED = 1 << 32


def unparse(program: syntax.Program) -> str:
    """The text of a program; ``parse(unparse(program)) == program``.

    Comments, spacing and the order of layout words are not in the tree, so they are not in the
    text: a layout always names its field order and its dimension order.
    """
    return "".join(f"{unparse_statement(statement)}\n" for statement in program.statements)


def unparse_statement(statement: syntax.Statement | syntax.Return) -> str:
    """The text of one statement, without a line end."""
    return _STATEMENTS[type(statement)](statement)


def unparse_expression(expression: syntax.Expression) -> str:
    """The text of one expression."""
    return _EXPRESSIONS[type(expression)](expression)


# Expressions. Two or three frames a level: the parser bounds the levels (`dsl.limits`).


def _at(expression: syntax.Expression, level: int) -> str:
    """The text as an operand: in parentheses where it binds more loosely than its place."""
    kind = type(expression)
    text = _EXPRESSIONS[kind](expression)
    if kind is syntax.Binary:
        bare = _BINARY[expression.operator] >= level  # type: ignore[union-attr]
    else:
        bare = _LEVELS.get(kind, _POSTFIX) >= level
    return text if bare else f"({text})"


def _list(expressions: Iterable[syntax.Expression]) -> str:
    return ", ".join([_EXPRESSIONS[type(each)](each) for each in expressions])


def _integer(value: int) -> str:
    # A literal has no sign: a negative value is one that wrapped around (section 1).
    return str(value if value >= 0 else value + _UNSIGNED)


def _binary(node: syntax.Binary) -> str:
    level = _BINARY[node.operator]
    return f"{_at(node.left, level)} {node.operator} {_at(node.right, level + 1)}"


def _conditional(node: syntax.Conditional) -> str:
    condition = _at(node.condition, _CONDITIONAL)
    # The middle stands between marks of its own, but a reader is glad of parentheses.
    then, otherwise = _at(node.then, _CONDITIONAL + 1), _at(node.otherwise, _CONDITIONAL + 1)
    return f"{condition} ? {then} : {otherwise}"


def _slice(node: syntax.Slice) -> str:
    lower = "" if node.lower is None else _at(node.lower, _CONDITIONAL + 1)
    upper = "" if node.upper is None else _at(node.upper, _CONDITIONAL + 1)
    return f"{_at(node.base, _POSTFIX)}[{lower}:{upper}]"


def _comprehension(node: syntax.Comprehension) -> str:
    element = _EXPRESSIONS[type(node.element)](node.element)
    return f"tuple({element} for {node.variable} in ({_list(node.elements)}))"


_EXPRESSIONS: dict[type, Callable[[Any], str]] = {
    syntax.Integer: lambda node: _integer(node.value),
    syntax.Boolean: lambda node: str(node.value),
    syntax.Name: lambda node: node.name,
    syntax.MachineName: lambda _: "Machine",
    syntax.ProcessorKind: lambda node: node.kind,
    syntax.MemoryKind: lambda node: node.kind,
    syntax.TupleLiteral: lambda node: f"({_list(node.elements)})",
    syntax.Binary: _binary,
    syntax.Negate: lambda node: f"-{_at(node.operand, _POSTFIX)}",
    syntax.Conditional: _conditional,
    syntax.Call: lambda node: f"{_at(node.function, _POSTFIX)}({_list(node.arguments)})",
    syntax.Index: lambda node: f"{_at(node.base, _POSTFIX)}[{_list(node.indices)}]",
    syntax.Slice: _slice,
    syntax.Member: lambda node: f"{_at(node.base, _POSTFIX)}.{node.name}",
    syntax.Star: lambda _: "*",
    syntax.Unpack: lambda node: f"*{_at(node.operand, _POSTFIX)}",
    syntax.Comprehension: _comprehension,
}


# Statements


def _words(words: Iterable[str]) -> str:
    return ",".join(words)


def _region(node: syntax.Region) -> str:
    who = f"{_words(node.tasks)} {node.region} {node.processor}"
    return f"Region {who} {_words(node.memories)};"


def _layout(node: syntax.Layout) -> str:
    words = ["SOA" if node.soa else "AOS", "C_order" if node.c_order else "F_order"]
    words += ["Compact"] * node.compact + ["Exact"] * node.exact
    if node.align is not None:
        words.append(f"Align{node.align.operator}{_integer(node.align.bytes)}")
    return f"Layout {_words(node.tasks)} {node.region} {node.place} {' '.join(words)};"


def _print(node: syntax.Print) -> str:
    arguments = "".join(f", {unparse_expression(argument)}" for argument in node.arguments)
    return f'print("{node.format}"{arguments});'


def _definition(node: syntax.FunctionDefinition) -> str:
    parameters = ", ".join(f"{parameter.type} {parameter.name}" for parameter in node.parameters)
    body = "".join(f"  {unparse_statement(statement)}\n" for statement in node.body)
    return f"def {node.name}({parameters}) {{\n{body}}}"


_STATEMENTS: dict[type, Callable[[Any], str]] = {
    syntax.Task: lambda node: f"Task {_words(node.tasks)} {_words(node.kinds)};",
    syntax.Region: _region,
    syntax.Layout: _layout,
    syntax.InstanceLimit: lambda node: f"InstanceLimit {node.task} {_integer(node.limit)};",
    syntax.CollectMemory: lambda node: f"CollectMemory {node.task} {node.region};",
    syntax.IndexTaskMap: lambda node: f"IndexTaskMap {_words(node.keys)} {node.function};",
    syntax.SingleTaskMap: lambda node: f"SingleTaskMap {_words(node.keys)} {node.function};",
    syntax.ControlReplicate: lambda node: f"ControlReplicate {_words(node.tasks)};",
    syntax.Assignment: lambda node: f"{node.name} = {unparse_expression(node.value)};",
    syntax.FunctionDefinition: _definition,
    syntax.Print: _print,
    syntax.Return: lambda node: f"return {unparse_expression(node.value)};",
}
