"""Where the time of a real run went, from Legion's own profile of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from legion_bridge.capture.profile_log import Record, read_profile
from legion_bridge.capture.times import MEMORY_KINDS, PROCESSOR_KINDS, busy_time
from legion_bridge.outcome import MemoryPeak, Profile, TaskUse, Usage

__all__ = ["PROFILE_FLAGS", "profile_of_run"]

PROFILE_FLAGS = "-lg:prof 1 -lg:prof_logfile {folder}/times_%"
"""What the runtime is told, so that it writes a file for each rank."""

_NANO = 1e-9
_WANTED = (
    "ProcDesc", "MemDesc", "TaskKind", "TaskInfo", "GPUTaskInfo", "TaskWaitInfo", "CopyInfo",
    "CopyInstInfo", "InstTimelineInfo", "PhysicalInstRegionDesc", "LogicalRegionDesc",
    "OperationInstance",
)  # fmt: skip
_NO_PARENT = 2**64 - 1


def profile_of_run(folder: Path) -> Profile:
    """The profile of a whole run: ``iteration`` is the time from its first task to its last.

    The top-level task is left out of that time, for it waits for the others. Of the critical path
    Legion's profile tells nothing.

    Raises:
        CaptureError: The run has left no profile, or one that cannot be read.
    """
    records: dict[str, list[Record]] = {kind: [] for kind in _WANTED}
    paths = sorted(folder.glob("times_*")) or [folder / "times_0"]
    for path in paths:
        for kind, found in read_profile(path, *_WANTED).items():
            records[kind] += found
    return _Reader(records).profile()


class _Reader:
    def __init__(self, records: Mapping[str, list[Record]]) -> None:
        self._records = records
        self._processors = dict(_named(records["ProcDesc"], "proc_id", PROCESSOR_KINDS))
        self._memories = dict(_named(records["MemDesc"], "mem_id", MEMORY_KINDS))
        names = {r["tree_id"]: r["name"] for r in records["LogicalRegionDesc"] if r["name"]}
        self._regions = {
            r["inst_uid"]: names.get(r["tree_id"], f"region {r['tree_id']}")
            for r in records["PhysicalInstRegionDesc"]
        }
        top = {r["op_id"] for r in records["OperationInstance"] if r["parent_id"] == _NO_PARENT}
        self._tasks = [
            record
            for record in (*records["TaskInfo"], *records["GPUTaskInfo"])
            if record["op_id"] not in top and record["proc_id"] in self._processors
        ]

    def profile(self) -> Profile:
        starts = [record["start"] for record in self._tasks]
        stops = [record["stop"] for record in self._tasks]
        span = (max(stops) - min(starts)) * _NANO if self._tasks else 0.0
        return Profile(
            iteration=span,
            processors=tuple(self._usage(span)),
            memories=tuple(self._peaks()),
            copies=self._copies(),
            tasks=self._task_uses(),
        )

    def _busy(self) -> Iterator[tuple[Record, float]]:
        """Each task, and the seconds that it ran without waiting."""
        waited: Counter[int] = Counter()
        for wait in self._records["TaskWaitInfo"]:
            waited[wait["op_id"]] += wait["wait_end"] - wait["wait_start"]
        for record in self._tasks:
            yield record, busy_time(record, waited[record["op_id"]]) * _NANO

    def _usage(self, span: float) -> Iterator[Usage]:
        busy: defaultdict[int, float] = defaultdict(float)
        for record, seconds in self._busy():
            busy[record["proc_id"]] += seconds
        for processor in sorted(busy):
            seconds = busy[processor]
            name = self._processors[processor]
            yield Usage(name, seconds, 0.0, min(seconds / span, 1.0) if span else 0.0)

    def _peaks(self) -> Iterator[MemoryPeak]:
        """The most that lay in each memory at a time; what is never destroyed stays."""
        capacity = {r["mem_id"]: r["capacity"] for r in self._records["MemDesc"]}
        events: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for record in self._records["InstTimelineInfo"]:
            events[record["mem_id"]] += [
                (record["create"], record["size"]),
                (record["destroy"], -record["size"]),
            ]
        for memory in sorted(events.keys() & self._memories.keys()):
            held = peak = 0
            for _, change in sorted(events[memory]):
                held += change
                peak = max(peak, held)
            yield MemoryPeak(self._memories[memory], float(peak), float(capacity[memory]))

    def _copies(self) -> dict[str, float]:
        ways = {record["fevent"]: record for record in self._records["CopyInstInfo"]}
        copied: defaultdict[str, float] = defaultdict(float)
        for copy in self._records["CopyInfo"]:
            way = ways.get(copy["fevent"], {})
            for instance in (way.get("src_inst"), way.get("dst_inst")):
                if instance in self._regions:
                    copied[self._regions[instance]] += copy["size"]
                    break
        return dict(copied)

    def _task_uses(self) -> dict[str, TaskUse]:
        names = {record["task_id"]: record["name"] for record in self._records["TaskKind"]}
        busy: dict[str, defaultdict[int, float]] = {}
        points: Counter[str] = Counter()
        for record, seconds in self._busy():
            name = names.get(record["task_id"], f"task {record['task_id']}")
            points[name] += 1
            busy.setdefault(name, defaultdict(float))[record["proc_id"]] += seconds
        return {
            name: TaskUse(
                kind=self._processors[next(iter(each))].split()[0],
                points=points[name],
                processors=len(each),
                busy=sum(each.values()),
                longest=max(each.values()),
            )
            for name, each in busy.items()
        }


def _named(
    records: Iterable[Record], key: str, kinds: Mapping[int, str]
) -> Iterator[tuple[int, str]]:
    """Numbers of processors or memories with names such as ``"CPU 1 of node 0"``."""
    count: Counter[tuple[str, int]] = Counter()
    told = {record[key]: record["kind"] for record in records}  # some are told several times
    for number in sorted(told):
        kind = kinds.get(told[number])
        node = number >> 40 & 0xFFFF
        if kind:
            yield number, f"{kind} {count[kind, node]} of node {node}"
            count[kind, node] += 1
