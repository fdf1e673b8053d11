"""Copies that share links, replayed: a second opinion on ``kernel/flows.c``.

Shares are max-min fair. They are found here as Bertsekas and Gallager do (Data Networks, section
6.5.2): all rates grow together until a link is full or a copy has all that it can have; those
that this holds up keep what they have, and the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPaths
from tests.legion_bridge.tiny import Run

ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Flow:
    """A copy that shares its links.

    Attributes:
        links: Bandwidths by number.
        most: Bytes a second that it can have.
        end: When its last byte is through, as the run says.
    """

    operation: int
    bytes: float
    links: dict[int, float]
    most: float
    start: float
    end: float


def flows_of(run: Run) -> list[Flow]:
    """All copies of a run that shared their links."""
    operations, machine = run.trace.operations, run.trace.machine
    paths, found = LinkPaths(machine), []
    kinds = (OperationKind.COPY, OperationKind.FOLD, OperationKind.FILL)
    for number in np.flatnonzero(np.isin(operations.kind, kinds)).tolist():
        source, target = int(operations.source[number]), int(operations.place[number])
        carried = paths.carried(operations, number)
        if not paths.is_flow(source, target, carried):
            continue
        path = paths.copy(source, target, carried)
        at = (*machine.memory_kind[[source, target]], 3)
        links = {link: float(machine.link_bandwidth[link]) for link in path.links}
        start, end = float(operations.start[number]), float(operations.end[number])
        most = float(machine.flow_rate[at])
        found.append(Flow(number, carried, links, most, start, end - path.latency))
    return found


def fair_rates(flows: Sequence[Flow]) -> dict[Flow, float]:
    """The share of each of some flows that are under way at once.

    Raises:
        AssertionError: A link carries more than it can.
    """
    rates = dict.fromkeys(flows, 0.0)
    growing = list(flows)
    bandwidth = {link: value for flow in flows for link, value in flow.links.items()}
    while growing:
        room = {
            link: (total - sum(rates[f] for f in flows if link in f.links), n)
            for link, total in bandwidth.items()
            if (n := sum(link in f.links for f in growing))
        }
        more = min(
            *(spare / n for spare, n in room.values()), *(f.most - rates[f] for f in growing)
        )
        for flow in growing:
            rates[flow] += more
        full = {link for link, (spare, n) in room.items() if spare - n * more <= ROUNDING * spare}
        growing = [
            f
            for f in growing
            if f.most - rates[f] > ROUNDING * f.most and not full & f.links.keys()
        ]
    for link, total in bandwidth.items():
        assert sum(rates[f] for f in flows if link in f.links) <= total * (1 + ROUNDING)
    return rates


def replay_flows(flows: Sequence[Flow]) -> dict[int, float]:
    """When each flow ends, by operation."""
    left = {flow: flow.bytes for flow in flows}
    ends: dict[int, float] = {}
    now = 0.0
    while left:
        active = [flow for flow in left if flow.start <= now + ROUNDING]
        rates = fair_rates(active)
        starts = [flow.start for flow in left if flow.start > now + ROUNDING]
        due = [now + left[flow] / rates[flow] for flow in active]
        then = min([*starts, *due])
        for flow in active:
            left[flow] -= rates[flow] * (then - now)
            if left[flow] <= ROUNDING * flow.bytes:
                ends[flow.operation] = then
                del left[flow]
        now = then
    return ends
