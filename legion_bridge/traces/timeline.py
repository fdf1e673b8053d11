"""A simulated run as a file that trace viewers open.

The format is that of Chrome's trace viewer (the *Trace Event Format*, complete events), which
https://ui.perfetto.dev opens as well. Perfetto colours spans by name; Chrome's viewer by the
colour given here, which tells tasks, copies and runtime work apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.attribution import OperationNames
from legion_bridge.traces.spans import GROUPS, Span, Track, tracks

__all__ = ["timeline_events", "write_timeline"]

Event = dict[str, Any]

# Names from the palette of Chrome's viewer.
COLOURS = {
    "runtime": "grey",
    "task": "thread_state_running",
    "copy": "thread_state_iowait",
    "fold": "thread_state_uninterruptible",
    "fill": "thread_state_runnable",
    "collective": "rail_load",
    "start": "thread_state_sleeping",
    "in place": "thread_state_unknown",
    "limit": "yellow",
}


def write_timeline(trace: Trace, path: str | Path) -> None:
    """Writes a run as JSON in Chrome's trace format.

    Args:
        trace: From ``Simulator.trace``.
        path: Where the file goes; its folder must exist.

    Raises:
        OSError: The file cannot be written.
    """
    machine, application = trace.machine.machine, trace.program.application
    document = {
        "displayTimeUnit": "ms",
        "otherData": {
            "application": application.name,
            "machine": machine.name,
            "nodes": machine.nodes,
            "measured": f"{trace.iterations} iterations from {trace.begin:.9g} s "
            f"to {trace.end:.9g} s",
        },
        "traceEvents": list(timeline_events(trace)),
    }
    Path(path).write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def timeline_events(trace: Trace) -> Iterator[Event]:
    """Events in Chrome's trace format: a process for each group of tracks, a thread a track."""
    names = OperationNames(trace)
    for process, group in enumerate(GROUPS, start=1):
        yield _metadata("process_name", process, 0, name=group)
        yield _metadata("process_sort_index", process, 0, sort_index=process)
    for thread, track in enumerate(tracks(trace), start=1):
        process = GROUPS.index(track.group) + 1
        yield _metadata("thread_name", process, thread, name=track.name)
        yield _metadata("thread_sort_index", process, thread, sort_index=thread)
        yield from _spans(trace, names, track, process, thread)


def _metadata(name: str, process: int, thread: int, /, **values: str | int) -> Event:
    return {"ph": "M", "name": name, "pid": process, "tid": thread, "args": values}


def _spans(
    trace: Trace, names: OperationNames, track: Track, process: int, thread: int
) -> Iterator[Event]:
    for span in track.spans:
        kind = span.part or names.kind(span.operation)
        # Both ends are rounded, so that what follows without a gap does not overlap.
        task = names.task(span.operation)
        start, end = round(span.start * 1e6, 3), round(span.end * 1e6, 3)
        yield {
            "ph": "X",
            "name": names.name(span.operation) if kind != "limit" else f"limit of {task}",
            "cat": kind,
            "cname": COLOURS[kind],
            "pid": process,
            "tid": thread,
            "ts": start,
            "dur": round(end - start, 3),
            "args": _arguments(trace, names, span, kind),
        }


def _arguments(trace: Trace, names: OperationNames, span: Span, kind: str) -> Event:
    operations = trace.operations
    iteration = int(operations.iteration[span.operation])
    point = int(operations.point[span.operation])
    first = int(trace.program.launch_point[trace.program.point_launch[point]])
    found: Event = {
        "kind": kind,
        "task": names.task(span.operation),
        "point": point - first,
        "iteration": "setup" if iteration < 0 else iteration,
    }
    amount = float(operations.bytes[span.operation])
    if kind == "collective":
        amount += float(operations.load[span.operation])
    if amount:
        found["bytes"] = amount
    waited = float(operations.start[span.operation] - operations.ready[span.operation])
    if waited > 0:
        found["waited_us"] = round(waited * 1e6, 3)
    cause = int(operations.cause[span.operation])
    if cause >= 0:
        found["after"] = f"{names.kind(cause)} {names.name(cause)}"
    return found
