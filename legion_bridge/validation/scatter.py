"""Simulated against measured times as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dsl.units import percent
from legion_bridge.errors import BridgeError
from legion_bridge.validation.comparison import Validation
from legion_bridge.validation.validated_row import ValidatedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["agreement_figure", "plot_agreement"]

BAND = 0.15
"""Half the width of the band around equality."""
CROWD = 200
"""More points than these are drawn small."""

# The Okabe-Ito palette, which people with any colour vision can tell apart, and shapes beside it.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#8C6BB1",
)  # fmt: skip
SHAPES = "os^Dv<>P"


def plot_agreement(validation: Validation, path: str | Path) -> None:
    """Writes a picture of simulated against measured times.

    Args:
        validation: From ``validate``.
        path: Where the picture goes; its ending says the format (``.png``, ``.svg``, ``.pdf``).

    Raises:
        BridgeError: matplotlib is not installed, it cannot write such a format, or nothing ran
            both on the machine and in simulation.
        OSError: The file cannot be written.
    """
    figure = agreement_figure(validation)
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:
        raise BridgeError(f"{path}: no picture can be written: {error}") from None


def agreement_figure(validation: Validation) -> Figure:
    """The picture as a matplotlib figure, without pyplot's state.

    Raises:
        BridgeError: matplotlib is not installed, or there is nothing to show.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise BridgeError("pictures need matplotlib: pip install 'mappertune[plot]'") from None
    points = [point for row in validation.rows if (point := _point(row)) is not None]
    if not points:
        raise BridgeError("no run has both a measured and a simulated time: nothing to draw")
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    _draw_band(axes, [value for point in points for value in point])
    _draw_points(axes, validation)
    axes.set(
        xlabel="measured seconds",
        ylabel="simulated seconds",
        xscale="log",
        yscale="log",
        aspect="equal",
    )
    axes.set_title(
        f"{len(points)} measured runs, simulated on {validation.machine}", loc="left", fontsize=10
    )
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.5)
    _label_ticks(axes)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _point(row: ValidatedRow) -> tuple[float, float] | None:
    if row.measured_seconds is None or row.simulated_seconds is None:
        return None
    return row.measured_seconds, row.simulated_seconds


def _draw_band(axes: Axes, values: list[float]) -> None:
    low, high = min(values) / 1.3, max(values) * 1.3
    line = [low, high]
    axes.fill_between(
        line,
        [v * (1 - BAND) for v in line],
        [v * (1 + BAND) for v in line],
        color="#DDDDDD",
        linewidth=0,
        label=f"within {percent(BAND)}",
    )
    axes.plot(line, line, color="#8A8A8A", linewidth=0.8, label="equal")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _label_ticks(axes: Axes) -> None:
    """Plain numbers, few enough to be told apart."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _draw_points(axes: Axes, validation: Validation) -> None:
    crowded = {name for name, found in validation.by_application.items() if found.rows > CROWD}
    for number, name in enumerate(validation.by_application):
        points = [
            point
            for row in validation.rows
            if row.measurement.group == name and (point := _point(row)) is not None
        ]
        if points:
            measured, simulated = zip(*points, strict=True)
            axes.scatter(
                measured,
                simulated,
                s=14 if name in crowded else 36,
                marker=SHAPES[number % len(SHAPES)],
                color=COLOURS[number % len(COLOURS)],
                alpha=0.7,
                linewidths=0,
                label=name,
            )
