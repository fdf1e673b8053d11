"""``mappertune explain --decisions``: what a mapper's statements and decisions gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.cli.console import first_sentence, print_json, quantity, say

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from studies.decision_gains import DecisionGain
    from studies.suite import Case
    from tuners import MapperProblem
    from tuners.problems.statement_gains import StatementGain

__all__ = ["tell_decisions"]


def tell_decisions(
    case: Case, problem: MapperProblem, text: str, measured: Mapping[str, Any], *, as_json: bool
) -> int:
    """Prints what each statement gains, and each decision in which it differs from the reference.

    Args:
        case: What the mapper is of.
        problem: The same, whose mappers are simulated.
        text: The mapper.
        measured: What was measured of it before, as JSON values.
        as_json: Whether JSON is printed.

    Returns:
        The exit code: 1 where the mapper fails.
    """
    import dsl
    from studies.decision_gains import decision_gains
    from studies.references import best_reference, reference_text
    from tuners.problems.statement_gains import statement_gains

    def evaluate(text: str) -> Outcome:
        return problem.evaluate_text(text, check=False).outcome

    try:
        whole, statements = statement_gains(evaluate, text)
    except dsl.MapperSyntaxError:
        whole, statements = evaluate(text), []
    reference = best_reference(problem) if whole.ok else None
    beside = None if reference is None else reference_text(problem.application, reference.name)
    decisions: list[DecisionGain] = []
    unmoved = 0
    if beside is not None:
        decisions, unmoved = decision_gains(problem, evaluate, text, beside)
    name, throughput = (reference.name, reference.throughput) if reference else (None, None)
    if as_json:
        found = {
            "application": case.application,
            "machine": case.machine,
            "status": whole.status,
            "throughput": whole.throughput,
            "unit": whole.unit,
            "raw": whole.raw,
            "statements": [each.as_json() for each in statements],
            "reference": name,
            "reference_throughput": throughput,
            "decisions": [each.as_json() for each in decisions],
            "decisions_not_moved": unmoved,
        }
        print_json(found | dict(measured))
        return 0 if whole.ok else 1
    if not whole.ok:
        say(f"it does not run, so that nothing gains: {whole.raw}")
        return 1
    say(f"{case.application} on {case.machine}: {quantity(whole.throughput, whole.unit)}")
    _tell_statements(statements)
    if throughput:
        ratio = whole.throughput / throughput
        say(f"\nwhere it decides otherwise than the {name}, to which it is {ratio:.3f}:")
        _tell_apart(decisions, unmoved)
    return 0


def _tell_statements(statements: Sequence[StatementGain]) -> None:
    say("\neach statement, beside the mapper without it:")
    for each in sorted(statements, key=lambda each: -each.by.rank):
        if each.by.matters:
            line = "" if each.line is None else f" (line {each.line})"
            say(f"  {each.label}: {each.by.told}{line}{_reason(each.by.without)}")
    idle = [each for each in statements if not each.by.matters]
    if idle:
        say(f"  {len(idle)} of {len(statements)} change nothing alone:")
        say(f"    {'; '.join(each.label for each in idle)}")


def _tell_apart(decisions: Sequence[DecisionGain], unmoved: int) -> None:
    for each in decisions:
        if each.by.matters:
            say(f"  {each.label}: {each.by.told} (there {each.theirs}){_reason(each.by.without)}")
    idle = [each for each in decisions if not each.by.matters]
    if idle:
        say(f"  no difference in time: {'; '.join(each.label for each in idle)}")
    if not decisions:
        say("  nowhere that a statement could change")
    if unmoved:
        say(f"  {unmoved} more that no statement alone takes from one to the other")


def _reason(without: Outcome | None) -> str:
    if without is None or without.ok:
        return ""
    return f"; without it: {first_sentence(without.raw)}"
