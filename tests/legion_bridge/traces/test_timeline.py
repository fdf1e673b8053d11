"""Runs as files for trace viewers, and as pictures."""

from __future__ import annotations

import builtins
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dsl
from legion_bridge import Application, BridgeError, Machine, Simulator
from legion_bridge.outcome import Outcome
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.link_paths import LinkPaths
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.gantt import MOST_TRACKS, gantt_figure, plot_gantt
from legion_bridge.traces.link_use import link_uses
from legion_bridge.traces.timeline import write_timeline
from tests.legion_bridge.tiny import (
    application,
    launch,
    machine,
    mapper,
    reads,
    region,
    run,
    updates,
    writes,
)

CASES = [("stencil", 1), ("circuit", 1), ("pennant", 1), ("johnson", 2)]


def trace_of(name: str, nodes: int) -> Trace:
    program = Application.load(name, nodes=nodes)
    simulator = Simulator(program, Machine.load("p100x4", nodes=nodes))
    text = program.mappers["expert"]
    decisions = simulator.decide(dsl.load(dsl.parse(text), simulator.machine.shape))
    assert not isinstance(decisions, Outcome), decisions.raw
    trace = simulator.trace(decisions)[1]
    assert trace is not None
    return trace


@pytest.fixture(scope="module", params=CASES, ids=[f"{name}-{nodes}" for name, nodes in CASES])
def trace(request: pytest.FixtureRequest) -> Trace:
    return trace_of(*request.param)


def events_of(trace: Trace, folder: Path) -> list[dict[str, Any]]:
    write_timeline(trace, folder / "out.json")
    document = json.loads((folder / "out.json").read_text("utf-8"))
    assert document["displayTimeUnit"] == "ms"
    events: list[dict[str, Any]] = document["traceEvents"]
    return events


def shares(trace: Trace, number: int) -> bool:
    """Whether an operation shares its links with others."""
    operations, paths = trace.operations, LinkPaths(trace.machine)
    if operations.kind[number] == OperationKind.TASK:
        return False
    ends = int(operations.source[number]), int(operations.place[number])
    return paths.is_flow(*ends, paths.carried(operations, number))


def test_links_are_used_as_the_kernel_says(trace: Trace) -> None:
    operations = trace.operations
    first = int(operations.iteration.max()) + 1 - trace.iterations
    busy = np.zeros(len(trace.machine.link_names))
    paths = LinkPaths(trace.machine)
    for use in link_uses(trace):
        if operations.iteration[use.operation] >= first:
            share = 1.0
            if shares(trace, use.operation):  # by its bytes: it has others beside it
                carried = paths.carried(operations, use.operation)
                share = carried / trace.machine.link_bandwidth[use.link] / (use.end - use.start)
                assert share <= 1.0 + 1e-9
            busy[use.link] += share * (use.end - use.start)
    assert busy == pytest.approx(operations.link_busy)
    assert busy.any()


def test_a_timeline_has_complete_events_on_named_tracks(trace: Trace, tmp_path: Path) -> None:
    events = events_of(trace, tmp_path)
    named = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    groups = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert list(groups.values()) == ["critical path", "runtime", "processors", "links"]
    assert "GPU 3 of node 0" in named.values()
    assert "runtime of node 0" in named.values()
    spans = [e for e in events if e["ph"] == "X"]
    assert {e["ph"] for e in events} == {"X", "M"}
    assert {(e["pid"], e["tid"]) for e in spans} == set(named)
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in spans)
    tasks = set(trace.program.application.task_kinds)
    assert {e["name"] for e in spans if groups[e["pid"]] == "processors"} <= tasks


