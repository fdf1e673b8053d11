"""Mappers of other programs, as examples of the language (few-shot)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuners.problems.problem import TextProblem

__all__ = ["examples_for"]


def examples_for(problem: TextProblem, count: int) -> str:
    """So many expert mappers of programs that share no task with this one; none for parameters.

    They show how mappers are written and say nothing about this program.
    """
    application = getattr(problem, "application", None)
    if application is None or not count:
        return ""
    from legion_bridge import Application, application_names  # noqa: PLC0415  (loads numba)

    parts: list[str] = []
    for name in application_names():
        other = Application.load(name)
        if len(parts) < count and not set(other.tasks) & set(application.tasks):
            text = other.mappers["expert"].strip("\n")
            parts.append(f"A mapper of {name}: {other.summary}\n```mapper\n{text}\n```")
    return "\n\n".join(["# Examples", *parts])
