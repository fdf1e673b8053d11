"""What the language needs to know of an application's tasks, gathered from their launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dsl.facts import Privilege
from dsl.launch_domain import LaunchDomain

# An application tells its tasks by this module, whose types speak of applications: the one pair of
# files that import each other, and only for the types.
if TYPE_CHECKING:
    from legion_bridge.programs.application import Application, Launch, LayoutNeed, Requirement

__all__ = ["LaunchSummary", "RequirementSummary", "TaskSummary", "summarise"]


@dataclass(frozen=True, slots=True)
class RequirementSummary:
    """One requirement of a task over all launches of it (see ``dsl.RequirementFacts``).

    Attributes:
        names: First the names that hold for all its launches, then its index, then those that
            hold for some.
        virtual: Whether no launch of it asks for an instance.
    """

    names: tuple[str, ...]
    privilege: Privilege
    fields: tuple[str, ...]
    dimension: int
    piece_bytes: int
    layout_need: LayoutNeed | None
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class LaunchSummary:
    """One way in which a task is launched (see ``dsl.LaunchFacts``)."""

    domain: tuple[int, ...]
    parent: str | None
    requirements: tuple[RequirementSummary, ...]
    lower: tuple[int, ...] = ()
    points: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task with what its launches say about it (see ``dsl.TaskFacts``).

    Attributes:
        launches: The distinct ways in which it is launched, except those after the loop.
        index_domains: The distinct domains of its index launches.
        in_loop: Whether the main loop launches it, and not only what comes before or after.
        finish_only: Whether it is only launched after the main loop, where it is not measured.
    """

    name: str
    variants: tuple[str, ...]
    inner: bool
    requirements: tuple[RequirementSummary, ...]
    launch_domains: tuple[tuple[int, ...], ...]
    parents: tuple[str, ...]
    launched_singly: bool
    launches: tuple[LaunchSummary, ...] = ()
    index_domains: tuple[LaunchDomain, ...] = ()
    in_loop: bool = True
    finish_only: bool = False


class _Found(NamedTuple):
    """A launch, the task that makes it, and whether it comes after the main loop."""

    launch: Launch
    parent: str | None
    finish: bool


def summarise(application: Application) -> Mapping[str, TaskSummary]:
    """Every task that is launched, in program order."""
    found: dict[str, list[_Found]] = {}
    for phase in (application.setup, application.loop, application.finish):
        for launch in phase:
            parent = None if launch.parent is None else phase[launch.parent].task
            finish = phase is application.finish and bool(phase)
            found.setdefault(launch.task, []).append(_Found(launch, parent, finish))
    return MappingProxyType(
        {name: _task(application, name, launches) for name, launches in found.items()}
    )


def _task(application: Application, name: str, found: Sequence[_Found]) -> TaskSummary:
    kind = application.task_kinds[name]
    widest = max(len(each.launch.requirements) for each in found)
    requirements = [
        [each.launch.requirements[i] for each in found if i < len(each.launch.requirements)]
        for i in range(widest)
    ]
    domains = dict.fromkeys(LaunchDomain.of(f.launch) for f in found if f.launch.domain)
    return TaskSummary(
        name=name,
        variants=kind.variants,
        inner=kind.inner,
        requirements=tuple(_requirement(application, i, r) for i, r in enumerate(requirements)),
        launch_domains=tuple(dict.fromkeys(domain.extents for domain in domains)),
        parents=tuple(dict.fromkeys(f.parent for f in found if f.parent is not None)),
        launched_singly=any(each.launch.single for each in found),
        launches=_launches(application, found),
        index_domains=tuple(domains),
        in_loop=any(launch.task == name for launch in application.loop),
        finish_only=all(each.finish for each in found),
    )


def _launches(application: Application, found: Sequence[_Found]) -> tuple[LaunchSummary, ...]:
    unique = dict.fromkeys(
        (LaunchDomain.of(each.launch), each.parent, each.launch.requirements)
        for each in found
        if not each.finish
    )
    return tuple(
        LaunchSummary(
            domain.extents,
            parent,
            tuple(_requirement(application, i, [r]) for i, r in enumerate(requirements)),
            domain.lower,
            domain.points,
        )
        for domain, parent, requirements in unique
    )


def _requirement(
    application: Application, index: int, requirements: Sequence[Requirement]
) -> RequirementSummary:
    known = [application.semantic_names(r) for r in requirements]
    names = dict.fromkeys(name for each in known for name in each)
    common = [n for n in names if all(n in each for each in known)]
    partial = [n for n in names if n not in common]
    first = requirements[0]
    sizes = [
        int(application.piece_volumes(r).max(initial=0))
        * application.regions[r.region].field_bytes(r.fields)
        for r in requirements
    ]
    return RequirementSummary(
        names=(*common, str(index), *partial),
        privilege=first.privilege,
        fields=first.fields,
        dimension=application.regions[first.region].dimension,
        piece_bytes=max(sizes),
        layout_need=first.need,
        virtual=all(r.virtual for r in requirements),
    )
