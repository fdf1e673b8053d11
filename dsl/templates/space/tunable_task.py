"""What there is to decide for one task of a program on a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from dsl.facts import ApplicationFacts, MachineFacts, RequirementFacts, TaskFacts
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.names import argument_name, is_name

__all__ = [
    "Argument",
    "TunableTask",
    "tunable_tasks",
    "usable_kinds",
    "usable_memories",
]

# The kinds that a mapper prefers, the fastest first.
_PREFERRED = ("GPU", "OMP", *(kind for kind in PROCESSOR_KINDS if kind not in ("GPU", "OMP")))


@dataclass(frozen=True, slots=True)
class Argument:
    """A region requirement that the task has access to, under the name that a mapper uses."""

    region: str
    facts: RequirementFacts


@dataclass(frozen=True, slots=True)
class TunableTask:
    """A task that a mapper can name, and that this machine can run.

    Attributes:
        name: The task.
        kinds: Processor kinds that it has a variant for and the machine has, the fastest first.
        arguments: Its requirements with access to data; none where it only launches others.
        domains: Extents of its index launches of more than one point.
        parents: The tasks that launch it singly.
    """

    name: str
    kinds: tuple[str, ...]
    arguments: tuple[Argument, ...]
    domains: tuple[tuple[int, ...], ...]
    parents: tuple[str, ...]


def tunable_tasks(
    application: ApplicationFacts, machine: MachineFacts
) -> Mapping[str, TunableTask]:
    """The tasks that there is something to decide for, in program order."""
    tasks = {}
    for name, task in application.tasks.items():
        kinds = tuple(kind for kind in usable_kinds(machine) if kind in task.variants)
        if kinds and not task.finish_only and is_name(name):
            tasks[name] = TunableTask(
                name=name,
                kinds=kinds,
                arguments=() if task.inner else _arguments(task),
                domains=tuple(domain for domain in task.launch_domains if prod(domain) > 1),
                parents=tuple(task.parents) if task.launched_singly else (),
            )
    return tasks


def usable_kinds(machine: MachineFacts) -> tuple[str, ...]:
    """The processor kinds that the machine has, the fastest first."""
    return tuple(kind for kind in _PREFERRED if machine.shape.count(kind))


def usable_memories(machine: MachineFacts, kind: str) -> tuple[str, ...]:
    """The memory kinds that exist and that a processor kind sees, the best first."""
    return tuple(each for each in machine.visible_memories(kind) if machine.capacity(each) > 0)


def _arguments(task: TaskFacts) -> tuple[Argument, ...]:
    return tuple(
        Argument(argument_name(task.requirements, index), requirement)
        for index, requirement in enumerate(task.requirements)
        if requirement.privilege != "NO_ACCESS"
    )
