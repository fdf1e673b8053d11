"""What processors and links did in an iteration under two mappers, as Plotly's figures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import dsl
from dsl.units import seconds, time_scale
from legion_bridge.traces.gantt import KIND_COLOURS, GanttBar, GanttRow, busiest_rows, gantt_rows
from studies.report.charts import COLOURS, Figure, text_for_plotly

if TYPE_CHECKING:
    from legion_bridge.simulation.simulator import Trace
    from tuners import MapperProblem

__all__ = ["Timeline", "timelines"]

MOST_ROWS = 18
# Bars of one kind that are nearer than this share of the window are one.
NEAR = 1 / 1500
_ONLY_NODE = re.compile(r" (?:of )?node 0\b")
OTHER_TASKS = "other tasks"


class Timeline:
    """One iteration in the steady state under a mapper.

    Attributes:
        name: Whose mapper it is.
        length: Seconds of the iteration.
        rows: What is drawn.
        found: How many rows there are.
    """

    def __init__(self, name: str, trace: Trace) -> None:
        self.name = name
        self.tasks = frozenset(trace.program.application.task_kinds)
        self.length = (trace.end - trace.begin) / trace.iterations
        rows = gantt_rows(trace, self.length)
        if trace.machine.machine.nodes == 1:
            rows = [row._replace(name=_ONLY_NODE.sub("", row.name)) for row in rows]
        self.rows = busiest_rows(rows, MOST_ROWS)
        self.found = len(rows)

    @property
    def caption(self) -> str:
        """What is to be seen, in a sentence."""
        left_out = (
            f"; the busiest {len(self.rows)} of {self.found} rows"
            if (len(self.rows) < self.found)
            else ""
        )
        return f"{self.name}: one iteration takes {seconds(self.length, digits=4)}{left_out}"


def timelines(problem: MapperProblem, mappers: dict[str, str]) -> list[tuple[Timeline, Figure]]:
    """The timelines of mappers that run, all with one scale and one set of colours.

    Args:
        problem: Of which they are mappers.
        mappers: Their texts, by whose they are.
    """
    found = []
    for name, text in mappers.items():
        try:
            _, trace = problem.simulation.trace(dsl.parse(text))
        except dsl.MapperSyntaxError:
            continue
        if trace is not None and trace.end > trace.begin:
            found.append(Timeline(name, trace))
    if not found:
        return []
    window = max(timeline.length for timeline in found)
    labels = _labels(found)
    return [(timeline, _figure(timeline, labels, window)) for timeline in found]


def _labels(found: Sequence[Timeline]) -> dict[str, dict[str, Any]]:
    """What each label is painted as: the tasks that take the most time have a colour each."""
    busy: dict[str, float] = defaultdict(float)
    for timeline in found:
        for row in timeline.rows:
            for bar in row.bars:
                busy[bar.label] += bar.length
    tasks = frozenset().union(*(timeline.tasks for timeline in found))
    ranked = sorted(tasks & busy.keys(), key=lambda each: (-busy[each], each))
    labels: dict[str, dict[str, Any]] = {
        label: {"role": "arm", "number": number} for number, label in enumerate(ranked[:COLOURS])
    }
    labels |= {label: {"role": "other task"} for label in ranked[COLOURS:]}
    kinds = [kind for kind in KIND_COLOURS if kind in busy and kind not in labels]
    return labels | {
        kind: {"role": "work", "number": list(KIND_COLOURS).index(kind)} for kind in kinds
    }


def _figure(timeline: Timeline, labels: dict[str, dict[str, Any]], window: float) -> Figure:
    scale, symbol = time_scale(window)
    names = [text_for_plotly(row.name) for row in timeline.rows]
    bars = _by_label(timeline.rows, labels, window)
    hover = (
        f"%{{y}}<br>%{{fullData.name}}: %{{customdata:.4~g}} {symbol}, "
        f"from %{{base:.4~g}} {symbol} on<extra></extra>"
    )
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": text_for_plotly(label),
                "y": [text_for_plotly(name) for name, _ in drawn],
                "base": [_round(bar.start / scale) for _, bar in drawn],
                "x": [_round(bar.length / scale) for _, bar in drawn],
                "customdata": [_round(bar.length / scale) for _, bar in drawn],
                "width": 0.82,
                "hovertemplate": hover,
                "meta": labels.get(label, {"role": "other task"}),
            }
            for label, drawn in bars.items()
            if drawn
        ],
        "layout": {
            "barmode": "overlay",
            "bargap": 0.1,
            "height": 80 + 20 * len(names),
            "xaxis": {
                "title": {"text": f"time in {symbol}"},
                "range": [0, _round(window / scale)],
            },
            "yaxis": {
                "type": "category",
                "showgrid": False,
                "categoryorder": "array",
                "categoryarray": names,
                "autorange": "reversed",
                "automargin": True,
                "tickmode": "array",
                "tickvals": names,
                "tickfont": {"size": 11},
            },
        },
    }


def _by_label(
    rows: Sequence[GanttRow], labels: dict[str, dict[str, Any]], window: float
) -> dict[str, list[tuple[str, GanttBar]]]:
    """The bars of each label with the names of their rows, the labels in the legend's order."""
    others = {label for label, meta in labels.items() if meta["role"] == "other task"}
    found: dict[str, list[tuple[str, GanttBar]]] = {
        label: [] for label in labels if label not in others
    }
    if others:
        found[OTHER_TASKS] = []
    for row in rows:
        for bar in _joined(row.bars, window * NEAR):
            label = OTHER_TASKS if bar.label in others else bar.label
            found[label].append((row.name, bar))
    return found


def _joined(bars: Iterable[GanttBar], near: float) -> list[GanttBar]:
    """Bars of a row, those that follow on their like at once joined to it."""
    found: list[GanttBar] = []
    for bar in bars:
        last = found[-1] if found else None
        if last and last.label == bar.label and bar.start - (last.start + last.length) < near:
            end = max(last.start + last.length, bar.start + bar.length)
            found[-1] = GanttBar(last.start, end - last.start, last.label)
        else:
            found.append(bar)
    return found


def _round(value: float) -> float:
    return float(f"{value:.6g}")
