"""Describes an application: its regions, its tasks with their requirements, and its data flow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dsl.launch_domain import LaunchDomain
from dsl.units import amount, seconds
from legion_bridge.programs.application import Application, Partition
from legion_bridge.programs.data_flow import Flow, data_flow
from legion_bridge.programs.task_summary import TaskSummary

__all__ = ["data_flow_dot", "describe"]

SHOWN_FIELDS = 6


def describe(application: Application) -> str:
    """The application in words, as far as a mapper decides about it.

    >>> print(describe(Application.load("stencil")).splitlines()[0])
    stencil: Star-shaped stencil on a square grid, one tile a GPU
    """
    parts = [
        _head(application),
        _section("Regions", _regions(application)),
        _section("Tasks", _tasks(application)),
        _section("Data flow", _flows(data_flow(application))),
    ]
    if application.copies:
        parts.append(_section("Copies of the captured run", _copies(application)))
    if application.unknown:
        told = (f"{place}: {why}" for place, why in application.unknown.items())
        parts.append(_section("Unknown, and assumed", told))
    if application.mappers:
        parts.append(f"Reference mappers: {', '.join(application.mappers)}")
    return "\n\n".join(parts)


def data_flow_dot(application: Application) -> str:
    """The data flow as a graph in the DOT language, which ``dot -Tsvg`` draws.

    Dashed arrows lead to the next iteration.
    """
    lines = [f"digraph {_quoted(application.name)} {{", "  node [shape=box];"]
    lines += [f"  {_quoted(name)};" for name in application.tasks]
    for flow in data_flow(application):
        label = f"{flow.region}: {_fields(flow.fields)}"
        style = ", style=dashed" if flow.next_iteration else ""
        lines.append(
            f"  {_quoted(flow.source)} -> {_quoted(flow.target)} [label={_quoted(label)}{style}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _head(application: Application) -> str:
    sizes = ", ".join(f"{key} {value}" for key, value in application.parameters.items())
    traced = "replayed from a trace" if application.traced else "not traced"
    lines = [
        f"{application.name}: {application.summary}",
        f"  {sizes}" if sizes else "",
        f"  {application.work:.6g} {application.unit.removesuffix('/s')} an iteration, {traced}",
        f"  {application.timed} iterations are measured, after {application.warmup} others",
    ]
    if application.ranks_per_node > 1:
        lines.append(f"  {application.ranks_per_node} processes a node")
    if application.own_mapper:
        lines.append(f"  a mapper of its own, {application.own_mapper}")
    return "\n".join(line for line in lines if line)


def _section(title: str, lines: Iterator[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _regions(application: Application) -> Iterator[str]:
    for region in application.regions.values():
        extents = [b - a + 1 for a, b in zip(region.lower, region.upper, strict=True)]
        each = sum(f.bytes for f in region.fields)
        yield (
            f"{region.name}: {' x '.join(map(str, extents))} points of {each} bytes, "
            f"{amount(math.prod(extents) * each)}: {_fields([f.name for f in region.fields])}"
        )
        for partition in application.partitions.values():
            if partition.region == region.name:
                yield f"  {_partition(partition)}"


def _partition(partition: Partition) -> str:
    volumes = partition.volumes
    if volumes is None:
        volumes = (partition.pieces[:, 1] - partition.pieces[:, 0] + 1).clip(min=0).prod(axis=1)
    return f"{partition.name}: {len(volumes)} pieces of up to {int(volumes.max(initial=0))} points"


def _tasks(application: Application) -> Iterator[str]:
    launches = application.launches() + application.finish
    for task in application.tasks.values():
        times = sum(launch.task == task.name for launch in launches)
        yield f"{task.name} ({_kinds(task)}): {_launched(task, times)}"
        for index, requirement in enumerate(task.requirements):
            if requirement.privilege == "NO_ACCESS":
                yield f"  {index} {requirement.names[0]}: no access"
                continue
            need = requirement.layout_need
            wants = f", wants {need.order}" if need and need.order else ""
            yield (
                f"  {index} {requirement.names[0]}: {requirement.privilege.lower()} "
                f"{_fields(requirement.fields)}, up to {amount(requirement.piece_bytes)} "
                f"a point{wants}"
            )


def _copies(application: Application) -> Iterator[str]:
    for copy in application.copies:
        yield (
            f"{copy.region}: {copy.count} from {copy.source} to {copy.target}, "
            f"{amount(copy.bytes)} in {seconds(copy.seconds, digits=3)}"
        )


def _kinds(task: TaskSummary) -> str:
    kinds = ", ".join(task.variants)
    return f"{kinds}; only launches others" if task.inner else kinds


def _launched(task: TaskSummary, times: int) -> str:
    ways = [f"over {_points(domain)}" for domain in task.index_domains]
    if task.launched_singly:
        ways.append("as a single task")
    by = f" by {', '.join(task.parents)}" if task.parents else ""
    often = f", {times} times" if times > 1 else ""
    return f"launched {' and '.join(ways)}{by}{often}"


def _points(domain: LaunchDomain) -> str:
    box = f"{' x '.join(map(str, domain.extents))} points"
    if any(domain.lower):
        box += f" from ({', '.join(map(str, domain.lower))})"
    return f"{domain.volume} of {box}" if domain.points else box


def _flows(flows: Sequence[Flow]) -> Iterator[str]:
    for flow in flows:
        when = " (next iteration)" if flow.next_iteration else ""
        yield f"{flow.source} -> {flow.target}: {flow.region}, {_fields(flow.fields)}{when}"


def _fields(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN_FIELDS])
    more = len(names) - SHOWN_FIELDS
    return f"{shown} and {more} more" if more > 0 else shown


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
