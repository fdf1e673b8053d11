"""Every figure of an outcome with its profile, computed anew from the arrays of the kernel.

It shares no code with ``legion_bridge/traces``: time is cut wherever something begins or ends, and
each of the pieces is asked what it went to. It is slow, and plain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from dsl.machine_shape import PROCESSOR_KINDS
from legion_bridge.simulation.link_paths import LinkPaths
from legion_bridge.simulation.simulator import Trace

Key: TypeAlias = tuple[str, str, str]

RUNTIME, TASK, COPY, FOLD, FILL, JOIN = range(6)
MOVES = {COPY: "copy", FOLD: "fold", FILL: "fill"}
PART_OF = {
    "task": "computing",
    "start": "starting",
    "in place": "in_place",
    "copy": "copies",
    "fold": "copies",
    "fill": "copies",
    "runtime": "runtime",
    "limit": "limits",
    "idle": "idle",
}


class Recomputed:
    """The figures of a run."""

    def __init__(self, trace: Trace) -> None:
        found = trace.operations
        self.trace, self.program, self.machine = trace, trace.program, trace.machine
        self.kind, self.place = found.kind.tolist(), found.place.tolist()
        self.source, self.cause = found.source.tolist(), found.cause.tolist()
        self.bytes, self.load = found.bytes.tolist(), found.load.tolist()
        self.seconds = found.seconds.tolist()
        self.start, self.end = found.start.tolist(), found.end.tolist()
        self.point, self.iteration = found.point.tolist(), found.iteration.tolist()
        self.region = found.region.tolist()
        self.regions = list(trace.program.application.regions)
        self.all = range(len(self.kind))
        self.waits: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
        for operation, for_permit, cause, since in found.waits.tolist():
            self.waits[operation].append((since, for_permit, cause))
        self.ran: dict[int, list[int]] = defaultdict(list)
        for n in sorted(self.all, key=lambda n: (self.start[n], n)):
            if self.kind[n] == TASK and self.end[n] > self.start[n]:
                self.ran[self.place[n]].append(n)
        inside = range(trace.first, trace.first + trace.iterations)
        self.inside = [n for n in self.all if self.iteration[n] in inside]
        self.measured = [n for n in self.inside if self.is_timed(n)]
        self.begin, self.finish = self.window()
        self.length = self.finish - self.begin
        self.iterations = trace.iterations

    # Names

    def launch(self, number: int) -> int:
        return int(self.program.point_launch[self.point[number]])

    def task(self, number: int) -> str:
        return self.program.launches[self.launch(number)].task

    def is_timed(self, number: int) -> bool:
        return bool(self.program.launch_timed[self.launch(number)])

    # Time

    def ends(self, *, timed: bool) -> list[float]:
        """When the last task ended in the setup, and in each iteration; 0 where there is none."""
        found = [0.0] * (max(self.iteration) + 2)
        for n in self.all:
            if self.kind[n] == TASK and self.is_timed(n) == timed:
                at = self.iteration[n] + 1
                found[at] = max(found[at], self.end[n])
        loop = min(
            self.start[n] for n in self.all if self.kind[n] == TASK and self.iteration[n] >= 0
        )
        found[0] = min(found[0], loop)
        return found

    def window(self) -> tuple[float, float]:
        first, count = self.trace.first, self.trace.iterations
        timed, untimed = self.ends(timed=True), self.ends(timed=False)
        measured = range(first + 1, first + count + 1)
        if self.program.segmented:
            begin = untimed[first + 1]
            seconds = sum(timed[at] - untimed[at] for at in measured)
        else:
            begin = max(timed[: first + 1])
            seconds = max(timed[: first + count + 1]) - begin
        return begin, begin + max(seconds, self.busiest()[0])

    def busiest(self) -> tuple[float, str]:
        """Seconds of whatever works longest in what is measured, and what that does."""
        busy: dict[tuple[str, int], float] = defaultdict(float)
        for n in self.measured:
            spent = self.end[n] - self.start[n]
            if self.kind[n] == TASK:
                busy["task", self.place[n]] += spent
            elif self.kind[n] == RUNTIME:
                busy["runtime", self.place[n]] += spent
        for link, (seconds, _) in self.link_sums().items():
            busy["copy", link] = seconds
        order = ("task", "runtime", "copy")
        most = max(busy, key=lambda who: (busy[who], -order.index(who[0])))
        return busy[most], most[0]

    def link_sums(self) -> dict[int, tuple[float, float]]:
        """Seconds in use, and bytes, of each link in what is measured."""
        paths = LinkPaths(self.machine)
        sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for n, links in self.travels(self.measured):
            copy = self.kind[n] != TASK
            load = self.load[n] if copy else self.bytes[n]
            own = [
                copy * float(self.machine.link_overhead[link])
                + load / float(self.machine.link_bandwidth[link])
                for link in links
            ]
            own = [round(seconds * 2**40) / 2**40 for seconds in own]  # as all of the kernel's
            flows = copy and paths.is_flow(self.source[n], self.place[n], load)
            for link, seconds in zip(links, own, strict=True):
                held = self.machine.link_exclusive[link] and not flows
                sums[link][0] += max(own) if held else seconds
                sums[link][1] += self.bytes[n]
        return {link: (seconds, size) for link, (seconds, size) in sums.items()}

    def travels(self, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Operations that use links, and these."""
        paths = LinkPaths(self.machine)
        for n in numbers:
            if self.kind[n] in MOVES:
                yield n, paths.copy(self.source[n], self.place[n], self.load[n]).links
            elif self.kind[n] == TASK and self.bytes[n] > 0:
                yield n, paths.access(self.place[n], self.source[n]).links

    # What an instant goes to

    def pieces(self) -> list[tuple[float, float]]:
        """The measured time, cut wherever something begins or ends."""
        cuts = {self.begin, self.finish}
        for n in self.all:
            cuts |= {self.start[n], self.end[n]}
            if self.kind[n] == TASK:
                kind = self.machine.processor_kind[self.place[n]]
                cuts |= {self.start[n] + float(self.machine.start[kind])}
                cuts |= {self.start[n] + self.seconds[n]}
        cuts |= {since for waits in self.waits.values() for since, *_ in waits}
        kept = sorted(cut for cut in cuts if self.begin <= cut <= self.finish)
        return [(a, b) for a, b in pairwise(kept) if b > a]

    def running(self, processor: int, instant: float) -> int:
        """The task that a processor runs at an instant, or -1."""
        return next((n for n in self.ran[processor] if self.start[n] <= instant < self.end[n]), -1)

    def doing(self, number: int, instant: float) -> str:
        """What of a started operation an instant goes to."""
        if self.kind[number] != TASK:
            return {RUNTIME: "runtime", JOIN: "idle", **MOVES}[self.kind[number]]
        if instant >= self.end[number]:
            return "runtime"  # which has borrowed the core
        kind = self.machine.processor_kind[self.place[number]]
        since = instant - self.start[number]
        if since < float(self.machine.start[kind]):
            return "start"
        spent = self.end[number] - self.start[number]
        exact = spent - self.seconds[number] < max(
            2e-12, 1e-9 * spent
        )  # but for the kernel's rounding
        return "task" if exact or since < self.seconds[number] else "in place"

    def blamed(self, task: int, instant: float) -> tuple[str, int]:
        """What an instant goes to where a task runs later or then, and of which operation."""
        while instant < self.start[task]:
            ran = [n for n in self.ran[self.place[task]] if self.start[n] < self.start[task]]
            free = self.end[ran[-1]] if ran else 0.0
            kind, number = ("idle", -1)
            if self.start[task] > free:
                kind, number = self.waited_for(task, max(instant, free))
            if kind == "elsewhere":
                task = number
            elif instant < free:
                task = ran[-1]
            else:
                return kind, number
        return self.doing(task, instant), task

    def waited_for(self, task: int, instant: float) -> tuple[str, int]:
        """What a task waits for at an instant; a task elsewhere that this leads to comes first."""
        number = self.cause[task]
        while number >= 0 and self.kind[number] != TASK and instant < self.start[number]:
            since, for_permit, cause = self.waits.get(number, [(0.0, 0, -1)])[-1]
            limited = for_permit and since < self.start[number]
            limited = limited and not self.program.has_children[self.point[task]]
            if limited and since <= instant:
                return "limit", number
            number = cause if limited else self.cause[number]
        if number < 0:
            return "idle", -1
        if self.kind[number] == TASK and self.place[number] != self.place[task]:
            return "elsewhere", number
        return self.doing(number, instant), number

    def critical(self) -> tuple[dict[Key, float], list[tuple[float, float, str]]]:
        """Seconds by kind, task and region; and the pieces with their kinds."""
        tasks = [n for n in self.measured if self.kind[n] == TASK]
        last = max(tasks, key=lambda n: self.end[n])
        sums: dict[Key, float] = defaultdict(float)
        pieces, at, busiest = [], last, self.busiest()[1]
        for start, end in reversed(self.pieces()):
            middle = (start + end) / 2
            if middle >= self.end[last]:
                kind, number = busiest, -1
            else:
                kind, number = self.blamed(at, middle)
                at = number if number >= 0 and self.kind[number] == TASK else at
            task = self.task(number) if number >= 0 else ""
            region = self.regions[self.region[number]] if kind in MOVES.values() else ""
            sums[kind, task, region if number >= 0 else ""] += end - start
            pieces.append((start, end, kind))
        return {key: each / self.iterations for key, each in sums.items()}, pieces

    def on_processor(self, processor: int) -> dict[str, float]:
        """The parts of an iteration on one processor."""
        sums = dict.fromkeys(PART_OF.values(), 0.0)
        for start, end in self.pieces():
            middle = (start + end) / 2
            runs = self.running(processor, middle)
            following = next((n for n in self.ran[processor] if self.start[n] > middle), -1)
            if runs >= 0:
                kind = self.doing(runs, middle)
            elif following < 0:
                kind = "idle"
            else:
                kind, _ = self.blamed(following, middle)
                kind = "idle" if kind in ("task", "start", "in place") else kind
            sums[PART_OF[kind]] += (end - start) / self.iterations
        return sums

    # The figures

    def profile(self) -> dict[str, Any]:
        """As ``dataclasses.asdict`` of a profile; names of the critical path are left out."""
        shares, pieces = self.critical()
        parts = dict.fromkeys(PART_OF.values(), 0.0)
        for (kind, _, _), seconds in shares.items():
            parts[PART_OF[kind]] += seconds
        return {
            "iteration": self.length / self.iterations,
            "processors": self.processors(),
            "links": self.links(),
            "memories": self.memories(),
            "critical_path": {
                key: (seconds, seconds * self.iterations / self.length)
                for key, seconds in shares.items()
            },
            "parts": parts,
            "hidden": {
                "copies": self.hidden(pieces, MOVES, tuple(MOVES.values())),
                "runtime": self.hidden(pieces, (RUNTIME,), ("runtime",)),
            },
            "copies": self.by_region(self.measured),
            "untimed": self.by_region([n for n in self.inside if not self.is_timed(n)]),
            "zero_copy": self.zero_copy(),
            "carried": self.carried(),
            "within": self.by_region(
                [n for n in self.measured if self.source[n] == self.place[n]]
            ),
            "limited": self.limited(),
            "tasks": self.tasks(),
        }

    def processors(self) -> list[dict[str, Any]]:
        found = []
        used = {
            self.place[n]
            for n in self.measured
            if self.kind[n] == TASK and self.end[n] > self.start[n]
        }
        for processor in sorted(used):
            parts = self.on_processor(processor)
            busy = parts["computing"] + parts["starting"] + parts["in_place"]
            found.append(
                {
                    "name": self.machine.processor_name(processor),
                    "busy": busy,
                    "bytes": 0.0,
                    "fraction": busy * self.iterations / self.length,
                    "parts": parts,
                }
            )
        return found

    def links(self) -> list[dict[str, Any]]:
        return [
            {
                "name": self.machine.link_names[link],
                "busy": seconds / self.iterations,
                "bytes": size / self.iterations,
                "fraction": seconds / self.length,
                "parts": None,
            }
            for link, (seconds, size) in sorted(self.link_sums().items())
            if size
        ]

    def memories(self) -> list[dict[str, Any]]:
        """Peaks are planned, and not in the arrays of operations: what the kernel gave is kept."""
        return [
            {
                "name": self.machine.memory_name(n),
                "peak": float(peak),
                "capacity": float(self.machine.memory_capacity[n]),
            }
            for n, peak in enumerate(self.trace.peak)
            if peak
        ]

    def hidden(
        self,
        pieces: Sequence[tuple[float, float, str]],
        kinds: Sequence[int] | dict[int, str],
        shown: Sequence[str],
    ) -> float:
        mine = [(self.start[n], self.end[n]) for n in self.all if self.kind[n] in kinds]
        changes = sorted([*((a, 1) for a, _ in mine), *((b, -1) for _, b in mine)])
        under_way, sums = 0, 0.0
        for start, end, kind in reversed(pieces):
            while changes and changes[0][0] <= (start + end) / 2:
                under_way += changes.pop(0)[1]
            if under_way and kind not in shown:
                sums += end - start
        return sums / self.iterations

    def by_region(self, numbers: Sequence[int]) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for n in numbers:
            if self.kind[n] in (COPY, FOLD):
                sums[self.regions[self.region[n]]] += self.bytes[n] / self.iterations
        return {region: size for region, size in sums.items() if size}

    def in_place(self) -> Iterator[tuple[int, int, str, str, float]]:
        """Launch, index of the point, region, name and bytes of what points reach over links."""
        access = self.machine.machine.access
        for number, launch in enumerate(self.program.launches):
            chosen = self.trace.decisions.launches[number]
            for index, memory in enumerate(chosen.memories):
                if memory is None or not access[chosen.kind, memory].links:
                    continue
                needed = launch.requirements[index]
                name = f"{launch.task} {needed.semantic_names[0]}"
                for point, size in enumerate(launch.work.traffic[:, index].tolist()):
                    yield number, point, needed.region, name, size

    def zero_copy(self) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for launch, _, _, name, size in self.in_place():
            if launch >= self.program.setup_launches:
                sums[name] += size
        return {name: size for name, size in sums.items() if size}

    def carried(self) -> dict[str, dict[str, float]]:
        sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        shares: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for launch, point, region, _, size in self.in_place():
            shares[int(self.program.launch_point[launch]) + point][region] += size
        for n, links in self.travels(self.measured):
            for link in links:
                of_link = sums[self.machine.link_names[link]]
                if self.kind[n] in MOVES:
                    of_link[self.regions[self.region[n]]] += self.bytes[n] / self.iterations
                    continue
                mine = shares[self.point[n]]
                for region, size in mine.items():
                    part = size / sum(mine.values()) if sum(mine.values()) else 0.0
                    of_link[region] += part * self.bytes[n] / self.iterations
        return {link: dict(sizes) for link, sizes in sums.items()}

    def limited(self) -> dict[str, float]:
        sums: dict[str, float] = defaultdict(float)
        for n in self.measured:
            waits = self.waits.get(n, [])
            ends = [*(since for since, *_ in waits[1:]), self.start[n]]
            for (since, for_permit, _), until in zip(waits, ends, strict=False):
                if for_permit:
                    sums[self.task(n)] += (until - since) / self.iterations
        return {task: waited for task, waited in sums.items() if waited}

    def tasks(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for task in {self.task(n) for n in self.measured if self.kind[n] == TASK}:
            mine = [n for n in self.measured if self.kind[n] == TASK and self.task(n) == task]
            loads: dict[int, float] = defaultdict(float)
            for n in mine:
                loads[self.place[n]] += self.end[n] - self.start[n]
            kind = int(self.machine.processor_kind[self.place[mine[0]]])
            found[task] = {
                "kind": PROCESSOR_KINDS[kind],
                "points": len(mine) // self.iterations,
                "processors": sum(1 for load in loads.values() if load),
                "busy": sum(loads.values()) / self.iterations,
                "longest": max(loads.values()) / self.iterations,
            }
        return found

    def outcome(self) -> dict[str, Any]:
        """Throughput and times, as ``Outcome`` has them."""
        application = self.program.application
        timed, untimed = self.ends(timed=True), self.ends(timed=False)
        iteration, total = self.length / self.iterations, application.warmup + application.timed
        setup = max(timed[0], untimed[0])
        window = range(self.trace.first, self.trace.first + self.iterations)
        if self.program.segmented:
            beside = sum(max(untimed[at + 1] - timed[at], 0.0) for at in window) / self.iterations
            setup, whole = setup + total * beside, setup + total * (beside + iteration)
        else:
            whole = self.finish + (total - window.stop) * iteration
        elapsed = iteration * application.timed
        return {
            "throughput": application.work * application.timed / elapsed,
            "elapsed": elapsed,
            "iteration": iteration,
            "setup": setup,
            "whole": whole,
        }
