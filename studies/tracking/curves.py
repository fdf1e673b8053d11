"""The best throughput so far by trial, for each tuner over its seeds, as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from dsl.units import quantity
from studies.records import best_so_far

if TYPE_CHECKING:
    from studies.records import StudyResult

__all__ = ["curves_as_svg"]

WIDTH, HEIGHT = 860, 420
LEFT, TOP, RIGHT, BOTTOM = 110, 40, 190, 50
POINTS = 120
# Okabe and Ito's colours, which people with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_TEXT = 'font-family="sans-serif" font-size="13" fill="#333"'


def curves_as_svg(
    results: Sequence[StudyResult], reference: str | None, expert: float | None
) -> str:
    """The median of each tuner's seeds as a line, their range as a band, on log trials.

    Args:
        results: The studies, one of which at least has trials.
        reference: Name of what they are held against.
        expert: Its throughput; None for no line.
    """
    by_tuner: dict[str, list[list[float]]] = {}
    for result in results:
        by_tuner.setdefault(result.spec.tuner, []).append(best_so_far(result.records))
    last = max(len(curve) for curves in by_tuner.values() for curve in curves)
    top = (
        max([expert or 0.0, *(c[-1] for curves in by_tuner.values() for c in curves if c)]) or 1.0
    )
    picture = _Picture(last, top * 1.05)
    lines = picture.axes(results[0].unit)
    for place, (tuner, curves) in enumerate(by_tuner.items()):
        lines += picture.tuner(tuner, curves, COLOURS[place % len(COLOURS)], place)
    if expert is not None and reference is not None:
        lines += picture.reference(reference, expert)
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


class _Picture:
    """Where things lie.

    Args:
        last: The most trials.
        top: The largest throughput shown.
    """

    def __init__(self, last: int, top: float) -> None:
        self._last = max(last, 2)
        self._top = top

    def x(self, trial: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(trial) / math.log(self._last)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self._top

    def axes(self, unit: str) -> list[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        lines = [_text(LEFT, TOP - 16, "best throughput so far: median and range over seeds")]
        ticks = [10**power for power in range(int(math.log10(self._last)) + 1)]
        for trial in dict.fromkeys([*ticks, self._last]):
            x = self.x(trial)
            lines.append(f'<path d="M{x:.1f},{TOP}V{bottom}" stroke="#e5e5e5"/>')
            if trial == self._last or x < right - 50:
                lines.append(_text(x, bottom + 18, f"{trial:,}", "middle"))
        step = next(each for each in _steps() if each * 6 > self._top)
        for value in (step * count for count in range(int(self._top / step) + 1)):
            y = self.y(value)
            lines.append(f'<path d="M{LEFT},{y:.1f}H{right}" stroke="#e5e5e5"/>')
            lines.append(_text(LEFT - 8, y + 4, quantity(value, unit) if value else "0", "end"))
        lines.append(_text((LEFT + right) / 2, HEIGHT - 12, "trials", "middle"))
        return lines

    def tuner(self, name: str, curves: list[list[float]], colour: str, place: int) -> list[str]:
        shortest = min(len(curve) for curve in curves)
        if not shortest:
            return []
        steps = [self._last ** (point / POINTS) for point in range(POINTS + 1)]
        trials = sorted({min(shortest, round(step)) for step in steps})
        at = [[curve[trial - 1] for curve in curves] for trial in trials]
        middle = self._path(trials, [statistics.median(values) for values in at])
        above = self._path(trials, [max(values) for values in at])
        below = self._path(trials[::-1], [min(values) for values in at][::-1])
        y = TOP + 10 + 20 * place
        x = WIDTH - RIGHT + 14
        return [
            f'<path d="M{above} L{below} Z" fill="{colour}" fill-opacity="0.15"/>',
            f'<path d="M{middle}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<path d="M{x},{y}h22" stroke="{colour}" stroke-width="3"/>',
            _text(x + 28, y + 4, f"{name} ({len(curves)})"),
        ]

    def reference(self, name: str, value: float) -> list[str]:
        y, right = self.y(value), WIDTH - RIGHT
        return [
            f'<path d="M{LEFT},{y:.1f}H{right}" stroke="#555" stroke-dasharray="6 4"/>',
            _text(LEFT + 6, y - 6, name),
        ]

    def _path(self, trials: Sequence[int], values: Sequence[float]) -> str:
        points = zip(trials, values, strict=True)
        return " L".join(f"{self.x(trial):.1f},{self.y(value):.1f}" for trial, value in points)


def _steps() -> Iterator[float]:
    """Distances of ticks, the smallest first: 1, 2 and 5 times powers of ten."""
    for power in range(-300, 301):
        for digit in (1, 2, 5):
            yield digit * 10.0**power


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place} {_TEXT}>{escape(text)}</text>"
