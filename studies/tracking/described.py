"""Descriptions of runs, in Markdown, for those who open one in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.units import percent, quantity

if TYPE_CHECKING:
    from studies.compare import Comparison
    from studies.records import StudyResult
    from studies.study_facts import StudyFacts

__all__ = ["described_comparison", "described_study"]


def described_study(facts: StudyFacts, case: str, result: StudyResult) -> str:
    """What a study tried and found."""
    spec, model = result.spec, ""
    if spec.llm is not None:
        model = f" asking `{spec.llm.model}`"
    what = (
        f"**{spec.tuner}**{model} with seed {spec.seed} maps **{facts.application}** on "
        f"**{facts.machine}** ({facts.nodes} node{'s' * (facts.nodes != 1)}): "
        f"{len(result.records):,} of {facts.budget:,} trials, "
        f"{percent(result.invalid_share, decimals=1)} of the mappers invalid."
    )
    files = (
        "`trials.json` has every mapper with its throughput, validity and proposer, "
        "`best.mapper.txt` the best one, `template.mapper.txt` what they are rendered from."
    )
    lines = [
        what,
        _found(result),
        files,
        f"Case `{case}`, study `{result.location}`.",
    ]
    if result.ended_by:
        lines.insert(1, f"It ended early: {result.ended_by}.")
    return "\n\n".join(lines)


def _found(result: StudyResult) -> str:
    if result.best is None:
        return "No mapper was valid."
    said = (
        f"The best runs at **{quantity(result.throughput, result.unit, digits=4)}** "
        f"(trial {result.best.number})"
    )
    if result.normalised is not None:
        said += f", {result.normalised:.3f} times {_whose(result)}"
    if result.of_floor is not None:
        said += f", and at {percent(result.of_floor, decimals=1)} of what no mapper can beat"
    return f"{said}."


def _whose(result: StudyResult) -> str:
    return "the expert's mapper" if result.reference == "expert" else f"the {result.reference}"


def described_comparison(facts: StudyFacts, case: str, comparison: Comparison) -> str:
    """What the tuners of a comparison came to, as a table and sentences."""
    known = f" (ratios are to the {comparison.reference}'s)" if comparison.reference else ""
    what = (
        f"Mappers of **{facts.application}** on **{facts.machine}** "
        f"({facts.nodes} node{'s' * (facts.nodes != 1)}), by tuner{known}; "
        "the studies are the runs below this one."
    )
    lines = [
        what,
        "",
        "| tuner | seeds | best | mean | 95 % interval | worst | invalid |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in comparison.tuners:
        best = quantity(max(each.throughputs), comparison.unit, digits=4)
        interval = " to ".join(map(_ratio, each.interval)) if each.interval else ""
        ratios = (_ratio(each.mean), interval, _ratio(each.worst))
        share = percent(each.invalid_share, decimals=1)
        cells = (each.tuner, str(len(each.seeds)), f"{best} {_ratio(each.best)}", *ratios, share)
        lines.append(f"| {' | '.join(cells)} |")
    told = [test.sentence for test in comparison.tests]
    if told:
        lines += ["", f"{'; '.join(told)} (rank tests at 5 %, with Holm's correction)."]
    lines += ["", f"`comparison.json` has the statistics, `best.svg` the curves. Case `{case}`."]
    return "\n".join(lines)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
