"""Descriptions of runs, in Markdown, for those who open one in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.units import percent, quantity

if TYPE_CHECKING:
    from studies.records import StudyResult
    from studies.study_facts import StudyFacts

__all__ = ["described_study"]


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
