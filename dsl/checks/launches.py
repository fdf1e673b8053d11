"""What every launch of the program gets: a variant, layouts, and processors for all points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.errors import MapperEvaluationError
from dsl.facts import LaunchFacts, RequirementFacts, TaskFacts
from dsl.launch_domain import LaunchDomain
from dsl.mapper import Mapper
from dsl.tables import LayoutDecision, accepts_layout, choose_memory

__all__ = ["check_launches"]

_SURPRISES = {
    "index-aliased": (
        "an index is beyond its dimension and stands for another processor",
        "take the index % the size of the dimension",
    ),
    "index-wildcard": (
        "an index of -1 stands, as a * does, for every processor along its dimension",
        "the last one is m.size[d] - 1",
    ),
    "split-remainder": (
        "the dimension is no multiple of the factor: the remaining processors are left out",
        "split by a factor of the size, or merge the dimensions first",
    ),
}

LEAVES = ("node-bounds", "proc-bounds")


class Parent(NamedTuple):
    """Where a task that launches another runs: node, processor within it, and its kind."""

    place: tuple[int, int]
    kind: str


def check_launches(context: CheckContext) -> Iterator[Diagnostic]:
    """Asks the mapper about every launch, as the runtime would."""
    for error in context.loaded.errors:
        yield Diagnostic.of_error("load-fails", error)
    if context.mapper is None:
        return
    for task in context.application.tasks.values():
        kind = context.kind_of(task.name) if task.launches else None
        if task.launches and kind is None:
            yield _no_variant(context, task)
        if kind is None:
            continue
        for launch in task.launches:
            for requirement in () if task.inner else launch.requirements:
                yield from _instance(context, context.mapper, task, requirement, kind)
            yield from _points(context, context.mapper, task, launch, kind)
    yield from _surprises(context, context.mapper)


def _no_variant(context: CheckContext, task: TaskFacts) -> Diagnostic:
    return context.diagnostic(
        "no-variant",
        None,
        f"{task.name} runs on {', '.join(task.variants)} only, and {context.machine.name} has "
        f"{', '.join(context.present)}",
        "take a machine that has one of them",
    )


def _instance(
    context: CheckContext,
    mapper: Mapper,
    task: TaskFacts,
    requirement: RequirementFacts,
    kind: str,
) -> Iterator[Diagnostic]:
    if not requirement.fields or requirement.virtual:
        return
    wanted = mapper.memories(task.name, requirement.names, kind)
    memory = choose_memory(wanted, context.machine.visible_memories(kind))
    if memory == "VIRTUAL":
        rule = context.region_rule(task.name, requirement, kind, memory)
        yield context.diagnostic(
            "virtual-leaf",
            rule.position if rule else None,
            f"{task.name} reads or writes {requirement.names[0]} and needs an instance of it",
            f"name a memory that {kind} processors see: "
            f"{', '.join(context.machine.visible_memories(kind))}",
        )
        return
    layout = mapper.layout(task.name, requirement.names, memory, kind) or LayoutDecision()
    layout_rule = context.layout_rule(task.name, requirement, (memory, kind))
    where = layout_rule.position if layout_rule else None
    if layout.align is not None and not layout.align.possible:
        yield context.diagnostic(
            "bad-alignment",
            where,
            f"an instance cannot be aligned to {layout.align.bytes} bytes, as {task.name} gets "
            f"{requirement.names[0]}",
            "take a power of two, such as Align == 64",
        )
    need = requirement.layout_need
    if need is None or accepts_layout(
        need, requirement.dimension, len(requirement.fields), layout
    ):
        return
    words = [need.order] if need.order else []
    words += ["SOA" if need.soa else "AOS"] if need.soa is not None else []
    holes = ["instances that are not Compact"] if need.compact is False else []
    said = " and ".join([*([" ".join(words)] if words else []), *holes])
    yield context.diagnostic(
        "layout-refused",
        where,
        f"{task.name} needs {said} in {requirement.names[0]}: {need.message}",
        f"write Layout {task.name} {requirement.names[0]} * {' '.join(words) or 'SOA'}; above it",
    )


def _points(
    context: CheckContext, mapper: Mapper, task: TaskFacts, launch: LaunchFacts, kind: str
) -> Iterator[Diagnostic]:
    if launch.domain:
        if mapper.has_index_map(task.name, kind):
            yield from _index_launch(context, mapper, task, launch, kind)
    elif mapper.has_single_map(task.name, kind):
        for parent in _parents(context, mapper, launch):
            yield from _single(context, mapper, task, kind, parent)


def _index_launch(
    context: CheckContext, mapper: Mapper, task: TaskFacts, launch: LaunchFacts, kind: str
) -> Iterator[Diagnostic]:
    domain = LaunchDomain.of(launch)
    begins = f"({', '.join(map(str, domain.lower))})" if any(domain.lower) else ""
    try:
        points = mapper.launch_map(task.name, kind, domain)
    except MapperEvaluationError as error:
        yield from _failed(context, task, kind, error, index=True, begins=begins)
        return
    if (points < 0).any():
        rule = context.map_rule(syntax.IndexTaskMap, task.name, kind)
        yield context.diagnostic(
            "map-leaves-machine",
            rule.position if rule else None,
            f"{mapper.index_function(task.name, kind)} sends points of {task.name} to negative "
            "nodes or processors",
            f"points begin at {begins}: count from there, as in t.ipoint - t.ilower"
            if begins
            else "an index of -1 and below does not count from the end; use % to stay inside",
        )


def _single(
    context: CheckContext,
    mapper: Mapper,
    task: TaskFacts,
    kind: str,
    parent: Parent,
) -> Iterator[Diagnostic]:
    try:
        node, place = mapper.single_map(task.name, kind, parent.place, parent.kind)[0][:2]
    except MapperEvaluationError as error:
        yield from _failed(context, task, kind, error, index=False)
        return
    rule = context.map_rule(syntax.SingleTaskMap, task.name, kind)
    position = rule.position if rule else None
    if node < 0 or place < 0:
        yield context.diagnostic(
            "map-leaves-machine", position, f"{task.name} is sent to a negative node or processor"
        )
    elif node != parent.place[0]:
        yield context.diagnostic(
            "map-leaves-node",
            position,
            f"{task.name} is sent to node {node}, but a single task stays on the node of the task "
            f"that launches it, here node {parent.place[0]}",
            "take the node from task.parent.processor(...)[0]",
        )


def _parents(context: CheckContext, mapper: Mapper, launch: LaunchFacts) -> Iterator[Parent]:
    """Where the tasks run that launch a single task, as far as the mapper says."""
    if launch.parent is None:
        yield Parent((0, 0), "CPU")
        return
    kind = context.kind_of(launch.parent)
    if kind is None:
        return
    places: dict[tuple[int, int], None] = {}
    for above in context.application.tasks[launch.parent].launches:
        if not above.domain and mapper.has_single_map(launch.parent, kind):
            continue  # where that is depends on its own parent
        if above.domain and mapper.has_index_map(launch.parent, kind):
            try:
                points = mapper.launch_map(launch.parent, kind, LaunchDomain.of(above))
            except MapperEvaluationError:
                continue  # reported where that task is checked
            for node, place in points.tolist():
                if node >= 0 and place >= 0:
                    places[node, place] = None
        else:
            places[0, 0] = None  # the runtime's own choice always uses the first processor
    for found in places:
        yield Parent(found, kind)


def _failed(
    context: CheckContext,
    task: TaskFacts,
    kind: str,
    error: MapperEvaluationError,
    *,
    index: bool,
    begins: str = "",
) -> Iterator[Diagnostic]:
    """A mapping function that fails, told with the task, its map and the point."""
    if context.loaded.follows(error):
        return
    code = "map-leaves-machine" if error.code in LEAVES else "map-fails"
    where = f" at point ({', '.join(map(str, error.point))})" if error.point else ""
    if where and begins:
        where += f" of a domain that begins at {begins}"
    if error.position is None:
        rule = context.map_rule(
            syntax.IndexTaskMap if index else syntax.SingleTaskMap, task.name, kind
        )
        yield context.diagnostic(
            code, rule.position if rule else None, f"{error.sentence}{where}", error.hint
        )
    else:
        yield Diagnostic.of_error(code, error, f"{error.sentence}, for {task.name}{where}")


def _surprises(context: CheckContext, mapper: Mapper) -> Iterator[Diagnostic]:
    for code, position in mapper.surprises:
        yield context.diagnostic(code, position, *_SURPRISES[code])
