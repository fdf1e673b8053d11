"""Functions under canonical names, which do not depend on the author's names (section 8).

Parameters, locals and the variables of comprehensions are numbered in the order in which they
are bound. A name is local where it is a parameter or an earlier statement assigns it; otherwise it
is the name of a global.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dsl import syntax
from dsl.syntax import walk

__all__ = ["Irregular", "canonical_expression", "canonical_function"]

Resolve = Callable[[str], str]

_LOCAL = re.compile(r"x\d+")


class Irregular(Exception):  # noqa: N818  a turn of the work, not an error of the mapper
    """Names are used in a way that makes renaming them unsafe."""


def canonical_function(
    function: syntax.FunctionDefinition, resolve: Resolve
) -> syntax.FunctionDefinition:
    """The function with canonical names, and without statements that have no effect.

    Statements after the first return have none, nor has a print without ``{}``, which cannot fail.

    Args:
        function: The function; it keeps its own name.
        resolve: The canonical name of a global, or of a name that is defined nowhere.

    Raises:
        Irregular: A comprehension captures names in a way that renaming would change.
    """
    scope = _Scope(resolve)
    parameters = [
        syntax.Parameter(parameter.type, scope.bind(parameter.name))
        for parameter in function.parameters
    ]
    body = [scope.statement(statement) for statement in _effective(function.body)]
    return syntax.FunctionDefinition(function.name, tuple(parameters), tuple(body))


def canonical_expression(expression: syntax.Expression, resolve: Resolve) -> syntax.Expression:
    """An expression at top level, with the names that ``resolve`` gives."""
    canonical: syntax.Expression = _Scope(resolve).expression(expression)
    return canonical


def _effective(body: tuple[Any, ...]) -> list[Any]:
    """The statements of a body up to the first return, without idle prints."""
    kept: list[Any] = []
    for statement in body:
        if not isinstance(statement, syntax.Print) or "{}" in statement.format:
            kept.append(statement)
        if isinstance(statement, syntax.Return):
            break
    return kept or [body[0]]


class _Scope:
    """The names that are bound so far in one function."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.bound: dict[str, str] = {}
        # Variables of the comprehensions around, and the names that their elements mention.
        self.variables: dict[str, str] = {}
        self.mentioned: dict[str, set[str]] = {}
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def bind(self, name: str) -> str:
        """Binds a name; a second binding of it has no effect."""
        return self.bound.setdefault(name, self.bound.get(name) or self.fresh())

    def name(self, name: str) -> str:
        found = self.variables.get(name) or self.bound.get(name)
        if found is None:
            found = self.resolve(name)
            if _LOCAL.fullmatch(found):
                raise Irregular
        return found

    # Statements

    def statement(self, node: Any) -> Any:
        if isinstance(node, syntax.Assignment):
            value = self.expression(node.value)
            return syntax.Assignment(self.bind(node.name), value)
        if isinstance(node, syntax.Return):
            return syntax.Return(self.expression(node.value))
        return self.print(node)

    def print(self, node: syntax.Print) -> syntax.Print:
        # Surplus arguments are not evaluated (section 2).
        arguments = node.arguments[: node.format.count("{}")]
        return syntax.Print(node.format, self.expressions(arguments))

    # Expressions

    def expression(self, node: Any) -> Any:
        handler = _HANDLERS.get(type(node))
        return node if handler is None else handler(self, node)

    def expressions(self, nodes: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([self.expression(node) for node in nodes])

    def optional(self, node: Any) -> Any:
        return None if node is None else self.expression(node)

    def negate(self, node: syntax.Negate) -> Any:
        operand = self.expression(node.operand)
        if isinstance(operand, syntax.Integer | syntax.TupleLiteral):
            return syntax.Negate(operand)
        # The form that every reader of the language takes (section 3).
        return syntax.Binary("-", syntax.Integer(0), operand)

    def comprehension(self, node: syntax.Comprehension) -> syntax.Comprehension:
        elements = self.expressions(node.elements)
        mentioned = self._mentioned_in(node.elements)
        inner = {each.variable for each in walk(node.element) if type(each) is type(node)}
        if mentioned & (inner | {node.variable}) or node.variable in {*inner, *self.variables}:
            raise Irregular
        self.variables[node.variable] = variable = self.fresh()
        self.mentioned[node.variable] = mentioned
        element = self.expression(node.element)
        del self.variables[node.variable], self.mentioned[node.variable]
        return syntax.Comprehension(element, variable, elements)

    def _mentioned_in(self, elements: tuple[Any, ...]) -> set[str]:
        """Names in elements, which stand for them in the scope where they are used."""
        names = {n.name for each in elements for n in walk(each) if isinstance(n, syntax.Name)}
        return names.union(*(self.mentioned[name] for name in names if name in self.mentioned))


_HANDLERS: dict[type, Callable[[_Scope, Any], Any]] = {
    syntax.Name: lambda scope, node: syntax.Name(scope.name(node.name)),
    syntax.TupleLiteral: lambda s, node: syntax.TupleLiteral(s.expressions(node.elements)),
    syntax.Binary: lambda scope, node: syntax.Binary(
        node.operator, scope.expression(node.left), scope.expression(node.right)
    ),
    syntax.Negate: _Scope.negate,
    syntax.Conditional: lambda scope, node: syntax.Conditional(
        scope.expression(node.condition),
        scope.expression(node.then),
        scope.expression(node.otherwise),
    ),
    syntax.Call: lambda scope, node: syntax.Call(
        scope.expression(node.function), scope.expressions(node.arguments)
    ),
    syntax.Index: lambda scope, node: syntax.Index(
        scope.expression(node.base), scope.expressions(node.indices)
    ),
    syntax.Slice: lambda scope, node: syntax.Slice(
        scope.expression(node.base), scope.optional(node.lower), scope.optional(node.upper)
    ),
    syntax.Member: lambda scope, node: syntax.Member(scope.expression(node.base), node.name),
    syntax.Unpack: lambda scope, node: syntax.Unpack(scope.expression(node.operand)),
    syntax.Comprehension: _Scope.comprehension,
}
