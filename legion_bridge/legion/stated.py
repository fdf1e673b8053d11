"""What a mapper states besides another one: the rest is left to a program's own mapper."""

from __future__ import annotations

import dsl
from dsl import syntax
from dsl.unparse import unparse

__all__ = ["stated"]

_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition)
_MAPS = (syntax.IndexTaskMap, syntax.SingleTaskMap)


def stated(program: dsl.Program, own: dsl.Program) -> dsl.Program:
    """The statements of a mapper that another one lacks, with the functions that they use.

    Both are written by the same template, so that a decision is a statement of its own.

    Args:
        program: The mapper.
        own: What the program's own mapper decides anyway.

    >>> own = dsl.parse("Task * CPU; InstanceLimit f 2; InstanceLimit g 2;")
    >>> other = dsl.parse("Task * CPU; InstanceLimit f 2; InstanceLimit g 1;")
    >>> unparse(stated(other, own)).strip()
    'InstanceLimit g 1;'
    """
    known = {_text(statement) for statement in own.statements}
    rules = [each for each in program.statements if not isinstance(each, _DEFINITIONS)]
    decided = [statement for statement in rules if _text(statement) not in known]
    # A mapper without statements is none: one that changes nothing stays.
    kept = decided or [each for each in rules if isinstance(each, syntax.Task)][:1]
    mapped = any(isinstance(statement, _MAPS) for statement in kept)
    return dsl.Program(
        tuple(
            statement
            for statement in program.statements
            if (mapped and isinstance(statement, _DEFINITIONS)) or statement in kept
        )
    )


def _text(statement: syntax.Statement) -> str:
    return unparse(dsl.Program((statement,))).strip()
