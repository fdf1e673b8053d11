"""The pictures of a report, as Plotly's figures: data and layout, without colours.

Colours are those of the reader's theme. Each trace says in its ``meta`` what it stands for, and
``page.js`` paints it: ``arm`` and its number, ``other`` (an arm beyond those with colours of their
own), ``reference``, or ``kind`` and a number.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dsl.units import quantity
from studies.experiments.failures import kind_of
from studies.report.curves import Curve, best_curve, valid_curve

if TYPE_CHECKING:
    from studies.records import StudyResult
    from studies.report.contents import ReportedCase

__all__ = ["MARK", "best_figure", "named", "outcome_figure", "text_for_plotly", "valid_figure"]

Figure = dict[str, Any]

VALID = "valid"
MARK = " *"  # behind the name of an arm that is its fallback's
COLOURS = 8  # of the palette in page.css
COLOURED = 12  # arms with a line of their own in the legend
MOST_BANDS = 6  # those of more arms hide each other
DASHES = ("solid", "dash")
LEVEL_DASHES = ("dashdot", "longdashdot", "longdash")
FALLBACK_DASH = "dot"
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
FAR_FLOOR = 1.5  # the floor is drawn where it is not further above the best
TITLES = {
    "trials": "trials",
    "seconds": "seconds in trials, tuner and runs together",
    "calls": "calls of the model",
    "tokens": "tokens, of prompts and replies",
    "money": "US dollars",
}
LOGARITHMIC = ("trials", "seconds")


def text_for_plotly(text: str) -> str:
    """A text without what Plotly would take for markup of its own."""
    return html.escape(text, quote=False)


def named(arm: str, case: ReportedCase) -> str:
    """The name of an arm, with a mark where it is its fallback's."""
    return arm + MARK if arm in case.fallbacks else arm


def best_figure(case: ReportedCase, cost: str) -> Figure | None:
    """The best throughput so far of each arm over what was spent; None where nothing was.

    Args:
        case: Whose arms are drawn.
        cost: One of ``studies.report.curves.COSTS``.
    """
    curves = {name: best_curve(arm, cost) for name, arm in case.arms.items()}
    drawn = {name: curve for name, curve in curves.items() if curve is not None}
    if not drawn:
        return None
    known = [each for each in case.references if each.throughput]
    highest = max(curve.high[-1] for curve in drawn.values())
    over = case.comparison.reference_throughput
    scale = _scale(highest, case.unit, over)
    levels = {each.name: each.throughput or 0.0 for each in known}
    if (
        case.comparison.expert is None
        and over
        and case.comparison.reference not in (None, *levels)
    ):
        levels[str(case.comparison.reference)] = over
    floor = _floor_throughput(case.best)
    if floor is not None and floor < FAR_FLOOR * highest:
        levels["floor"] = floor
    begin = min(curve.at[0] for curve in drawn.values())
    end = max(curve.at[-1] for curve in drawn.values())
    lines = _levels(levels, (begin, end), scale)
    return {
        "data": [*lines, *_arms(case, drawn, scale)],
        "layout": {
            "xaxis": _axis(cost, begin, end),
            "yaxis": {
                "title": {"text": text_for_plotly(f"best so far, {scale.unit}".rstrip(", "))}
            },
        },
    }


def valid_figure(case: ReportedCase) -> Figure | None:
    """The share of valid mappers of all trials so far, by arm."""
    curves = {name: valid_curve(arm) for name, arm in case.arms.items()}
    drawn = {name: curve for name, curve in curves.items() if curve is not None}
    if not drawn:
        return None
    return {
        "data": list(_arms(case, drawn, _Scale(0.01, "%"))),
        "layout": {
            "xaxis": _axis("trials", 1, max(curve.at[-1] for curve in drawn.values())),
            "yaxis": {"title": {"text": "valid mappers so far, %"}, "range": [-2, 102]},
        },
    }


def outcome_figure(case: ReportedCase) -> Figure:
    """What became of the trials of each arm: a bar an arm, the valid ones first."""
    names = list(case.arms)
    trials = {name: sum(len(r.records) for r in arm) for name, arm in case.arms.items()}
    counted: dict[str, Counter[str]] = {VALID: Counter()}
    for name, arm in case.arms.items():
        for record in (each for result in arm for each in result.records):
            ok = record.status == "ok"
            kind = VALID if ok else kind_of(record.status, record.raw)
            counted.setdefault(kind, Counter())[name] += 1
    failures = sorted(counted.keys() - {VALID}, key=lambda kind: (-counted[kind].total(), kind))
    shown = [(kind, counted[kind]) for kind in (VALID, *failures)]
    labels = [text_for_plotly(named(name, case)) for name in names]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": text_for_plotly(label),
                "y": labels,
                "x": [_round(100 * counts[name] / trials[name]) for name in names],
                "customdata": [counts[name] for name in names],
                "hovertemplate": "%{y}: %{customdata} trials, %{x:.1f} %",
                "meta": {"role": "kind", "number": number},
            }
            for number, (label, counts) in enumerate(shown)
            if counts.total()
        ],
        "layout": {
            "barmode": "stack",
            "legend": {"traceorder": "normal"},
            "height": 85 + 24 * len(names),
            "xaxis": {"title": {"text": "trials, %"}, "range": [0, 100]},
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
        },
    }


