"""The picture of a suite's figures: the best mapper so far over trials, a panel a case."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuners import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from studies.experiments.tables import CaseResult

__all__ = ["draw"]

COLUMNS = 3
LINES = ("-", "--", ":")  # after as many arms as there are colours
COLOURS = 10


def draw(cases: Sequence[CaseResult], arms: Sequence[str], path: Path) -> None:
    """Draws the mean over seeds of the best so far over the reference's.

    Args:
        cases: What the cases of a suite came to.
        arms: The arms, in the order of their colours.
        path: Where the picture goes; its ending says the format.

    Raises:
        MissingPackageError: matplotlib is not installed.
        OSError: It cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError(
            "pictures need the package matplotlib: pip install 'mappertune[plot]'"
        ) from None
    columns = min(COLUMNS, len(cases))
    rows = math.ceil(len(cases) / columns)
    figure = Figure(figsize=(4 * columns, 3 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, case in zip(panels.flat, cases, strict=False):
        axes.axhline(1.0, color="0.6", linewidth=0.8, linestyle="--")
        for number, arm in enumerate(arms):
            _line(axes, case, arm, number)
        axes.set(title=case.case.case.application, xscale="log", ylim=(0, None))
    for axes in panels.flat[len(cases) :]:
        axes.set_axis_off()
    figure.supxlabel("trials")
    figure.supylabel("best throughput so far over the reference's, mean over seeds")
    known = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    shown = [arm for arm in arms if arm in known]
    figure.legend(
        [known[arm] for arm in shown],
        shown,
        loc="outside upper center",
        ncols=min(5, max(1, len(shown))),
        frameon=False,
    )
    with mpl.rc_context({"svg.hashsalt": "mappertune"}):  # equal figures make equal files
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _line(axes: Axes, case: CaseResult, arm: str, number: int) -> None:
    """The mean of the seeds that have as many trials."""
    studies = case.arms.get(arm, ())
    longest = max((each.trials for each in studies), default=0)
    corners = {1, longest, *(count for each in studies for count, _ in each.steps)}
    corners |= {each.trials + 1 for each in studies}
    places = sorted(each for each in corners if 1 <= each <= longest)
    means = [case.ratios(arm, place) for place in places]
    if all(means) and means:
        axes.plot(
            places,
            [statistics.fmean(each) for each in means],
            label=arm,
            color=f"C{number % COLOURS}",
            linestyle=LINES[number // COLOURS % len(LINES)],
            linewidth=1.4,
            drawstyle="steps-post",
        )
