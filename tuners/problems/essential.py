"""A mapper without the statements that change nothing.

What a tuner finds is a template with all its holes filled: tens of statements, most of which say
what would happen anyway. What is left of it here is what matters, and what people can read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import dsl
from dsl.syntax import Program, Statement
from dsl.unparse import unparse
from tuners.problems.references import NO_DECISIONS

if TYPE_CHECKING:
    from tuners.problems.mapper_problem import MapperProblem

__all__ = ["essential", "fewest"]

T = TypeVar("T")

# Shorter mappers that are run at most; large programs take a second each.
MOST_RUNS = 500


def essential(problem: MapperProblem, text: str) -> str:
    """The mapper with as few of its statements as come to the same.

    In a simulation the same is an equal outcome, to the bit: throughput, times and all. Of other
    runs no two need be equal, and each has its price: there the same is an equal normal form. A
    mapper that does not parse, or has nothing to spare, is left as it is.
    """
    if problem.identity(text) is None:
        return text
    come_to = _what_counts(problem)
    found = come_to(text)
    if come_to(NO_DECISIONS) == found:
        return NO_DECISIONS
    shorter = problem.shorten(text)
    start = shorter if come_to(shorter) == found else text
    kept = fewest(dsl.parse(start).statements, lambda rest: come_to(_written(rest)) == found)
    written = _written(kept)
    return written if len(written) < len(text) else text


def _what_counts(problem: MapperProblem) -> Callable[[str], Any]:
    """What must not change: the outcome of a simulation, else the normal form."""
    if problem.evaluator is not problem.simulation:
        return problem.identity
    return lambda text: problem.evaluate_text(text, check=False).outcome


def _written(statements: Sequence[Statement]) -> str:
    return unparse(Program(tuple(statements)))


def fewest(
    items: Sequence[T], suffice: Callable[[Sequence[T]], bool], most: int = MOST_RUNS
) -> list[T]:
    """What is left when no single item can go; several are left out at once at first.

    Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions
    on Software Engineering 28 (2002), with complements alone: parts are seldom enough.

    Args:
        items: What is to be left out of, in the order in which it is tried.
        suffice: Whether what is left will do.
        most: How often that is asked at most.
    """
    kept, size, runs = list(items), max(1, len(items) // 2), 0
    while runs < most:
        before, at = len(kept), 0
        while at < len(kept) and runs < most:
            rest = kept[:at] + kept[at + size :]
            runs += 1
            if rest and suffice(rest):
                kept = rest
            else:
                at += size
        if size == 1 and len(kept) == before:
            break
        size = max(1, size // 2)
    return kept
