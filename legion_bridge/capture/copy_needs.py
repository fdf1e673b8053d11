"""Layouts that arguments with holes need, of which nothing is said in a log.

Realm's copies list where their boxes lie in an instance, in a ring of 1000 numbers. It overflows
where there are many boxes and no dimension of an instance is without a stride: the run aborts, or
data ends up where it does not belong (seen with Legion 25.12). The mapper that runs the program
refuses such instances (``legion_bridge/legion/mapper/copies.cc``); here it is told beforehand.

A compact instance of a piece with holes is made of several parts, which the usual, affine
accessors do not take: only where the program's own mapper makes such instances are they possible.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import dsl
from dsl.tables import LayoutDecision
from legion_bridge.capture.observed import Key, ObservedLaunch, ObservedProgram, with_all_below
from legion_bridge.programs.application import Application, Launch, LayoutNeed, Requirement

__all__ = ["CopyNeeds", "agreeing_with"]

_RING = 1000
_COPIES = "Realm cannot copy other layouts of its region, which has pieces with holes"
_ACCESSORS = "its pieces have holes, and affine accessors take no compact instances of such"
_READING = frozenset({"READ_ONLY", "READ_WRITE", "REDUCE"})


class CopyNeeds:
    """What instances must be like, by the argument of a launch."""

    def __init__(self, observed: ObservedProgram) -> None:
        self._observed = observed
        self._boxes: dict[Key, int] = defaultdict(int)
        self._fields: dict[Key, int] = defaultdict(int)
        for launch in with_all_below(observed.launches):
            for index, requirement in enumerate(launch.requirements):
                region = requirement.region
                boxes = self.boxes(launch, index)
                self._boxes[region] = max(self._boxes[region], boxes)
                if requirement.privilege in _READING:
                    fields = len(requirement.fields)
                    self._fields[region] = max(self._fields[region], fields)

    def boxes(self, launch: ObservedLaunch, index: int) -> int:
        """Of how many boxes the piece is made that has most, among those that a launch takes."""
        requirement = launch.requirements[index]
        if requirement.partition is None:
            return self._observed.regions[requirement.region].boxes
        pieces = self._observed.partitions[requirement.partition].pieces
        taken = (pieces.get(point.pieces[index]) for point in launch.points.values())
        return max((piece.boxes for piece in taken if piece is not None), default=1)

    def of(self, launch: ObservedLaunch, index: int) -> LayoutNeed | None:
        """The need of one argument, if it has any."""
        region = launch.requirements[index].region
        dimension = len(self._observed.regions[region].lower)
        numbers = self._boxes[region] * self._fields[region] * 2 * (dimension + 1)
        overflows = self._boxes[region] > 1 and numbers > _RING
        holes = self.boxes(launch, index) > 1
        if not overflows and not holes:
            return None
        return LayoutNeed(
            order="F_order" if overflows and dimension > 1 else None,
            soa=True if overflows else None,
            message="; ".join([_COPIES] * overflows + [_ACCESSORS] * holes),
            compact=False if holes else None,
        )


def agreeing_with(application: Application, own: dsl.Program) -> Application:
    """The application whose needs leave room for what the program's own mapper does.

    Any order of dimensions can be copied as long as all tasks have it, and accessors that take a
    compact instance are told by one.
    """
    kinds = {kind for task in application.tasks.values() for kind in task.variants}
    mapper = dsl.load(own, dsl.MachineShape(nodes=1, processors=dict.fromkeys(kinds, 1)))
    c_order = {
        requirement.region
        for launch in (*application.launches(), *application.finish)
        for index, requirement in enumerate(launch.requirements)
        if requirement.need and requirement.need.order
        if _layout(application, mapper, launch, index).c_order
    }

    def agree(launch: Launch, index: int, requirement: Requirement) -> Requirement:
        need = requirement.need
        if need is None:
            return requirement
        if need.order and requirement.region in c_order:
            need = replace(need, order="C_order")
        if need.compact is False and _layout(application, mapper, launch, index).compact:
            message = need.message.removesuffix(f"; {_ACCESSORS}")
            need = replace(need, compact=None, message=message)
        said = need.order or need.soa is not None or need.compact is not None
        return replace(requirement, need=need if said else None)

    return application.with_requirements(agree)


def _layout(
    application: Application, mapper: dsl.Mapper, launch: Launch, index: int
) -> LayoutDecision:
    task = application.tasks[launch.task]
    names, kind = task.requirements[index].names, task.variants[0]
    memories = mapper.memories(launch.task, names, kind)
    memory = memories[0] if memories else "SYSMEM"
    return mapper.layout(launch.task, names, memory, kind) or LayoutDecision()