def _axis(cost: str, begin: float, end: float) -> dict[str, Any]:
    """Along what was spent, with as many labels as there is room for."""
    title = {"text": TITLES[cost]}
    if cost not in LOGARITHMIC:
        return {"title": title, "type": "linear", "rangemode": "tozero"}
    few = end / max(begin, 1e-9) < 1000
    return {"title": title, "type": "log", "dtick": "D2" if few else 1}


class _Scale(NamedTuple):
    """What values are divided by, their unit then, and what ratios are to, if to anything."""

    divisor: float
    unit: str
    over: float | None = None

    def hover(self, name: str) -> str:
        """What a reader sees who points at a line; ``name`` is a field or an escaped text."""
        ratio = ", %{customdata:.3f} of the reference" if self.over else ""
        unit = text_for_plotly(self.unit)
        return f"{name}: %{{y:.4~g}} {unit}{ratio}, at %{{x:.4~g}}<extra></extra>"


def _arms(case: ReportedCase, curves: dict[str, Curve], scale: _Scale) -> Iterator[dict[str, Any]]:
    """The lines of all arms: those beyond the coloured ones first, so that they lie below."""
    places = {name: place for place, name in enumerate(case.arms)}
    coloured = [name for name in case.arms if name in curves and places[name] < COLOURED]
    others = [name for name in curves if name not in coloured]
    for number, name in enumerate(others):
        shown = text_for_plotly(named(name, case)).replace("%{", "%&#123;")
        yield _line(f"{len(others)} more", "more", curves[name], scale) | {
            "meta": {"role": "other"},
            "showlegend": number == 0,
            "legendrank": 1900,
            "hovertemplate": scale.hover(shown),
        }
    for name in coloured:
        number = places[name]  # an arm looks alike in all figures
        meta = {"role": "arm", "number": number % COLOURS}
        curve = curves[name]
        if curve.seeds > 1 and curve.low != curve.high and number < MOST_BANDS:
            yield from _band(name, curve, scale, meta)
        line = _line(named(name, case), name, curve, scale)
        falls_back = name in case.fallbacks
        line["line"]["dash"] = FALLBACK_DASH if falls_back else DASHES[number // COLOURS]
        yield line | {"meta": meta}


def _line(shown: str, group: str, curve: Curve, scale: _Scale) -> dict[str, Any]:
    line = {
        "type": "scatter",
        "mode": "lines" if len(curve.at) > 1 else "markers",
        "name": text_for_plotly(shown),
        "legendgroup": text_for_plotly(group),
        "x": [_round(at) for at in curve.at],
        "y": [_round(value / scale.divisor) for value in curve.mean],
        "line": {"shape": "hv", "width": 2},
        "hovertemplate": scale.hover("%{fullData.name}"),
    }
    if scale.over:
        line["customdata"] = [_round(value / scale.over) for value in curve.mean]
    return line


def _band(
    name: str, curve: Curve, scale: _Scale, meta: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """From the worst to the best seed."""
    for values, fill in ((curve.low, "none"), (curve.high, "tonexty")):
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": text_for_plotly(name),
            "legendgroup": text_for_plotly(name),
            "showlegend": False,
            "hoverinfo": "skip",
            "x": [_round(at) for at in curve.at],
            "y": [_round(value / scale.divisor) for value in values],
            "line": {"shape": "hv", "width": 0},
            "fill": fill,
            "meta": meta | {"role": "band"},
        }


def _levels(
    levels: dict[str, float], ends: tuple[float, float], scale: _Scale
) -> Iterator[dict[str, Any]]:
    """Horizontal lines, one for each different height."""
    by_height: dict[float, list[str]] = {}
    for name, throughput in levels.items():
        by_height.setdefault(_round(throughput / scale.divisor), []).append(name)
    for number, (height, names) in enumerate(by_height.items()):
        yield {
            "type": "scatter",
            "mode": "lines",
            "name": text_for_plotly(", ".join(names)),
            "x": [_round(end) for end in ends],
            "y": [height, height],
            "line": {"width": 1.5, "dash": LEVEL_DASHES[number % len(LEVEL_DASHES)]},
            "hovertemplate": scale._replace(over=None).hover("%{fullData.name}"),
            "legendrank": 2000,
            "meta": {"role": "reference"},
        }


def _floor_throughput(best: StudyResult) -> float | None:
    """The throughput that no mapper can come to, from what the best one's time is of the floor."""
    share = best.of_floor
    return best.throughput / share if share else None


def _scale(highest: float, unit: str, over: float | None) -> _Scale:
    """One for all values up to the highest, with a prefix for large ones."""
    if not unit or unit.startswith(("T", "G", "M")):
        return _Scale(1.0, unit, over)
    told = quantity(highest, unit, digits=4).partition(" ")[2]
    prefix = told.removesuffix(unit)
    return _Scale(next(size for size, name in PREFIXES if name == prefix), told, over)


def _round(value: float) -> float:
    """As many digits as a picture shows, so that the page stays small."""
    return float(f"{value:.5g}")
