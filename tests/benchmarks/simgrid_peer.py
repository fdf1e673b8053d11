"""Simulates a task graph with SimGrid; run by an interpreter that has it, without our packages.

Reads JSON from standard input: ``bandwidths`` by link, ``routes`` (source, target, links and
latency), and ``processors``: for each its tasks in order, each with ``seconds`` and with
``copies``, pairs of a source and bytes. A task's copies begin when the task before it has ended,
all at once or (``in_turn``) one after the other, and it begins when they have arrived. Writes the
makespan, and seconds of wall clock an evaluation.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from simgrid import Actor, Comm, Engine, LinkInRoute, NetZone, this_actor

# A fluid model without a protocol's overheads: bytes over bandwidth, shared fairly.
SETTINGS = (
    "network/model:CM02",
    "network/TCP-gamma:0",
    "network/crosstraffic:0",
    "cpu/optim:Full",
    "network/optim:Full",
)
WIDE = 1e18  # a wire of its own holds the latency of each route


def platform(graph: dict[str, Any]) -> dict[int, Any]:
    """Hosts that compute an operation a second, so that seconds are operations."""
    zone = NetZone.create_full_zone("machine")
    hosts = {int(name): zone.create_host(name, 1.0) for name in graph["processors"]}
    links = {name: zone.create_link(name, rate) for name, rate in graph["bandwidths"].items()}
    for route in graph["routes"]:
        source, target = route["source"], route["target"]
        wire = zone.create_link(f"from {source} to {target}", WIDE).set_latency(route["latency"])
        path = [LinkInRoute(link.seal()) for link in (wire, *(links[n] for n in route["links"]))]
        zone.add_route(hosts[source].netpoint, hosts[target].netpoint, None, None, path, False)
    zone.seal()
    return hosts


def work(host: Any, hosts: dict[int, Any], tasks: list[dict[str, Any]], in_turn: bool) -> None:
    """One processor's tasks."""
    for task in tasks:
        arrivals = []
        for source, size in task["copies"]:
            arrivals.append(Comm.sendto_async(hosts[source], host, int(size)))
            if in_turn:
                arrivals.pop().wait()
        for arrival in arrivals:
            arrival.wait()
        this_actor.execute(task["seconds"])


def main() -> None:
    engine = Engine(["peer", *(f"--cfg={s}" for s in SETTINGS), "--log=root.thres:error"])
    graph = json.load(sys.stdin)
    hosts = platform(graph)
    times = {}

    def evaluate() -> None:
        actors = [
            Actor.create(
                name, hosts[int(name)], work, hosts[int(name)], hosts, tasks, graph["in_turn"]
            )
            for name, tasks in graph["processors"].items()
        ]
        for actor in actors:
            actor.join()

    def conduct() -> None:
        evaluate()
        times["makespan"] = engine.clock
        start = time.perf_counter()
        for _ in range(graph["repeat"]):
            evaluate()
        times["seconds"] = (time.perf_counter() - start) / graph["repeat"]

    Actor.create("conductor", next(iter(hosts.values())), conduct)
    engine.run()
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
