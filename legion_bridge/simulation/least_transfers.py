"""What a copy or a fold takes at least, whatever else happens: the machine file's routes alone.

A copy takes the latency of its route, and the time that the slowest of its links needs for its
bytes; above the route's chunk it flows at no more than its rate (``kernel/execute.c``). Waiting
and sharing only add to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from legion_bridge.machines.machine import WHERE, Machine, Route

__all__ = ["LeastTransfers"]

Floats = NDArray[np.float64]


class LeastTransfers:
    """The least seconds of transfers on one machine.

    Args:
        machine: As a program's ranks see it.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def exists(self, source: str, target: str, where: str) -> bool:
        """Whether two memories of these kinds lie so to each other: ``where`` is one of WHERE."""
        machine = self.machine
        if where == "memory":
            return source == target
        if where == "rank":
            return source != target or machine.memories_per_node(source) > 1
        return machine.ranks_per_node > 1 if where == "node" else machine.nodes > 1

    def seconds(
        self, source: str, target: str, where: str, carried: Floats, *, fold: bool = False
    ) -> Floats:
        """``[copies]`` seconds to carry at least so many bytes; infinite where it cannot be.

        Args:
            source, target: Memory kinds.
            where: One of WHERE.
            carried: ``[copies]`` bytes.
            fold: Whether they are folded in.
        """
        if not self.exists(source, target, where):
            return np.full(len(carried), np.inf)
        carried = carried * self.machine.runtime.fold_by(where) if fold else carried
        route = self.machine.route(source, target, where)
        whole = self._at_once(route, carried)
        if not route.chunk:
            return whole
        flowing = self._flowing(route, np.maximum(carried, route.chunk))
        least: Floats = np.minimum(np.where(carried <= route.chunk, whole, np.inf), flowing)
        return least

    def least(
        self, carried: Floats, *, besides: tuple[str, ...] = (), fold: bool = False
    ) -> Floats:
        """The same, wherever both ends are, besides where they are known not to be."""
        found = np.full(len(carried), np.inf)
        for source, target in self._kinds:
            for where in WHERE:
                if where not in besides:
                    seconds = self.seconds(source, target, where, carried, fold=fold)
                    found = np.minimum(found, seconds)
        return found

    @cached_property
    def _kinds(self) -> list[tuple[str, str]]:
        kinds = tuple(self.machine.memories)
        return [(source, target) for source in kinds for target in kinds]

    def _at_once(self, route: Route, carried: Floats) -> Floats:
        links = [self.machine.links[name] for name in _names(route.links)]
        uses = [link.overhead + carried / link.bandwidth for link in links]
        slowest: Floats = np.maximum.reduce([np.zeros(len(carried)), *uses])
        return route.latency + slowest

    def _flowing(self, route: Route, carried: Floats) -> Floats:
        rates = [self.machine.links[name].bandwidth for name in _names(route.stream_links)]
        rate = min([route.stream_on(self.machine.ranks_per_node), *rates])
        return route.latency + carried / rate


def _names(links: tuple[str, ...]) -> Iterator[str]:
    return (link.split(".", 1)[1] for link in links)
