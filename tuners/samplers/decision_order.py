"""The order in which to decide: the tasks that take longest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dsl
from tuners.problems.problem import Value

if TYPE_CHECKING:
    from tuners.problems.mapper_problem import MapperProblem

__all__ = ["decision_order"]

# Within a task: where it runs and where its data lies come first, what matters least comes last.
KINDS = ("proc", "mem", "map", "single", "layout", "order", "limit", "collect", "align")


def decision_order(problem: MapperProblem, values: Mapping[str, Value]) -> list[str]:
    """The parameters of a problem, those of the longest task first.

    Tasks are in the order of their run time under the mapper with these values, which is run once
    for its profile. Where it does not run, or the evaluator has no profile, they are in the order
    of the bytes that they stream.
    Within a task the processor comes first, then the memory of each argument, the largest first,
    then the rest. Parameters that belong to no single task come before all.
    """
    seconds = _run_times(problem, values) or _traffic(problem)
    sizes = _argument_bytes(problem)

    def place(name: str) -> tuple[float, str, int, float]:
        kind, task, region = ([*name.split(".", 2), "", ""])[:3]
        if task not in problem.application.tasks:
            return -float("inf"), "", 0, 0.0
        order = KINDS.index(kind) if kind in KINDS else len(KINDS)
        return -seconds.get(task, 0.0), task, order, -sizes.get((task, region), 0.0)

    return sorted(problem.distributions, key=place)


def _run_times(problem: MapperProblem, values: Mapping[str, Value]) -> dict[str, float]:
    program = dsl.parse(problem.render(values))
    profile = problem.evaluator.evaluate(program, profile=True).profile
    return {} if profile is None else {name: use.busy for name, use in profile.tasks.items()}


def _traffic(problem: MapperProblem) -> dict[str, float]:
    streamed: dict[str, float] = {}
    for launch in problem.application.launches():
        moved = float(launch.work.traffic.sum())
        streamed[launch.task] = streamed.get(launch.task, 0.0) + moved
    return streamed


def _argument_bytes(problem: MapperProblem) -> dict[tuple[str, str], float]:
    return {
        (task, name): float(requirement.piece_bytes)
        for task, facts in problem.application.tasks.items()
        for requirement in facts.requirements
        for name in requirement.names
    }
