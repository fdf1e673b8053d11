"""Which expressions at top level can be evaluated on every machine (sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping

from dsl import syntax

__all__ = ["Shape", "shape_of"]

#: What is known of a value: its kind, and the dimensions of a machine space or a tuple.
Shape = tuple[str, int]


def shape_of(expression: syntax.Expression, known: Mapping[str, Shape]) -> Shape | None:
    """What an expression evaluates to, or None where it might fail.

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
