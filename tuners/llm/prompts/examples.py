"""Mappers of other programs, as examples of the language (few-shot)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from legion_bridge import Application
    from tuners.problems.problem import TextProblem

__all__ = ["ProgramProblem", "examples_for"]


@runtime_checkable
class ProgramProblem(Protocol):
    """A problem of mapping a program, which mappers of other programs may illustrate."""

    application: Application


def examples_for(problem: TextProblem, count: int) -> str:
    """Expert mappers of programs that share no task with the problem's, ``count`` at most.

    They show how mappers are written and say nothing about the program itself. Problems without
    a program have none.
    """
    if not count or not isinstance(problem, ProgramProblem):
        return ""
    from legion_bridge import Application, application_names  # noqa: PLC0415  (loads numba)

    parts: list[str] = []
    for name in application_names():
        other = Application.load(name)
        if len(parts) < count and not set(other.tasks) & set(problem.application.tasks):
            text = other.mappers["expert"].strip("\n")
            parts.append(f"A mapper of {name}: {other.summary}\n```mapper\n{text}\n```")
    return "\n\n".join(["# Examples", *parts])