def test_spans_of_a_track_do_not_overlap(trace: Trace, tmp_path: Path) -> None:
    """Viewers would stack them up; times are in microseconds, with three decimals."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events_of(trace, tmp_path):
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["dur"]))
    for spans in tracks.values():
        for (start, length), (following, _) in pairwise(sorted(spans)):
            assert start + length <= following + 2e-3


def test_the_critical_path_track_spans_the_measured_window(trace: Trace, tmp_path: Path) -> None:
    path = [e for e in events_of(trace, tmp_path) if e["ph"] == "X" and e["pid"] == 1]
    assert path[0]["ts"] == pytest.approx(trace.begin * 1e6, abs=1e-2)
    assert path[-1]["ts"] + path[-1]["dur"] == pytest.approx(trace.end * 1e6, abs=1e-2)
    assert sum(e["dur"] for e in path) == pytest.approx((trace.end - trace.begin) * 1e6, rel=1e-6)


def test_spans_say_what_they_are(tmp_path: Path) -> None:
    line = region("line", 100)
    loop = [launch("put", writes("line")), launch("get", reads("line"))]
    found = run(application([line], loop), mapper(put=(0, 0), get=(0, 1)))
    events = events_of(found.trace, tmp_path)
    (copy,) = [e for e in events if e["ph"] == "X" and e["cat"] == "copy" and e["pid"] == 4][:1]
    assert copy["name"].startswith("line (FBMEM to FBMEM over ")
    assert (copy["ts"], copy["dur"]) == (1e6, 10e6)
    assert copy["args"] == {
        "kind": "copy",
        "task": "get",
        "point": 0,
        "iteration": 0,
        "bytes": 100.0,
        "after": "task put",
    }
    colours = {e["cat"]: e["cname"] for e in events if e["ph"] == "X"}
    assert len(set(colours.values())) == len(colours)


def test_a_timeline_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    found = run(application([region("x", 1)], [launch("put", writes("x"))]))
    with pytest.raises(FileNotFoundError):
        write_timeline(found.trace, tmp_path / "missing" / "out.json")


def test_a_task_that_moves_zero_copy_data_is_on_the_link(tmp_path: Path) -> None:
    line = region("line", 100)
    program = application([line], [launch("scan", updates("line"), traffic=40.0)])
    found = run(program, mapper("Region * * GPU ZCMEM;", scan=(0, 0)))
    spans = [e for e in events_of(found.trace, tmp_path) if e["ph"] == "X" and e["pid"] == 4]
    assert [(e["name"], e["ts"], e["dur"]) for e in spans] == [
        ("scan", 0.0, 4e6),
        ("scan", 0.0, 2e6),
    ]


class TestGantt:
    @pytest.fixture(autouse=True)
    def _matplotlib(self) -> None:
        pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")

    def test_a_picture_is_written(self, trace: Trace, tmp_path: Path) -> None:
        for ending in ("png", "svg"):
            path = tmp_path / f"out.{ending}"
            plot_gantt(trace, path)
            assert path.stat().st_size > 10_000

    def test_rows_and_legend_are_named(self, trace: Trace) -> None:
        figure = gantt_figure(trace)
        (axes,) = figure.axes
        rows = [label.get_text() for label in axes.get_yticklabels()]
        assert rows[0] == "critical path"
        assert any(row.startswith("GPU 0 of node 0") for row in rows)
        assert len(rows) == len(set(rows)) <= MOST_TRACKS
        (legend,) = figure.legends
        shown = {text.get_text() for text in legend.get_texts()}
        tasks = set(trace.program.application.task_kinds)
        moves, parts = {"copy", "fold", "fill"}, {"start", "in place", "limit"}
        assert shown <= tasks | moves | parts | {"runtime", "other tasks"}
        assert shown & tasks
        assert axes.get_xlabel().startswith("time in ")
        name = trace.program.application.name
        assert axes.get_title(loc="left").startswith(f"{name} on p100x4")

    def test_labels_do_not_overlap(self, trace: Trace) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure = gantt_figure(trace)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        (axes,) = figure.axes
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        for one, two in pairwise(sorted(boxes, key=lambda box: box.y0)):
            assert one.y1 <= two.y0 + 1.0
        legend = figure.legends[0].get_window_extent()
        assert legend.y1 <= axes.xaxis.label.get_window_extent().y0
        assert figure.bbox.x0 <= legend.x0 <= legend.x1 <= figure.bbox.x1

    def test_many_rows_are_cut_to_the_busiest(self) -> None:
        figure = gantt_figure(trace_of("cannon", 8))
        (axes,) = figure.axes
        assert len(axes.get_yticklabels()) <= MOST_TRACKS
        assert "the busiest" in axes.get_title(loc="left")

    def test_more_iterations_show_more_time(self, trace: Trace) -> None:
        one, all_of_them = (gantt_figure(trace, iterations=n).axes[0] for n in (1, 100))
        factor = all_of_them.get_xlim()[1] / one.get_xlim()[1]
        assert factor == pytest.approx(trace.iterations, rel=1e-6) or trace.iterations == 1

    def test_an_unknown_format_is_named(self, trace: Trace, tmp_path: Path) -> None:
        with pytest.raises(BridgeError, match=r"out\.xyz: no picture can be written"):
            plot_gantt(trace, tmp_path / "out.xyz")


def test_without_matplotlib_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = run(application([region("x", 1)], [launch("put", writes("x"))]), on=machine())
    with pytest.raises(BridgeError, match=r"pip install 'mappertune\[plot\]'"):
        gantt_figure(found.trace)
