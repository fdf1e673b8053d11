"""What this machine does under the real runtime: each figure from a few small programs.

A figure is a difference or a ratio of times of programs that differ in one thing. All programs of
a round run one after the other, and rounds follow each other, so that a change of the machine's
load strikes all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from legion_bridge.calibration.figure import Figure, measured
from legion_bridge.calibration.probes import WORD, copies, empty_tasks, sweep, two_partitions
from legion_bridge.calibration.runs import SPREAD, Probe, probe_runs

__all__ = ["LARGE", "SMALL", "real_figures"]

LARGE, SMALL = 2_000_000, 200_000
"""Points of the data that is streamed; caches do not hold the large."""

_FLOPS, _ACCESSES = 2e8, 5e5
_TASKS, _LAUNCHES, _MANY = 8, 4, 16
_REFINED = 2 * _TASKS + 1  # tasks of two partitions, of which one has a piece more
_FIELDS, _PAIR = 4, 2
_DOUBLINGS = 2  # from two lines of 64 bytes to eight
_PASSES = 30.0  # through data that the second cache holds
_FAR_POINTS, _DOUBLINGS_TO_PAGE = 16, 3  # fewer; from eight lines of 64 bytes to sixty-four
_TINY = 1e-9
_FASTEST_COPY = 1e12  # bytes a second; where noise has turned the difference round
_ALIGNED = "Layout there * * SOA Align==64;"  # an instance of its own
_COLLECTED = " CollectMemory there *;"

Times = Mapping[str, float]


def real_figures(
    processors: int, *, seconds: float, points: int, line: float, near: float
) -> dict[str, Figure]:
    """Figures by name, from as many rounds as fit into the time, but one at least.

    Args:
        processors: CPU processors that the runtime is told to have.
        seconds: That it may take, but for the first round and what is compiled.
        points: ``LARGE``, or ``SMALL`` for figures that need not be right.
        line, near: Bytes of a cache line, and of the cache that a core has to itself.

    Raises:
        LegionError: There is no Legion runtime or no compiler, or a probe fails.
    """
    rounds: list[Times] = []
    probes = _probes(processors, points, near)
    with probe_runs(probes, processors) as runs:
        begin = time.monotonic()
        while True:
            rounds.append({p.name: runs.seconds(p.name) for p in probes})
            spent = time.monotonic() - begin
            if spent + spent / len(rounds) > seconds:
                break
    figures = _figures(points, line)
    return {
        name: measured([of(times) for times in rounds], how) for name, (of, how) in figures.items()
    }


def _probes(processors: int, points: int, near: float) -> list[Probe]:
    streams = sweep(points, _FIELDS, 1, 3)
    pair = sweep(points, _PAIR, 1, 3)
    near_pair = sweep(int(near / (_PAIR * WORD)), _PAIR, 1, 3, passes=_PASSES)
    all_streams = sweep(points, _FIELDS, processors, 3)
    moved = copies(points // 2, _PAIR, 1, 3)
    many_moved = copies(64, 1, _TASKS, 20)
    # In one piece: several copies into fresh memory at a time hide how long one keeps a core.
    much_read = copies(points // 2, 1, 1, 5, reads_only=True)
    read = copies(64, 1, _TASKS, 20, reads_only=True)
    read_traced = copies(64, 1, _TASKS, 20, reads_only=True, traced=True)
    paged = copies(points // _FAR_POINTS, _PAIR, 1, 10)
    tasks = empty_tasks(_TASKS, _LAUNCHES, 50, traced=False)
    more = empty_tasks(_MANY, _LAUNCHES, 50, traced=False)
    traced = empty_tasks(_TASKS, _LAUNCHES, 50, traced=True)
    more_traced = empty_tasks(_MANY, _LAUNCHES, 50, traced=True)
    wide = empty_tasks(_TASKS, _LAUNCHES, 50, requirements=_FIELDS, traced=True)
    found = [
        Probe("streams", streams),
        Probe("registered", streams, "Region * * CPU RDMEM;"),
        Probe("all-streams", all_streams, maps=SPREAD),
        Probe("together", streams, "Layout * * * AOS;"),
        Probe("far", pair, "Layout * * * AOS Align==64;"),
        Probe("farther", pair, "Layout * * * AOS Align==256;"),
        Probe("strided", pair, "Layout * * * C_order;"),
        Probe("pair", pair),
        Probe("near-pair", near_pair),
        Probe("near-strided", near_pair, "Layout * * * C_order;"),
        Probe("both", sweep(points, _FIELDS, 1, 3, flops=_FLOPS)),
        Probe("apart-unmoved", paged),
        Probe("apart", paged, "Layout there * * AOS Align==256;"),
        Probe("paged", paged, "Layout there * * AOS Align==2048;"),
        Probe("gather", sweep(points, 1, 1, 3, passes=0, accesses=_ACCESSES, reads_only=True)),
        Probe("update", sweep(points, 1, 1, 3, passes=0, accesses=_ACCESSES)),
        Probe("empty", tasks),
        Probe("empty-cores", tasks, cores=True),
        Probe("empty-limited", tasks, "InstanceLimit empty 1;"),
        Probe("empty-more", more),
        Probe("empty-traced", traced),
        Probe("empty-more-traced", more_traced),
        Probe("empty-wide", wide),
        Probe("unmoved", moved),
        Probe("moved", moved, _ALIGNED),
        Probe("moved-across", moved, "Region there * CPU RDMEM;"),
        Probe("transposed", moved, "Layout there * * C_order;"),
        Probe("few-read", read, _ALIGNED),
        Probe("few-collected", read, _ALIGNED + _COLLECTED),
        Probe("few-collected-traced", read_traced, _ALIGNED + _COLLECTED),
        Probe("two-partitions", two_partitions(_TASKS, 20)),
        Probe("much-read", much_read, _ALIGNED),
        Probe("much-collected", much_read, _ALIGNED + _COLLECTED),
        Probe("few-unmoved", many_moved),
        Probe("few-moved", many_moved, _ALIGNED),
    ]
    return found + [
        Probe(rate, sweep(4096, 1, 1, 5, passes=0, flops=_FLOPS, rate=rate))
        for rate in ("fp32", "fp64", "dgemm")
    ]


Formula = tuple[Callable[[Times], float], str]


def _figures(points: int, line: float) -> dict[str, Formula]:
    """How each figure comes from the times of one round."""
    grid = int(np.sqrt(points)) ** 2
    streamed = 2 * grid * _FIELDS * WORD
    half = int(np.sqrt(points // 2)) ** 2 * _PAIR * WORD * 2  # there and back
    read_once = int(np.sqrt(points // 2)) ** 2 * WORD
    lines = max(line / WORD, 1.0)

    def point(times: Times, more: str, few: str) -> float:
        return _positive(times[more] - times[few]) / (_LAUNCHES * (_MANY - _TASKS))

    def launch(times: Times) -> float:
        each = point(times, "empty-more-traced", "empty-traced")
        return _positive(times["empty-traced"] / _LAUNCHES - _TASKS * each)

    def untraced(times: Times) -> float:
        return max(1.0, times["empty"] / times["empty-traced"])

    def apart(times: Times, name: str) -> float:
        return _positive(times[name] - times["apart-unmoved"])

    def overlap(times: Times) -> float:
        alone = times["streams"], times["fp64"]
        hidden = (sum(alone) - times["both"]) / min(alone)
        return min(max(hidden, 0.0), 1.0)

    def rate_of_copies(times: Times, name: str) -> float:
        return half / max(times[name] - times["unmoved"], half / _FASTEST_COPY)

    def fresh(times: Times) -> float:
        much = times["much-collected"] - times["much-read"]
        return (much - (times["few-collected"] - times["few-read"]) / _TASKS) / read_once

    return {
        "bandwidth": (lambda t: streamed / t["streams"], "fields updated by one core"),
        "registered": (lambda t: streamed / t["registered"], "the same in registered memory"),
        "all": (lambda t: streamed / t["all-streams"], "the same by all cores at once"),
        # All the fields of a point share its lines, so that each field moves all of them.
        "together": (
            lambda t: t["together"] / t["streams"] / min(_FIELDS, lines),
            f"{_FIELDS} fields together, over the lines that they lie in",
        ),
        "far": (
            lambda t: t["far"] / t["pair"] / lines,
            "fields of a line each, over the lines",
        ),
        "farther": (
            lambda t: max(1.0, t["farther"] / t["far"]) ** (1 / _DOUBLINGS),
            "the same four times as far from each other, by doublings",
        ),
        "paged": (
            lambda t: max(1.0, apart(t, "paged") / apart(t, "apart")) ** (1 / _DOUBLINGS_TO_PAGE),
            "copies to fields eight times as far from each other, by doublings",
        ),
        "overlap": (overlap, "multiply-adds beside fields that are updated"),
        "strided": (lambda t: t["strided"] / t["pair"], "fields in C order"),
        "near_strided": (
            lambda t: t["near-strided"] / t["near-pair"],
            "fields in C order that the second cache holds",
        ),
        "gather": (lambda t: t["gather"] / _ACCESSES, "scattered reads"),
        "update": (lambda t: t["update"] / _ACCESSES, "scattered updates"),
        "fp32": (lambda t: _FLOPS / t["fp32"], "multiply-adds in vectors"),
        "fp64": (lambda t: _FLOPS / t["fp64"], "multiply-adds in vectors"),
        "dgemm": (lambda t: _FLOPS / t["dgemm"], "multiply-adds in all registers"),
        "point": (
            lambda t: point(t, "empty-more-traced", "empty-traced"),
            "empty tasks, traced",
        ),
        "launch": (launch, "launches of empty tasks, traced"),
        "requirement": (
            lambda t: (
                _positive(t["empty-wide"] - t["empty-traced"])
                / (_LAUNCHES * _TASKS * (_FIELDS - 1))
            ),
            "empty tasks with more requirements, traced",
        ),
        "untraced": (
            untraced,
            "empty tasks without a trace and with one",
        ),
        "recording": (
            lambda t: max(1.0, t["few-collected-traced"] / t["few-collected"]),
            "collected instances in a trace and without one",
        ),
        "refinement": (
            lambda t: (
                _positive(t["two-partitions"] - t["few-unmoved"] * _REFINED / (2 * _TASKS))
                / (_REFINED * untraced(t))
            ),
            "pieces of two partitions in turn, as if traced",
        ),
        "threads": (
            lambda t: max(1.0, t["empty-cores"] / t["empty"]),
            "seconds that cores are busy in empty tasks",
        ),
        "permit": (
            lambda t: _positive(t["empty-limited"] - t["empty"]) / (_LAUNCHES * _TASKS),
            "empty tasks under a limit of one",
        ),
        "copy": (lambda t: rate_of_copies(t, "moved"), "copies inside system memory"),
        "across": (lambda t: rate_of_copies(t, "moved-across"), "copies to registered memory"),
        "transpose": (
            lambda t: max(1.0, rate_of_copies(t, "moved") / rate_of_copies(t, "transposed")),
            "copies to C order and back",
        ),
        "instance": (
            lambda t: _positive(t["few-collected"] - t["few-read"]) / _TASKS,
            "instances that are collected",
        ),
        "fresh": (
            lambda t: max(0.0, fresh(t)) * rate_of_copies(t, "moved"),
            "copies to instances that are collected, beside those to others",
        ),
        "analysis": (
            lambda t: _positive(t["few-moved"] - t["few-unmoved"]) / (2 * _TASKS * untraced(t)),
            "copies of a few bytes, as if traced",
        ),
    }


def _positive(seconds: float) -> float:
    """A difference of times, which noise may have turned round."""
    return max(seconds, _TINY)
