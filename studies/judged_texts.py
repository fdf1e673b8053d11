"""Old proposals under the judge of today: the mappers of transcripts, scored as texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.plain_text import plain
from studies.errors import UsageError
from studies.files import why
from studies.sentences import first_line

if TYPE_CHECKING:
    from tuners import MapperProblem
    from tuners.llm.candidates import Candidate

__all__ = ["JudgedText", "RecordedReply", "judged_texts", "recorded_replies"]

MOST_BYTES = 200_000_000
# How a request names the mapper that blocks are put into.
REVISED = re.compile(r"mapper of trial (\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A reply as a transcript holds it.

    Attributes:
        line: Its line, from 1.
        text: What the model said.
        trial: The trial that it was asked for; None where the transcript does not tell.
        revises: The trial whose mapper it revises, as its request says; likewise.
        case: Application, machine, nodes and parameters, where the line tells them.
    """

    line: int
    text: str
    trial: int | None = None
    revises: int | None = None
    case: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgedText:
    """What a reply comes to now.

    Attributes:
        reply: The reply.
        mapper: Its mapper, blocks put into the one that they revise; None where it has none.
        status: As of an outcome, or ``"no mapper"``, ``"refused"`` for what would go back.
        throughput: 0.0 unless the status is ok.
        of_floor: The floor over its time; None unless the status is ok.
        said: What is wrong with it; empty where nothing is.
    """

    reply: RecordedReply
    mapper: str | None
    status: str
    throughput: float = 0.0
    of_floor: float | None = None
    said: str = ""


def recorded_replies(path: Path) -> list[RecordedReply]:
    """The replies of a transcript: one of ours, or lines of JSON that hold a text ``reply``.

    Raises:
        UsageError: It cannot be read, or a line is neither.
        TranscriptError: It is one of ours, and damaged.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than 200 MB: that is no transcript")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why(error)}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path} is a binary file: a transcript is lines of JSON") from None
    first = next((line for line in lines if line.strip()), "")
    if '"schema"' in first.partition('"reply"')[0]:
        return list(_of_ours(path))
    return [_of_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _of_ours(path: Path) -> Iterator[RecordedReply]:
    from tuners.llm.model.transcript import read_transcript  # noqa: PLC0415  (where one is read)

    for exchange in read_transcript(path):
        if exchange.reply is not None:
            asked = [each.content for each in exchange.request.messages if each.role == "user"]
            named = REVISED.findall("\n".join(asked))
            yield RecordedReply(
                exchange.line,
                exchange.reply.text,
                exchange.request.trial,
                int(named[-1]) if named else None,
            )


def _of_line(path: Path, number: int, line: str) -> RecordedReply:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not _is_reply(found):
        raise UsageError(
            f"{path}:{number}: neither a line of a transcript that mappertune wrote nor JSON with "
            'a text "reply"'
        )
    case = {name: found[name] for name in ("application", "machine") if name in found}
    if case:
        case |= {"nodes": found.get("nodes"), "parameters": found.get("parameters") or {}}
    return RecordedReply(number, plain(found["reply"]), case=case)


def _is_reply(found: Any) -> bool:
    """Whether a JSON value holds a reply, and says rightly of what if it does."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("reply"), str)
        and all(isinstance(found.get(name, ""), str) for name in ("application", "machine"))
        and isinstance(found.get("nodes"), int | None)
        and isinstance(found.get("parameters") or {}, dict)
    )


def judged_texts(problem: MapperProblem, replies: Sequence[RecordedReply]) -> list[JudgedText]:
    """What the replies of one study come to, each judged as the reply to its request.

    Blocks are put into the mapper that the request names; where the transcript does not tell, into
    the first of the fastest mappers before. Whatever has no base stands for itself.

    Args:
        problem: What the study was about.
        replies: Its replies, in their order.
    """
    known: dict[int, str] = {0: problem.render(problem.template.defaults())}
    best: JudgedText | None = None
    found: list[JudgedText] = []
    for reply in replies:
        base = known.get(reply.revises) if reply.revises is not None else None
        if base is None and best is not None and reply.trial is None:
            base = best.mapper
        judged = _judged(problem, reply, base)
        found.append(judged)
        if judged.mapper is not None and reply.trial is not None:
            known[reply.trial] = judged.mapper
        if judged.status == "ok" and (best is None or judged.throughput > best.throughput):
            best = judged
    return found


def _judged(problem: MapperProblem, reply: RecordedReply, base: str | None) -> JudgedText:
    from tuners.llm.candidates import candidates_in  # noqa: PLC0415  (where one is judged)

    candidates: list[Candidate] = candidates_in(reply.text, problem, base=base)
    if not candidates:
        return JudgedText(reply, None, "no mapper", said="the reply holds no mapper")
    candidate = candidates[0]
    if candidate.complaints:
        said = first_line(candidate.complaints[0])
        return JudgedText(reply, candidate.text, "refused", said=said)
    outcome = problem.evaluate_text(candidate.text).outcome
    if not outcome.ok:
        said = first_line(outcome.raw)
        return JudgedText(reply, candidate.text, outcome.status, said=said)
    return JudgedText(reply, candidate.text, outcome.status, outcome.throughput, outcome.of_floor)
