"""What a page says, case by case, as plain values for its template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import dsl
from dsl.units import percent, quantity
from studies.comparison_tables import (
    Rows,
    closing_sentences,
    floor_sentence,
    ratios_to,
    speeds,
    successes,
)
from studies.decision_gains import DecisionGain, decision_gains
from studies.experiments.failures import failure_kinds
from studies.records import ModelUse, model_share, reasons
from studies.references import best_reference, reference_text
from studies.report.charts import (
    MARK,
    MOST_BANDS,
    best_figure,
    named,
    outcome_figure,
    valid_figure,
)
from studies.report.curves import COSTS
from studies.report.timelines import timelines
from studies.sentences import first_sentence
from tuners.problems.statement_gains import Gain, StatementGain, statement_gains
from tuners.redaction import process_redactor

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from studies.finished import FinishedStudy
    from studies.records import StudyResult
    from studies.report.contents import ReportContents, ReportedCase
    from tuners import MapperProblem

__all__ = ["sections_of"]

# Statements of a mapper that are left out in turn, and decisions that are shown.
MOST_STATEMENTS, MOST_DECISIONS = 60, 20
MOST_REASONS = 5
# Settings that all studies of a case share, or that stand in columns of their own.
ABOVE = frozenset(
    ("application", "parameters", "machine", "nodes", "template", "tuner", "seed", "objective")
)
MOST_ROWS = 200  # of a table of studies

CAPTIONS = {
    "trials": "Best throughput by trials",
    "seconds": "Best throughput by time",
    "calls": "Best throughput by calls of the model",
    "tokens": "Best throughput by tokens",
    "money": "Best throughput by money",
}


def sections_of(contents: ReportContents, figures: dict[str, Any]) -> dict[str, Any]:
    """The values of the page's template.

    Args:
        contents: What is told.
        figures: Takes the figures, by the ids of their places on the page.
    """
    cases = [
        _case(f"case{number}", case, figures)
        for number, case in enumerate(contents.cases, start=1)
    ]
    results = [result for case in contents.cases for result in case.results]
    trials = sum(len(result.records) for result in results)
    return {
        "places": contents.places,
        "unread": [process_redactor().message(each) for each in contents.unread],
        "cases": cases,
        "studies": len(results),
        "trials": trials,
        "period": _period(results),
    }


def _case(anchor: str, case: ReportedCase, figures: dict[str, Any]) -> dict[str, Any]:
    kinds, _ = failure_kinds(case.studies)
    comparison = case.comparison
    best = case.best
    return {
        "id": anchor,
        "name": case.name,
        "facts": _facts(case),
        "headline": _headline(case),
        "missing": case.missing,
        "arms": len(case.arms),
        "bands": MOST_BANDS if len(case.arms) > MOST_BANDS else None,
        "seeds": max(len(each.seeds) for each in comparison.tuners),
        "trials": sum(len(result.records) for result in case.results),
        "best": quantity(best.throughput, case.unit, digits=4) if best.best else "none valid",
        "over": "" if best.normalised is None else f"{best.normalised:.3f} x {best.reference}",
        "best_arm": named(best.spec.tuner, case) if best.best else "",
        "ratios": ratios_to(comparison),
        "speeds": _marked(speeds(comparison), case),
        "successes": _marked(successes(comparison), case),
        "sentences": [
            each for each in (floor_sentence(comparison), *closing_sentences(comparison)) if each
        ],
        "fallbacks": sorted(case.fallbacks),
        "mark": MARK.strip(),
        "curves": list(_curves(anchor, case, figures)),
        "outcomes": _put(figures, f"{anchor}-outcomes", outcome_figure(case)),
        "failures": _failures(case, kinds),
        "models": _models(case),
        **_mappers(anchor, case, figures),
        "studies": _studies(case),
        "settings": _settings(case),
    }


def _put(figures: dict[str, Any], place: str, figure: Any) -> str:
    figures[place] = figure
    return place


def _facts(case: ReportedCase) -> list[tuple[str, str]]:
    identity = case.identity
    parameters = ", ".join(f"{key}={value}" for key, value in identity["parameters"].items())
    found = [
        ("application", str(identity["application"])),
        ("sizes", parameters),
        ("machine", f"{identity['machine']}, {_count(identity['nodes'], 'node')}"),
        ("throughputs are over", "the " + _objective(str(identity.get("objective", "timed")))),
        ("digest of the template", str(identity.get("template", ""))),
    ]
    if case.problem is not None:
        found.insert(1, ("it is", case.problem.application.summary))
    return [(name, told) for name, told in found if told]


def _objective(name: str) -> str:
    return "whole run" if name == "whole" else "part of a run that the program times"


def _headline(case: ReportedCase) -> str:
    """What came out, in a sentence."""
    best = case.best
    if best.best is None:
        return "No trial found a valid mapper."
    told = f"{named(best.spec.tuner, case)} found the fastest mapper: "
    told += quantity(best.throughput, case.unit, digits=4)
    if best.normalised is not None:
        told += f", {best.normalised:.3f} times the {best.reference}"
    if best.of_floor is not None:
        told += f"; {percent(best.of_floor, decimals=1)} of what no mapper can exceed"
    return told + "."


def _marked(table: Rows | None, case: ReportedCase) -> dict[str, Any] | None:
    if table is None:
        return None
    shown = {name: named(name, case) for name in case.arms}
    rows = [[shown.get(name, name), *cells] for name, *cells in table.rows]
    return {"headings": table.headings, "rows": rows}


def _curves(anchor: str, case: ReportedCase, figures: dict[str, Any]) -> Iterator[dict[str, str]]:
    for cost in COSTS:
        figure = best_figure(case, cost)
        if figure is not None:
            yield {"id": _put(figures, f"{anchor}-by-{cost}", figure), "caption": CAPTIONS[cost]}
    figure = valid_figure(case)
    if figure is not None:
        yield {"id": _put(figures, f"{anchor}-valid", figure), "caption": "Share of valid mappers"}


def _failures(case: ReportedCase, kinds: Sequence[Any]) -> list[dict[str, Any]]:
    clean = process_redactor().message
    count = Counter(result.location for result in case.results)
    # A database holds several studies: then its name tells which.
    names = {r.location: r.spec.name for r in case.results if count[r.location] == 1}
    return [
        {
            "kind": kind.kind,
            "total": sum(kind.counts.values()),
            "counts": [(named(arm, case), n) for arm in case.arms if (n := kind.counts.get(arm))],
            "examples": [
                f"{names.get(study, study)}, trial {number}: {clean(said)}"
                for study, number, said in kind.examples
            ],
        }
        for kind in kinds
    ]


def _models(case: ReportedCase) -> list[dict[str, Any]]:
    """The arms that ask models: who proposed how much, what it cost, and why not."""
    clean = process_redactor().message
    found = []
    for name, arm in case.arms.items():
        if arm[0].spec.llm is None:
            continue
        records = [record for result in arm for record in result.records]
        use = ModelUse.total(result.model_use for result in arm if result.model_use)
        found.append(
            {
                "arm": named(name, case),
                "model": clean(str(arm[0].spec.llm.model)),
                "share": f"{model_share(records):.1%}",
                "calls": use.calls,
                "repairs": use.repairs,
                "tokens": f"{use.tokens:,}",
                "cost": "unknown"
                if use.known_cost is None
                else f"${use.cost:.4f}"
                + (f" and {use.unknown} calls of unknown price" if use.unknown else ""),
                "lost": use.lost,
                "reasons": [
                    f"{count} x {clean(why)}" for count, why in reasons(records)[:MOST_REASONS]
                ],
            }
        )
    return found


# Mappers


def _mappers(anchor: str, case: ReportedCase, figures: dict[str, Any]) -> dict[str, Any]:
    """The best mapper beside the reference: statements, decisions, timelines."""
    best = case.best
    if best.mapper is None or best.best is None:
        return {"mappers": [], "decisions": [], "timelines": []}
    title = f"best mapper ({named(best.spec.tuner, case)}, seed {best.spec.seed})"
    problem = case.problem
    if problem is None:
        return {
            "mappers": [_mapper_as_text(title, best)], "decisions": [], "timelines": []
        }  # fmt: skip
    mappers = {title: best.mapper}
    reference = best_reference(problem)
    beside = None if reference is None else reference_text(problem.application, reference.name)
    if reference is not None and beside is not None:
        mappers[reference.name.removesuffix(" mapper") + " mapper"] = beside
    decisions, unmoved = _decisions(problem, best.mapper, beside)
    shown = []
    for number, (timeline, figure) in enumerate(timelines(problem, mappers), start=1):
        place = _put(figures, f"{anchor}-timeline{number}", figure)
        shown.append({"id": place, "caption": timeline.caption})
    return {
        "mappers": [_mapper(name, text, problem) for name, text in mappers.items()],
        "decisions": [_decision(each) for each in decisions if each.by.matters][:MOST_DECISIONS],
        "idle_decisions": "; ".join(each.label for each in decisions if not each.by.matters),
        "more_decisions": max(0, sum(each.by.matters for each in decisions) - MOST_DECISIONS),
        "unmoved": unmoved,
        "reference": reference.name if reference else "",
        "timelines": shown,
    }


def _mapper_as_text(title: str, best: StudyResult) -> dict[str, Any]:
    told = f"{best.throughput:.5g} {best.unit}".rstrip()
    rows = [{"text": line, "badge": ""} for line in (best.mapper or "").splitlines()]
    return {"title": title, "told": told, "statements": rows, "digest": _digest_of(best)}


def _mapper(title: str, text: str, problem: MapperProblem) -> dict[str, Any]:
    """Each statement with what it gains."""
    gains: list[StatementGain] = []
    try:
        outcome, gains = statement_gains(_evaluator(problem), text, MOST_STATEMENTS)
    except dsl.MapperSyntaxError as error:
        told = f"does not parse: {error}"
    else:
        told = quantity(outcome.throughput, outcome.unit, digits=4) if outcome.ok else outcome.raw
    rows = [_statement(each) for each in gains]
    if not rows:
        rows = [{"text": line, "badge": ""} for line in text.splitlines()]
    return {
        "title": title,
        "told": told,
        "statements": rows,
        "digest": problem.identity(text) or "",
    }


def _statement(each: StatementGain) -> dict[str, Any]:
    return {"text": each.text, **_gain(each.by)}


def _decision(each: DecisionGain) -> dict[str, Any]:
    return {"label": each.label, "theirs": each.theirs, "count": each.count, **_gain(each.by)}


def _gain(by: Gain) -> dict[str, str]:
    """What is shown of a gain: a badge, what it looks like, and why."""
    look = "needed" if by.needed else "gain" if (by.gain or 0) > 0 else "loss" if by.gain else ""
    reason = ""
    if by.needed and by.without is not None:
        reason = process_redactor().message(first_sentence(by.without.raw))
    return {"badge": by.told if by.matters else "", "look": look, "reason": reason}


def _decisions(
    problem: MapperProblem, text: str, beside: str | None
) -> tuple[list[DecisionGain], int]:
    evaluate = _evaluator(problem)
    if beside is None or not evaluate(text).ok:
        return [], 0
    return decision_gains(problem, evaluate, text, beside)


def _evaluator(problem: MapperProblem) -> Any:
    def evaluate(text: str) -> Outcome:
        return problem.evaluate_text(text, check=False).outcome

    return evaluate


# Settings


def _studies(case: ReportedCase) -> dict[str, Any]:
    """Each study with its seed, its best mapper and where it lies."""
    headings = ["study", "seed", "trials", "best", "at trial", "mapper", "valid", "kept in"]
    rows = [
        [
            named(result.spec.tuner, case),
            str(result.spec.seed),
            str(len(result.records)),
            quantity(result.throughput, case.unit, digits=4) if result.best else "none valid",
            str(result.best.number) if result.best else "",
            _digest_of(result),
            f"{1 - result.invalid_share:.1%}",
            result.location,
        ]
        for result in case.results
    ]
    return {
        "headings": headings, "rows": rows[:MOST_ROWS], "more": max(0, len(rows) - MOST_ROWS)
    }  # fmt: skip


def _digest_of(result: StudyResult) -> str:
    return (result.best.normal_form or "") if result.best else ""


def _settings(case: ReportedCase) -> list[dict[str, Any]]:
    """How each arm was set, as its studies say; what all of a case share stands above."""
    clean = process_redactor().message
    found = []
    by_arm: dict[str, list[FinishedStudy]] = {}
    for study in case.studies:
        by_arm.setdefault(study.spec.tuner, []).append(study)
    for name in case.arms:
        settings: dict[str, list[str]] = {}
        for study in by_arm[name]:
            for key, value in study.identity.items():
                told = clean(str(value))
                if key not in ABOVE and told not in settings.setdefault(key, []):
                    settings[key].append(told)
        found.append(
            {
                "arm": named(name, case),
                "seeds": ", ".join(str(study.spec.seed) for study in by_arm[name]),
                "settings": ", ".join(f"{key}: {' or '.join(v)}" for key, v in settings.items()),
            }
        )
    return found


def _period(results: Sequence[StudyResult]) -> str:
    """When the trials were run, in universal time."""
    moments = [r.finished for result in results for r in result.records if r.finished is not None]
    if not moments:
        return ""
    ends = min(moments), max(moments)
    first, last = (moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for moment in ends)
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _count(number: Any, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
