"""From an evaluation to guidance: every rule looks at it, and the best moves come first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf, log
from typing import TYPE_CHECKING, NamedTuple

import dsl
from dsl.units import amount, percent, seconds
from legion_bridge.outcome import floor_sentence
from legion_bridge.simulation.kernel_library import simulator_missing
from tuners.guide.case import HIDDEN, Case, Evaluates, GuidedProblem
from tuners.guide.free_memory import overflow
from tuners.guide.guidance import (
    Change,
    Found,
    Guidance,
    Move,
    Suggestion,
    TextChange,
    memory_word,
)
from tuners.guide.predicates import PREDICATES
from tuners.guide.repairs import REPAIRS
from tuners.guide.rules import Rule, load_rules

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from tuners.problems.problem import Evaluation, Finding

__all__ = ["MOST", "explain"]

MOST = 5
"""Suggestions that are made at most."""
LEAST = 1e-3
"""Share of an iteration that a suggestion must promise."""
ALIKE = 2
"""Findings of one diagnostic that are explained."""
QUICK = 6_000
"""Requirements of all points of a program up to which a simulation takes some 20 ms or less."""
MOST_TRIED = 30
"""Changes that are tried, those with the best estimates; fewer of programs that take longer."""
FEWEST_TRIED = 3
"""Changes that are worth a simulation at all: of larger programs all are estimated."""
UNSURE = 0.2
"""Share of an iteration above the floor below which estimates would mislead: the rest is waits."""
WORTH_A_TRY = -0.1
"""Share of an iteration that a change must be estimated to save before it is tried."""
LEAST_TRIED = 1e-4
"""Share of an iteration that a change must save when it is tried."""
OVERRATED = 1.3
"""Factor from which on an estimate is not told that exceeds what is possible."""
EQUAL = 1.05
"""Factor below which savings count as equal: the smaller change comes first then."""
MOST_EXPLAINED = 15
"""Explanations that are given at most: the first ones matter most."""


def explain(
    problem: GuidedProblem,
    evaluation: Evaluation,
    *,
    verify: bool | None = None,
    most: int = MOST,
    rules: Sequence[Rule] | None = None,
) -> Guidance:
    """What came of a mapper, what it means, and what to try.

    Args:
        problem: The program and the machine.
        evaluation: What came of the mapper; where it ran and nobody kept a profile, it is run
            again for one.
        verify: Whether to try the mappers that the suggestions make, and to leave out those that
            are no better. Otherwise the gains are estimates, and none are told near the floor. By
            default they are simulated, whatever runs mappers, as many as take some 0.6 s together.
        most: How many suggestions to make at most.
        rules: The rules to follow; those of mappertune by default.
    """
    case = Case(problem, evaluation)
    matches = list(_matches(case, load_rules() if rules is None else rules))
    ranked = sorted(matches, key=lambda each: -each.found.seconds)
    if case.program is None or not case.outcome.ok:
        suggestions = _mending(case, matches, most)
    else:
        judge = _judge(case, verify=verify)
        suggestions = _improving(case, ranked, most, judge)
    explanations = tuple(islice(_explanations(ranked), MOST_EXPLAINED))
    costly = [each for each in ranked if each.found.seconds >= HIDDEN * case.iteration]
    return Guidance(
        case.outcome.raw,
        explanations,
        tuple(suggestions),
        _standing(case),
        min(len(explanations), sum(1 for _ in _explanations(costly))),
    )


def _standing(case: Case) -> str:
    """How far the mapper is from the floor, where anybody knows."""
    if case.outcome.floor is None:
        return ""
    said = floor_sentence(replace(case.outcome, profile=case.profile))
    reference = case.problem.reference
    if reference is None or not reference.throughput or not case.outcome.ok:
        return f"{said[:1].upper()}{said[1:]}." if said else ""
    ratio = case.outcome.throughput / reference.throughput
    near = f", {ratio:.4g} x the throughput of the {reference.name}"
    before, found, after = said.partition(" an iteration")
    return f"{before[:1].upper()}{before[1:]}{found}{near}{after}." if said else ""


class _Match(NamedTuple):
    """A rule that applies, its place among the rules, and what it found."""

    rule: Rule
    order: int
    found: Found


def _matches(case: Case, rules: Sequence[Rule]) -> Iterator[_Match]:
    for order, rule in enumerate(rules):
        for found in _findings(case, rule):
            yield _Match(rule, order, found)


def _findings(case: Case, rule: Rule) -> Iterator[Found]:
    if rule.raw is not None:
        match = rule.raw.search(case.outcome.raw)
        if match is not None:
            values = _values_in(case, match.groupdict())
            # A profile tells more of a run than what it printed.
            if case.profile is None:
                yield _repaired(case, rule, values)
    elif rule.diagnostic is not None:
        for finding in case.diagnostics:
            if finding.code == rule.diagnostic:
                found = _repaired(case, rule, _values_of(finding), finding)
                yield replace(found, seconds=-1.0) if finding.severity == "note" else found
    elif rule.profile is not None and case.profile is not None:
        yield from PREDICATES[rule.profile](case)


def _values_in(case: Case, groups: Mapping[str, str | None]) -> Mapping[str, str]:
    """What a runtime's words say, in the program's names and with readable numbers."""
    values = {name: text or "" for name, text in groups.items()}
    for name in ("bytes", "capacity"):
        if values.get(name, "").isdecimal():
            values[name] = amount(float(values[name]))
    if "memory" in values:
        values["memory"] = memory_word(values["memory"]) or values["memory"]
    if "requirement" in values:
        values["argument"] = case.argument_label(
            values.get("task", ""), int(values["requirement"])
        )
    return values


def _values_of(finding: Finding) -> Mapping[str, str]:
    place = f"line {finding.position.line}: " if finding.position else ""
    hint = finding.suggestion or ""
    return {
        "place": place,
        "sentence": finding.sentence.rstrip("."),
        "hint": f"{hint[:1].upper()}{hint[1:].rstrip('.;')}." if hint else "",
        "advice": hint,
    }


def _repaired(
    case: Case, rule: Rule, values: Mapping[str, str], finding: Finding | None = None
) -> Found:
    moves = [] if rule.move is None else list(REPAIRS[rule.move](case, values, finding))
    return Found(values, 0.0, moves)


def _explanations(matches: Sequence[_Match]) -> Iterator[str]:
    """What the rules explain, each once; of many alike the first ones."""
    said: set[str] = set()
    alike = Counter(each.rule.name for each in matches if each.rule.diagnostic)
    given: Counter[str] = Counter()
    for each in matches:
        text = " ".join(each.rule.explanation.format_map(each.found.values).split())
        given[each.rule.name] += 1
        if not text or text in said or (each.rule.diagnostic and given[each.rule.name] > ALIKE):
            continue
        said.add(text)
        more = alike[each.rule.name] - ALIKE
        yield (
            f"{text} ({more} more like it.)"
            if more > 0 and given[each.rule.name] == ALIKE
            else text
        )


# What to do


def _mending(case: Case, matches: Sequence[_Match], most: int) -> list[Suggestion]:
    """Changes for a mapper that fails: those first that leave the fewest errors, then the fast."""
    ranked = []
    before = _faults(case, case.text)
    for order, suggestion in _suggestions(matches):
        try:
            text = suggestion.apply(case.text)
        except dsl.MapperSyntaxError:
            continue
        after = _faults(case, text)
        # What a check does not see, a run told: any change that brings no new error may help.
        fails_when_run = before.errors == 0 and after[:3] <= before[:3]
        if text != case.text and (after < before or fails_when_run):
            # Of equally good changes, the rules' order tells which keeps more of the mapper.
            ranked.append(((after[:3], order, after.seconds), suggestion))
    ranked.sort(key=lambda each: each[0])
    return [suggestion for _, suggestion in ranked[:most]]


class _Faults(NamedTuple):
    """How far a mapper is from a good one; less is better.

    Attributes:
        errors: How many a check finds, but for what it looks at once there is no other error:
        overflow: Bytes that do not fit.
        clashes: Whether instance limits clash.
        seconds: What an iteration would take, as far as that can be said.
    """

    errors: int
    overflow: float
    clashes: int
    seconds: float


def _faults(case: Case, text: str) -> _Faults:
    try:
        program = dsl.parse(text)
    except dsl.MapperSyntaxError as error:
        return _Faults(1000 + len(error.others), 0.0, 0, inf)
    found = case.check(program)
    errors = [each.code for each in found if each.severity == "error"]
    clashes = errors.count("limits-clash")
    others = sum(code != "out-of-memory" for code in errors) - clashes
    decisions = None if others else case.background.decide(program.statements)
    if decisions is None:
        return _Faults(others, inf, 0, inf)
    lacking = overflow(case, decisions) if "out-of-memory" in errors else 0.0
    return _Faults(0, lacking, clashes, case.estimator.estimate(decisions).total)


class _Candidate(NamedTuple):
    """A change that may make the mapper faster, and the share of an iteration that it saves."""

    share: float
    rule: Rule
    found: Found
    move: Move
    change: Change

    @property
    def order(self) -> tuple[int, int, float]:
        """What saves most first; of equal savings the smaller change."""
        size = len(self.change.new) + len(self.change.gone)
        share = max(self.share, LEAST_TRIED)
        return -round(log(share) / log(EQUAL)), size, -self.share

    def resembles(self, other: _Candidate) -> bool:
        """Whether it is the same remedy: a part of it, or one like it for some same tasks."""
        mine, others = (
            {*self.change.new, *self.change.gone},
            {*other.change.new, *other.change.gone},
        )
        if mine <= others or others <= mine:
            return True
        same = self.rule is other.rule and self.move.block == other.move.block
        return same and not set(self.move.tasks).isdisjoint(other.move.tasks)


def _judge(case: Case, *, verify: bool | None) -> _Judge | None:
    """What tries mappers; None where estimates must do."""
    if verify:
        return _Judge(case.problem.evaluator, case.outcome, MOST_TRIED)
    if simulator_missing():
        return None
    simulation = case.problem.simulation
    requirements = int(simulation.simulator.program.point_requirement[-1])
    most = min(MOST_TRIED, MOST_TRIED * QUICK // max(1, requirements))
    if verify is False or most < FEWEST_TRIED:
        return None
    if case.problem.evaluator is simulation:
        return _Judge(simulation, case.outcome, most)
    assert case.program is not None  # noqa: S101  (asked only of mappers that run)
    return _Judge(simulation, simulation.evaluate(case.program), most)


class _Judge(NamedTuple):
    """Tries changed mappers.

    Attributes:
        evaluator: Runs or simulates them.
        before: What came of the mapper as it is.
        most: How many are tried.
    """

    evaluator: Evaluates
    before: Outcome
    most: int

    def saved(self, case: Case, change: Change) -> float | None:
        """The share of an iteration that a change saves; None where it saves nothing."""
        changed = dsl.Program(tuple(case.changed(change.new, change.gone)))
        after = self.evaluator.evaluate(changed)
        if not after.ok or not self.before.ok or after.throughput <= self.before.throughput:
            return None
        return 1.0 - self.before.throughput / after.throughput


def _improving(
    case: Case, matches: Sequence[_Match], most: int, judge: _Judge | None
) -> list[Suggestion]:
    """Changes that make a mapper faster, those first that save most."""
    if case.decisions is None:
        return []
    least = LEAST if judge is None else WORTH_A_TRY
    candidates = sorted(_candidates(case, matches, least), key=lambda each: each.order)
    if judge is None:
        ranked: Iterable[_Candidate] = filter(None, (_possible(case, c) for c in candidates))
    else:
        ranked = _tried(case, candidates[: judge.most], judge)
    chosen: list[_Candidate] = []
    for candidate in ranked:
        if len(chosen) == most:
            break
        new = not any(candidate.resembles(other) for other in chosen)
        if new and not _refused(case, candidate):
            chosen.append(candidate)
    return [_priced(each, case.iteration, tried=judge is not None) for each in chosen]


def _tried(case: Case, candidates: Sequence[_Candidate], judge: _Judge) -> list[_Candidate]:
    """The changes that save something, with what they save when they are tried."""
    found = []
    for each in candidates:
        share = judge.saved(case, each.change)
        if share is not None and share >= LEAST_TRIED:
            found.append(each._replace(share=share))
    return sorted(found, key=lambda each: each.order)


def _possible(case: Case, candidate: _Candidate) -> _Candidate | None:
    """A change with no more than it can save; None where the estimate is not to be trusted.

    No change takes an iteration below the floor. Near it what is left are waits of which estimates
    know little: of mappers near the best known they promised 2.6 times what was saved.
    """
    floor = case.outcome.floor.seconds if case.outcome.floor else 0.0
    most = 1.0 - floor / case.iteration
    if candidate.share > OVERRATED * most or most < UNSURE:
        return None
    return candidate._replace(share=min(candidate.share, most))


def _candidates(case: Case, matches: Sequence[_Match], least: float) -> Iterator[_Candidate]:
    """Changes with what they are expected to save, where that is a least share."""
    seen: set[Change] = set()
    for rule, _, found in matches:
        for move in found.moves:
            change = move.change
            if not isinstance(change, Change) or not change or change in seen:
                continue
            seen.add(change)
            share = case.saved(change)
            if share is not None and share > least:
                yield _Candidate(share, rule, found, move, change)


def _refused(case: Case, candidate: _Candidate) -> bool:
    """Whether a check finds an error in the changed mapper."""
    change = candidate.change
    changed = dsl.Program(tuple(case.changed(change.new, change.gone)))
    return any(each.severity == "error" for each in case.check(changed))


def _priced(candidate: _Candidate, iteration: float, *, tried: bool) -> Suggestion:
    gain = candidate.share * iteration
    suggestion = _suggestion(candidate.rule, candidate.found, candidate.move)
    expected = "It was tried: it saves" if tried else "Expected to save"
    sentence = (
        f"{suggestion.sentence} {expected} {seconds(gain)} of {seconds(iteration)} an "
        f"iteration ({percent(candidate.share, decimals=1)})."
    )
    return replace(suggestion, sentence=sentence, gain=gain, share=candidate.share, verified=tried)


def _suggestions(matches: Sequence[_Match]) -> Iterator[tuple[int, Suggestion]]:
    """All changes, each once, with the place of their rule among the rules."""
    seen: set[Change | TextChange] = set()
    for rule, order, found in matches:
        for move in found.moves:
            if move.change and move.change not in seen:
                seen.add(move.change)
                yield order, _suggestion(rule, found, move)


def _suggestion(rule: Rule, found: Found, move: Move) -> Suggestion:
    values = {**found.values, **move.values}
    return Suggestion(
        sentence=rule.suggestion.format_map(values).strip(),
        statements=move.change.statements,
        replaces=move.change.replaces,
        block=move.block,
        rule=rule.name,
        tasks=move.tasks,
        regions=move.regions,
    )
