"""The functions and variables of a mapper under names that identify their content (section 8).

A definition's canonical name is a digest of what it says, in which the names of other
definitions are canonical as well. So two functions that differ in names alone are one, and the
same function has the same name in every mapper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from dsl import syntax
from dsl.normal_forms.canonical_names import Irregular, canonical_expression, canonical_function
from dsl.syntax import walk
from dsl.unparse import unparse_statement

__all__ = ["Definition", "Definitions"]

#: What is known of a value: its kind, and the dimensions of a machine space or a tuple.
Shape = tuple[str, int]

Definition: TypeAlias = syntax.Assignment | syntax.FunctionDefinition | syntax.Print

_ITSELF = "itself"  # a function's name within itself, while its digest is taken
_MAX_DEPTH = 20  # functions that call each other in a row, each defined after those that call it


class Definitions:
    """The global names of a program, and the canonical definitions that were asked for.

    Args:
        statements: All top-level statements, in text order.

    Raises:
        Irregular: The program cannot be loaded, or its names are used in unusual ways.
    """

    def __init__(self, statements: Sequence[syntax.Statement]) -> None:
        # Canonical definitions by name, each after those that it needs.
        self._written: dict[str, Definition] = {}
        self._defined = {
            each.name
            for each in statements
            if isinstance(each, syntax.Assignment | syntax.FunctionDefinition)
        }
        self._globals: dict[str, Any] = {}
        self._shapes: dict[str, Shape] = {}
        self._names: dict[str, str] = {}
        self._pending: set[str] = set()
        # What might fail when the mapper is loaded, in text order.
        self._required: list[str] = []
        for statement in statements:
            self._add(statement)

    def canonical_name(self, name: str) -> str:
        """The name that identifies the content of a global; an undefined name is kept.

        Raises:
            Irregular: Functions call each other in a circle, or comprehensions capture names.
        """
        if name not in self._globals:
            if name == _ITSELF:
                raise Irregular
            return name
        if name not in self._names:
            if name in self._pending or len(self._pending) > _MAX_DEPTH:
                raise Irregular
            self._pending.add(name)
            self._names[name] = self._write(self._globals[name])
            self._pending.remove(name)
        return self._names[name]

    def closure(self, names: Iterable[str]) -> list[Definition]:
        """The canonical definitions of some canonical names, each after those that it needs.

        Definitions that might fail when the mapper is loaded come first, in the order of the text.
        """
        found: dict[str, Definition] = {}
        needs: dict[str, list[str]] = {}  # a name is looked at before and after those it needs
        stack = [*names][::-1] + self._required[::-1]
        while stack:
            name = stack[-1]
            if name not in needs:
                needs[name] = self._needs(name)
            missing = [each for each in needs[name] if each not in found]
            stack += missing[::-1]
            if not missing:
                found.setdefault(stack.pop(), self._written[name])
        return list(found.values())

    def _needs(self, name: str) -> list[str]:
        """The canonical definitions that one uses, except itself."""
        nodes = walk(self._written[name])
        names = dict.fromkeys(node.name for node in nodes if isinstance(node, syntax.Name))
        return [each for each in names if each in self._written and each != name]

    # Reading

    def _add(self, statement: syntax.Statement) -> None:
        match statement:
            case syntax.FunctionDefinition(name):
                # The first definition of a name wins (section 8).
                self._globals.setdefault(name, statement)
            case syntax.Assignment(name, value):
                self._require_before([value])
                if name in self._globals:
                    raise Irregular
                self._globals[name] = statement
                canonical = self.canonical_name(name)
                shape = shape_of(value, self._shapes)
                if shape is None:
                    self._required.append(canonical)
                else:
                    self._shapes[name] = shape
            case syntax.Print() if "{}" in statement.format:
                self._require_before(statement.arguments)
                arguments = [
                    canonical_expression(each, self.canonical_name)
                    for each in statement.arguments[: statement.format.count("{}")]
                ]
                self._required.append(f"print {len(self._written)}")
                self._written[self._required[-1]] = syntax.Print(
                    statement.format, tuple(arguments)
                )
            case syntax.IndexTaskMap() | syntax.SingleTaskMap():
                self._require_mapping_function(statement.function)

    def _require_mapping_function(self, name: str) -> None:
        """A map can be loaded if its function is defined above, and takes one Task (section 8)."""
        found = self._globals.get(name)
        if not isinstance(found, syntax.FunctionDefinition):
            raise Irregular
        if [parameter.type for parameter in found.parameters] != ["Task"]:
            raise Irregular

    def _require_before(self, expressions: Iterable[syntax.Expression]) -> None:
        """What runs at load time uses no name that is defined further down."""
        for name in self._reached(expressions):
            if name not in self._globals and name in self._defined:
                raise Irregular

    def _reached(self, expressions: Iterable[syntax.Expression]) -> Iterator[str]:
        """The names in some expressions, and in the functions that they reach."""
        stack: list[Any] = list(expressions)
        if any(isinstance(n, syntax.Comprehension) for each in stack for n in walk(each)):
            raise Irregular
        seen: set[str] = set()
        while stack:
            for node in walk(stack.pop()):
                if isinstance(node, syntax.Name) and node.name not in seen:
                    seen.add(node.name)
                    yield node.name
                    found = self._globals.get(node.name)
                    stack += found.body if isinstance(found, syntax.FunctionDefinition) else ()

    # Writing

    def _write(self, statement: syntax.Assignment | syntax.FunctionDefinition) -> str:
        canonical = self._canonical(statement, _ITSELF)
        match canonical:
            case syntax.Assignment(_, syntax.Name(other)) if self._is_variable(other):
                return other
        text = unparse_statement(replace(canonical, name="_"))
        prefix = "v" if isinstance(statement, syntax.Assignment) else "f"
        name = f"{prefix}_{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"
        if _ITSELF in text:
            canonical = self._canonical(statement, name)
        self._written.setdefault(name, replace(canonical, name=name))
        return name

    def _is_variable(self, canonical: str) -> bool:
        return isinstance(self._written.get(canonical), syntax.Assignment)

    def _canonical(
        self, statement: syntax.Assignment | syntax.FunctionDefinition, itself: str
    ) -> syntax.Assignment | syntax.FunctionDefinition:
        if isinstance(statement, syntax.Assignment):
            value = canonical_expression(statement.value, self.canonical_name)
            return syntax.Assignment(statement.name, value)
        return canonical_function(
            statement,
            lambda name: itself if name == statement.name else self.canonical_name(name),
        )


def shape_of(expression: syntax.Expression, known: Mapping[str, Shape]) -> Shape | None:
    """What an expression evaluates to on every machine, or None where it might fail (section 5).

    Args:
        expression: An expression outside of functions.
        known: The shapes of the global variables that never fail.

    >>> from dsl import parse
    >>> assignment = parse("m = Machine(GPU).merge(0, 1);").statements[0]
    >>> shape_of(assignment.value, {})
    ('machine', 1)
    """
    match expression:
        case syntax.Integer():
            return "int", 0
        case syntax.Boolean():
            return "bool", 0
        case syntax.Name(name):
            return known.get(name)
        case syntax.Call(syntax.MachineName(), (syntax.ProcessorKind(),)):
            return "machine", 2
        case syntax.Call(syntax.Member(base, method), arguments):
            return _transformed(shape_of(base, known), method, arguments)
        case syntax.Member(base, "size"):
            return _of_machine(shape_of(base, known))
        case syntax.Index(base, (syntax.Integer(index),)):
            return _element(shape_of(base, known), index)
        case _:
            return None


def _transformed(
    base: Shape | None, method: str, arguments: tuple[syntax.Expression, ...]
) -> Shape | None:
    """A machine space after a method that fails for no machine."""
    if base is None or base[0] != "machine":
        return None
    dimensions = base[1]
    given = [each.value for each in arguments if isinstance(each, syntax.Integer)]
    fits = len(given) == len(arguments) and all(0 <= each < dimensions for each in given)
    if fits and method in ("merge", "swap") and len(set(given)) == len(given) == 2:
        return "machine", dimensions - (method == "merge")
    if fits and method == "reverse" and len(given) == 1:
        return base
    return None


def _of_machine(base: Shape | None) -> Shape | None:
    return ("tuple", base[1]) if base is not None and base[0] == "machine" else None


def _element(base: Shape | None, index: int) -> Shape | None:
    fits = base is not None and base[0] == "tuple" and 0 <= index < base[1]
    return ("int", 0) if fits else None
