"""``mappertune replay``: old proposals of models under the judge of today."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.cli.console import first_sentence, print_json, quantity, say, table
from studies.errors import UsageError

if TYPE_CHECKING:
    from studies.judged_texts import JudgedText, RecordedReply
    from studies.suite import Case
    from tuners import MapperProblem

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Judges the mappers of transcripts as texts."""
    from studies.judged_texts import judged_texts, recorded_replies
    from studies.references import best_reference

    if not arguments.texts:
        raise UsageError(
            "say --texts to judge the mappers of transcripts as texts; a whole study is played "
            "back by tune --tuner llm --model replay:TRANSCRIPT"
        )
    found: list[dict[str, Any]] = []
    for path in map(Path, arguments.transcripts):
        replies = recorded_replies(path)
        case = _case(path, replies, arguments)
        problem = case.problem()
        judged = judged_texts(problem, replies)
        reference = best_reference(problem)
        usual = reference.throughput if reference else None
        name = reference.name if reference else None
        if arguments.json:
            found.append(_as_json(path, case, judged, (name, usual), problem))
        else:
            say(f"{path}: {case.name}, {len(judged)} replies")
            _print(judged, (name, usual), problem)
    if arguments.json:
        print_json(found)
    return 0


def _case(path: Path, replies: Sequence[RecordedReply], arguments: argparse.Namespace) -> Case:
    """What a transcript is about: what its lines tell, and else the options.

    Raises:
        UsageError: Nothing tells the application, or the lines tell several.
    """
    from studies.cli.cases import case_of
    from studies.suite import Case

    told = [reply.case for reply in replies if reply.case]
    if any(each != told[0] for each in told):
        raise UsageError(f"{path} is of several cases: put each into a file of its own")
    if arguments.application is not None or not told:
        if arguments.application is None:
            raise UsageError(f"{path} does not tell its application: say it by --app")
        return case_of(arguments)
    case = told[0]
    if "application" not in case:
        raise UsageError(f"{path} does not tell its application: say it by --app")
    nodes = case["nodes"]
    return Case(
        case["application"],
        case.get("machine", arguments.machine),
        case["parameters"],
        None if nodes in (None, 1) else nodes,
    )


def _print(
    judged: Sequence[JudgedText],
    reference: tuple[str | None, float | None],
    problem: MapperProblem,
) -> None:
    from dsl.units import percent

    name, usual = reference
    rows = []
    for each in judged:
        ok = each.status == "ok"
        rows.append(
            (
                str(each.reply.line),
                "" if each.reply.trial is None else str(each.reply.trial),
                each.status,
                quantity(each.throughput, problem.application.unit) if ok else "",
                f"{each.throughput / usual:.4f}" if ok and usual else "",
                "" if each.of_floor is None else percent(each.of_floor, decimals=1),
                first_sentence(each.said)[:60],
            )
        )
    headings = ("line", "trial", "status", "throughput", f"over {name or 'nothing'}", "of floor")
    table((*headings, ""), rows, words=0)


def _as_json(
    path: Path,
    case: Case,
    judged: Sequence[JudgedText],
    reference: tuple[str | None, float | None],
    problem: MapperProblem,
) -> dict[str, Any]:
    name, usual = reference
    return {
        "transcript": str(path),
        "case": case.name,
        "unit": problem.application.unit,
        "reference": name,
        "reference_throughput": usual,
        "replies": [
            {
                "line": each.reply.line,
                "trial": each.reply.trial,
                "status": each.status,
                "throughput": each.throughput,
                "over_reference": each.throughput / usual if usual else None,
                "of_floor": each.of_floor,
                "said": each.said,
                "mapper": each.mapper,
            }
            for each in judged
        ],
    }
