"""Random mappers of a template: as they come, or redrawn until a check finds no error."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import dsl
from tuners import MapperProblem

REDRAWS = 20
STARTS = 100

Values = dict[str, Any]


def any_values(problem: MapperProblem, choose: random.Random) -> Values:
    """A value for each hole, each as likely as the others."""
    holes = problem.template.parameters
    return {name: choose.choice(list(hole.values)) for name, hole in holes.items()}


def valid_values(problem: MapperProblem, choose: random.Random) -> Values:
    """Values of a mapper without errors.

    The holes of the statements that a check blames are drawn anew until it finds nothing: drawing
    whole mappers anew would take thousands for the stencil, and millions for Pennant.
    """
    for _start in range(STARTS):
        values = any_values(problem, choose)
        for _ in range(REDRAWS):
            blamed = _blamed(problem, values)
            if blamed is None:
                return values
            for name in blamed:
                values[name] = choose.choice(list(problem.template.parameters[name].values))
    raise AssertionError(f"no valid mapper of {problem.application.name} after {STARTS} starts")


def _blamed(problem: MapperProblem, values: Mapping[str, Any]) -> list[str] | None:
    """The holes of the statements with errors; none where the whole is to blame; None: valid."""
    text = problem.template.render(values)
    found = problem.check(text)
    errors = [each for each in found if each.severity == "error"]
    if not errors:
        return None
    blamed = []
    for error in errors:
        line = getattr(error, "source_line", None) or ""
        words = line.split()
        if len(words) > 2:
            prefixes = {"Region": ("mem",), "Layout": ("layout", "order")}.get(words[0], ())
            blamed += [f"{prefix}.{words[1]}.{words[2]}" for prefix in prefixes]
    return [name for name in blamed if name in problem.template.parameters]


def text_of(problem: MapperProblem, values: Mapping[str, Any]) -> str:
    return problem.template.render(values)


def is_valid(problem: MapperProblem, text: str) -> bool:
    try:
        return not any(found.severity == "error" for found in problem.check(text))
    except dsl.MapperSyntaxError:
        return False
