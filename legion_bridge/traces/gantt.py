"""A simulated run as a picture: what each processor and link did during an iteration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dsl.units import seconds, time_scale
from legion_bridge.errors import BridgeError
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.attribution import OperationNames
from legion_bridge.traces.spans import GROUPS, Track, tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["GanttBar", "GanttRow", "busiest_rows", "gantt_figure", "gantt_rows", "plot_gantt"]

MOST_TRACKS = 40
"""More rows than these cannot be told apart; the busiest of each group are shown."""
MOST_TASKS = 9
"""Tasks with a colour of their own, those that take the most time."""

# The Okabe-Ito palette, which people with any colour vision can tell apart, and lighter shades.
TASK_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#D55E00", "#8C6BB1",
    "#7F5539",
)  # fmt: skip
OTHER_TASKS = "#DDDDDD"
KIND_COLOURS = {
    "runtime": "#8A8A8A",
    "copy": "#2B2B2B",
    "fold": "#A05195",
    "fill": "#9FB8AD",
    "collective": "#665191",
    "start": "#C9B79C",
    "in place": "#7A9CC6",
    "limit": "#E3C6D8",
}
THINNEST = 0.004
"""Share of the window from which a bar is wide enough for an edge of another colour."""


class GanttBar(NamedTuple):
    """An operation on a row: seconds since the window began, and its task or kind."""

    start: float
    length: float
    label: str


class GanttRow(NamedTuple):
    """What one processor, link or runtime did, or the critical path."""

    group: str
    name: str
    bars: tuple[GanttBar, ...]

    @property
    def busy(self) -> float:
        """Seconds of all its bars."""
        return sum(bar.length for bar in self.bars)


def plot_gantt(trace: Trace, path: str | Path, *, iterations: int = 1) -> None:
    """Writes a picture of a run in the steady state.

    Args:
        trace: From ``Simulator.trace``.
        path: Where the picture goes; its ending says the format (``.png``, ``.svg``, ``.pdf``).
        iterations: How many iterations it shows.

    Raises:
        BridgeError: matplotlib is not installed, or it cannot write such a format.
        OSError: The file cannot be written.
    """
    figure = gantt_figure(trace, iterations=iterations)
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:
        raise BridgeError(f"{path}: no picture can be written: {error}") from None


def gantt_figure(trace: Trace, *, iterations: int = 1) -> Figure:
    """The picture as a matplotlib figure, without pyplot's state.

    Raises:
        BridgeError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise BridgeError(
            "pictures need matplotlib: pip install 'mappertune[plot]', or write a timeline instead"
        ) from None
    shown = min(max(iterations, 1), trace.iterations)
    length = (trace.end - trace.begin) / trace.iterations * shown
    found = gantt_rows(trace, length)
    rows = busiest_rows(found)
    colours = _colours(trace, rows)
    figure = Figure(figsize=(12, 1.8 + 0.26 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    unit, symbol = time_scale(length)
    _draw(axes, rows, colours, unit, length)
    axes.set_xlim(0, length / unit)
    axes.set_xlabel(f"time in {symbol}{_note(rows)}")
    axes.set_title(_title(trace, shown, length, len(rows), len(found)), loc="left", fontsize=10)
    _legend(figure, colours)
    return figure


def gantt_rows(trace: Trace, length: float) -> list[GanttRow]:
    """What falls in a window of some seconds that begins where measuring begins."""
    names = OperationNames(trace)
    rows = [_row(names, track, trace.begin, trace.begin + length) for track in tracks(trace)]
    return [row for row in rows if row.bars]


def _row(names: OperationNames, track: Track, begin: float, end: float) -> GanttRow:
    bars = []
    for span in track.spans:
        start, stop = max(span.start, begin), min(span.end, end)
        if stop > start:
            kind = span.part or names.kind(span.operation)
            label = names.task(span.operation) if kind == "task" else kind
            bars.append(GanttBar(start - begin, stop - start, label))
    return GanttRow(track.group, track.name, tuple(bars))


def busiest_rows(rows: Sequence[GanttRow], most: int = MOST_TRACKS) -> list[GanttRow]:
    """The busiest rows, as many of each group as fit, in their order."""
    groups = [[row for row in rows if row.group == group] for group in GROUPS]
    share = len(rows)
    while sum(min(share, len(group)) for group in groups) > most:
        share -= 1
    kept = {
        id(row) for group in groups for row in sorted(group, key=lambda row: -row.busy)[:share]
    }
    return [row for row in rows if id(row) in kept]


def _colours(trace: Trace, rows: Sequence[GanttRow]) -> dict[str, str]:
    """A colour for each label, the tasks first, by how long they run."""
    busy: dict[str, float] = defaultdict(float)
    for row in rows:
        for bar in row.bars:
            busy[bar.label] += bar.length
    ranked = sorted(busy, key=lambda label: (-busy[label], label))
    tasks = [label for label in ranked if label in trace.program.application.task_kinds]
    found = dict.fromkeys(tasks, OTHER_TASKS)
    found |= dict(zip(tasks, TASK_COLOURS, strict=False))
    return found | {kind: colour for kind, colour in KIND_COLOURS.items() if kind in busy}


def _note(rows: Sequence[GanttRow]) -> str:
    """Why links may have the colours of tasks."""
    moved = {bar.label for row in rows if row.group == "links" for bar in row.bars}
    return " (a task on a link: its zero-copy traffic)" if moved - KIND_COLOURS.keys() else ""


def _draw(
    axes: Axes, rows: Sequence[GanttRow], colours: dict[str, str], unit: float, length: float
) -> None:
    heights: list[float] = []
    height = 0.0
    for above, row in zip((None, *rows), rows, strict=False):
        if above is not None:
            height += 1.0 if above.group == row.group else 1.6
        faces = [colours[bar.label] for bar in row.bars]
        wide = [bar.length > THINNEST * length for bar in row.bars]
        axes.broken_barh(
            [(bar.start / unit, bar.length / unit) for bar in row.bars],
            (height - 0.4, 0.8),
            facecolors=faces,
            # White tells neighbours apart; a thin bar is seen by an edge of its own colour.
            edgecolors=["white" if w else face for w, face in zip(wide, faces, strict=True)],
            linewidths=[0.5 if w else 0.8 for w in wide],
        )
        heights.append(height)
    axes.set_yticks(heights, [row.name for row in rows], fontsize=8)
    axes.set_ylim(height + 0.6, -0.6)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _title(trace: Trace, shown: int, length: float, rows: int, found: int) -> str:
    many = "one iteration" if shown == 1 else f"{shown} iterations"
    left_out = f"; the busiest {rows} of {found} rows" if rows < found else ""
    machine = trace.machine.machine
    nodes = f", {machine.nodes} nodes" if machine.nodes > 1 else ""
    return (
        f"{trace.program.application.name} on {machine.name}{nodes}: {many} in the "
        f"steady state, {seconds(length, digits=3)}{left_out}"
    )


def _legend(figure: Figure, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=c, label=label) for label, c in colours.items() if c != OTHER_TASKS]
    if OTHER_TASKS in colours.values():
        handles.append(Patch(color=OTHER_TASKS, label="other tasks"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8, frameon=False)
