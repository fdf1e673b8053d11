"""Reads from Legion's profile how long tasks ran and what was copied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from legion_bridge.capture.profile_log import Record, read_profile
from legion_bridge.programs.application import ObservedCopy

__all__ = ["MEMORY_KINDS", "PROCESSOR_KINDS", "Times", "busy_time", "read_times"]

PROCESSOR_KINDS = {1: "GPU", 2: "CPU", 4: "IO", 7: "OMP", 8: "PY"}  # Realm: Processor::Kind
MEMORY_KINDS = {2: "SYSMEM", 3: "RDMEM", 4: "SOCKMEM", 5: "ZCMEM", 6: "FBMEM"}  # Memory::Kind
_WANTED = (
    "ProcDesc", "MemDesc", "TaskInfo", "GPUTaskInfo", "TaskWaitInfo", "MapperCallDesc",
    "MapperCallInfo", "CopyInfo", "CopyInstInfo", "PhysicalInstRegionDesc", "LogicalRegionDesc",
    "OpDesc", "OperationInstance", "MultiTask", "SliceOwner",
)  # fmt: skip
_LAUNCH = "Task"  # the kind of operation that a launch is, with its slices and points
_NANO = 1e-9


@dataclass
class Times:
    """What Legion's profile says about a run; times are nanoseconds since its start.

    Attributes:
        spans: Start, stop and busy time of each point task that ran.
        tasks: The number of the task that an operation launches or is a point of.
        parents: The task that launched an operation, which may be a slice or a point.
        owners: The launch or slice that a slice or a point is a part of.
        trees: The region trees, in the order in which they were made.
    """

    processors: dict[int, str] = field(default_factory=dict)
    spans: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # start, stop, busy
    ran_on: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    waits: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    launched: dict[int, int] = field(default_factory=dict)
    tasks: dict[int, int] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    trees: list[int] = field(default_factory=list)
    copies: tuple[ObservedCopy, ...] = ()
    traced: bool = False

    def of_point(self, number: int) -> tuple[str | None, float | None]:
        """The processor kind and the seconds of a point task, if its run was recorded."""
        if number not in self.spans:
            return None, None
        return self.ran_on.get(number), self.spans[number][2] * _NANO

    def kinds_of(self, task: int) -> set[str]:
        """Processor kinds that a task was recorded to run on."""
        return self.kinds.get(task, set())

    def least_busy(self, other: Times, launch_of: Callable[[int], int]) -> Times:
        """These times, each point task as busy as in the run that disturbed it less.

        Which point of a launch is which may differ from run to run. So the least busy points of a
        launch are compared with each other, then the next, on each kind of processor.

        Args:
            other: The times of another run, with the same numbers.
            launch_of: The launch that a point is a part of.
        """
        launches: dict[tuple[int, str | None], list[int]] = {}
        for number in self.spans.keys() & other.spans.keys():
            kind = self.ran_on.get(number)
            if kind == other.ran_on.get(number):
                launches.setdefault((launch_of(number), kind), []).append(number)
        spans = dict(self.spans)
        for points in launches.values():
            points.sort(key=lambda number: self.spans[number][2])
            again = sorted(other.spans[number][2] for number in points)
            for number, busy in zip(points, again, strict=True):
                start, stop, before = self.spans[number]
                spans[number] = start, stop, min(before, busy)
        return replace(self, spans=spans)

    def blocks(self, points: Iterable[int], parent: int, after: int | None) -> bool:
        """Whether the parent waited for a launch before it made the launch ``after`` it.

        It did if one of its waits ended between the last point of the launch and the next launch.
        """
        stops = [self.spans[point][1] for point in points if point in self.spans]
        if not stops or after is None or after not in self.launched:
            return False
        return any(
            max(stops) <= stop <= self.launched[after]
            for start, stop in self.waits.get(parent, ())
            if start < max(stops)
        )


def read_times(paths: Iterable[Path]) -> Times:
    """Reads the profiles of one run, one a process.

    Raises:
        CaptureError: A profile cannot be read.
    """
    times = Times()
    copies: list[ObservedCopy] = []
    for path in paths:
        records = read_profile(path, *_WANTED)
        _read_tasks(times, records)
        copies += _read_copies(records)
        times.trees += [record["tree_id"] for record in records["LogicalRegionDesc"]]
    times.copies = tuple(copies)
    times.trees = sorted(set(times.trees))
    return times


def busy_time(task: Record, waited: int) -> int:
    """Nanoseconds that a task ran without waiting; on a GPU, that the GPU ran for it.

    Args:
        task: Its record, a ``TaskInfo`` or a ``GPUTaskInfo``.
        waited: Nanoseconds that it waited.
    """
    if "gpu_stop" in task:
        return max(int(task["gpu_stop"] - task["gpu_start"]), 0)
    return max(int(task["stop"] - task["start"] - waited), 0)


def _read_tasks(times: Times, records: dict[str, list[Record]]) -> None:
    for record in records["ProcDesc"]:
        times.processors[record["proc_id"]] = PROCESSOR_KINDS.get(record["kind"], "")
    for record in records["TaskWaitInfo"]:
        times.waits[record["op_id"]].append((record["wait_start"], record["wait_end"]))
    launches = {r["kind"] for r in records["OpDesc"] if r["name"] == _LAUNCH}
    for record in records["OperationInstance"]:
        if record["kind"] in launches:
            times.parents[record["op_id"]] = record["parent_id"]
    for record in records["MultiTask"]:
        times.tasks[record["op_id"]] = record["task_id"]
    for record in records["SliceOwner"]:
        times.owners[record["op_id"]] = record["parent_id"]
    for record in (*records["TaskInfo"], *records["GPUTaskInfo"]):
        number = record["op_id"]
        times.tasks[number] = record["task_id"]
        kind = times.processors.get(record["proc_id"], "")
        waited = sum(end - start for start, end in times.waits.get(number, ()))
        times.spans[number] = record["start"], record["stop"], busy_time(record, waited)
        if kind:
            times.ran_on[number] = kind
            times.kinds[record["task_id"]].add(kind)
    # The first question about a task is asked while its parent launches it.
    first = {r["kind"] for r in records["MapperCallDesc"] if r["name"] == "select_task_options"}
    for record in records["MapperCallInfo"]:
        if record["kind"] in first:
            times.launched.setdefault(record["op_id"], record["start"])
    traces = {record["kind"] for record in records["OpDesc"] if "Trace" in record["name"]}
    times.traced |= any(record["kind"] in traces for record in records["OperationInstance"])


def _read_copies(records: dict[str, list[Record]]) -> list[ObservedCopy]:
    """Copies by region and memories, all of each together."""
    memories = {r["mem_id"]: MEMORY_KINDS.get(r["kind"], "other") for r in records["MemDesc"]}
    trees = {r["inst_uid"]: r["tree_id"] for r in records["PhysicalInstRegionDesc"]}
    ways = {r["fevent"]: r for r in records["CopyInstInfo"]}
    found: dict[tuple[int, str, str], list[float]] = {}
    for copy in records["CopyInfo"]:
        way = ways.get(copy["fevent"])
        if way is None:
            continue
        tree = trees.get(way["src_inst"], trees.get(way["dst_inst"], 0))
        key = tree, memories.get(way["src"], "other"), memories.get(way["dst"], "other")
        total = found.setdefault(key, [0, 0, 0.0])
        total[0] += 1
        total[1] += copy["size"]
        total[2] += (copy["stop"] - copy["start"]) * _NANO
    return [
        ObservedCopy(str(tree), source, target, int(count), int(size), seconds)
        for (tree, source, target), (count, size, seconds) in found.items()
    ]
