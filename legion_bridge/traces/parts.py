"""What an iteration goes to, as a whole and on each processor, and what is hidden behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from legion_bridge.outcome import Hidden, Parts
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.critical_path import Chains, Segment, SegmentKind

__all__ = ["hidden_behind", "parts_of_segments", "processor_parts"]

PARTS: dict[SegmentKind, str] = {
    "task": "computing",
    "start": "starting",
    "in place": "in_place",
    "copy": "copies",
    "fold": "copies",
    "fill": "copies",
    "collective": "copies",
    "runtime": "runtime",
    "limit": "limits",
    "idle": "idle",
}
COPIES = (
    OperationKind.COPY,
    OperationKind.FOLD,
    OperationKind.FILL,
    OperationKind.COLLECTIVE,
)


def parts_of_segments(segments: Iterable[Segment], iterations: int) -> Parts:
    """Stretches of the measured time by what they go to, brought to one iteration."""
    seconds: dict[str, float] = defaultdict(float)
    for segment in segments:
        seconds[PARTS[segment.kind]] += (segment.end - segment.start) / iterations
    return Parts(**seconds)


def processor_parts(trace: Trace, processors: Sequence[int]) -> dict[int, Parts]:
    """What one iteration goes to on each of some processors.

    Where a processor has nothing to run, the time goes to what its next task waits for.
    """
    chains = Chains(trace)
    return {
        number: parts_of_segments(_on_processor(trace, chains, number), trace.iterations)
        for number in processors
    }


def _on_processor(trace: Trace, chains: Chains, processor: int) -> Iterator[Segment]:
    """All of the measured time."""
    free = trace.begin
    for task in chains.tasks_on(processor):
        start, end = chains.span(task)
        if end <= trace.begin:
            continue
        if start > free:
            yield from _gap(chains, task, free, min(start, trace.end))
        if start >= trace.end:
            return
        yield from chains.split(task, max(start, trace.begin), min(end, trace.end))
        free = end
        if free >= trace.end:
            return
    yield Segment("idle", -1, free, trace.end)


def _gap(chains: Chains, task: int, free: float, until: float) -> Iterator[Segment]:
    """What a task waits for while its processor has nothing to run: tasks elsewhere are idle."""
    for segment in chains.back(task, chains.span(task)[0], free):
        if segment.start < until:
            elsewhere = segment.kind in ("task", "start", "in place")
            kind: SegmentKind = "idle" if elsewhere else segment.kind
            yield segment._replace(kind=kind, end=min(segment.end, until))


def hidden_behind(trace: Trace, path: Sequence[Segment]) -> Hidden:
    """What goes on behind the critical path, brought to one iteration."""
    return Hidden(
        copies=_hidden(trace, path, COPIES, ("copy", "fold", "fill", "collective")),
        runtime=_hidden(trace, path, (OperationKind.RUNTIME,), ("runtime",)),
    )


def _hidden(
    trace: Trace,
    path: Sequence[Segment],
    kinds: Sequence[OperationKind],
    shown: Sequence[SegmentKind],
) -> float:
    """Seconds in which operations of some kinds are under way and the path is at another kind."""
    operations = trace.operations
    chosen = np.flatnonzero(np.isin(operations.kind, kinds))
    begins = np.clip(operations.start[chosen], trace.begin, trace.end)
    ends = np.clip(operations.end[chosen], trace.begin, trace.end)
    spans = list(zip(begins.tolist(), ends.tolist(), strict=True))
    seen = [(s.start, s.end) for s in path if s.kind in shown]
    under_way = _covered([*spans, *seen]) - _covered(seen)
    return max(under_way, 0.0) / trace.iterations


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds that lie in some of the spans."""
    total, until = 0.0, -np.inf
    for start, end in sorted(spans):
        if end > until:
            total += end - max(start, until)
            until = end
    return total
