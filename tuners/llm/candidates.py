"""The candidates of a reply, checked but not run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import dsl
from dsl import syntax
from dsl.errors import MapperSyntaxError, MappertuneError
from dsl.unparse import unparse_statement
from tuners.llm.replies.texts import joined_blocks, json_values_in, mapper_texts_in, merge_blocks
from tuners.llm.replies.values import InvalidValues, checked_values
from tuners.problems.problem import MendingProblem
from tuners.problems.shorten import used_definitions

if TYPE_CHECKING:
    from tuners.problems.problem import TextProblem

__all__ = ["Answer", "Candidate", "candidates_in", "check_candidate"]

LONGEST_REPLY = 200_000  # characters that are looked at
LONGEST_CANDIDATE = 40_000
COMPLAINTS = 6  # told at once
BYTE_ORDER_MARK = "\ufeff"

# The form of a reply.
Answer = Literal["mapper", "blocks", "values"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that a model proposed.

    Attributes:
        text: The text as it would be evaluated.
        key: Equal for equal candidates; None for a text that is no candidate.
        complaints: What a check finds wrong with it.
        notes: What was changed in what the model wrote, because no other could be meant.
    """

    text: str
    key: str | None
    complaints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def candidates_in(
    reply: str, problem: TextProblem, *, base: str | None = None, most: int = 1
) -> list[Candidate]:
    """The candidates of a reply, each checked; the last ones where there are too many.

    Args:
        reply: What the model said, of any length and kind.
        problem: What it was asked about.
        base: The mapper that blocks are put into; None where whole mappers were asked for.
        most: How many candidates to take.
    """
    reply = _without_thoughts(reply[:LONGEST_REPLY]).replace(BYTE_ORDER_MARK, "")
    if problem.form == "values":
        texts = _value_texts(reply, problem)
    else:
        texts = mapper_texts_in(reply)
        if texts:
            return _mappers(texts, problem, base, most)
        texts = _value_texts(reply, problem)
    return [_checked(text, problem, base) for text in texts[-most:]]


def _mappers(
    texts: Sequence[str], problem: TextProblem, base: str | None, most: int
) -> list[Candidate]:
    """The candidates that texts of the mapping language make."""
    mended: list[tuple[str, tuple[str, ...]]] = [
        problem.mend(text) if isinstance(problem, MendingProblem) else (text, ()) for text in texts
    ]
    if base is not None and most == 1:
        notes = dict.fromkeys(note for _, notes in mended for note in notes)
        mended = [(joined_blocks([text for text, _ in mended]), tuple(notes))]
    return [replace(_checked(text, problem, base), notes=notes) for text, notes in mended[-most:]]


def _without_thoughts(reply: str) -> str:
    """The reply without the reasoning that some models put before it."""
    for end in ("</think>", "</thinking>", "</reasoning>"):
        if end in reply:
            reply = reply.rpartition(end)[2]
    return reply


def _value_texts(reply: str, problem: TextProblem) -> list[str]:
    """Candidates that are written as values of parameters."""
    names = set(problem.distributions)
    return [
        _rendered(values, problem)
        for each in json_values_in(reply)
        for values in _value_objects(each, names)
    ]


def _value_objects(found: Mapping[str, Any], names: set[str]) -> list[Mapping[str, Any]]:
    """The object itself, or those under a key such as ``candidates``."""
    if names & found.keys():
        return [found]
    inner = [each for value in found.values() for each in _listed(value)]
    return [each for each in inner if isinstance(each, dict) and names & each.keys()]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _rendered(values: Mapping[str, Any], problem: TextProblem) -> str:
    """The candidate's text where the values are valid, else the values: a check will complain."""
    active = {name: each for name, each in problem.distributions.items() if name in values}
    try:
        return problem.render(checked_values(values, active))
    except (InvalidValues, MappertuneError, KeyError):
        return json.dumps(dict(values), default=str)


def _checked(text: str, problem: TextProblem, base: str | None) -> Candidate:
    if len(text) > LONGEST_CANDIDATE:
        sentence = f"it has {len(text):,} characters; the most is {LONGEST_CANDIDATE:,}"
        return Candidate(text[:LONGEST_CANDIDATE], None, (sentence,))
    try:
        whole = text if base is None else _revised(base, text)
    except MapperSyntaxError as error:
        return Candidate(text, None, _syntax_complaints(error))
    return check_candidate(whole, problem)


def _revised(base: str, part: str) -> str:
    """The base with some blocks replaced, without the definitions that nothing uses then."""
    statements = dsl.parse(merge_blocks(base, part)).statements
    maps = [each for each in statements if isinstance(each, _MAPS)]
    used = list(used_definitions(statements, map(unparse_statement, maps)))
    kept = [each for each in statements if not isinstance(each, _DEFINITIONS) or each in used]
    return "".join(f"{unparse_statement(each)}\n" for each in kept)


_MAPS = (syntax.IndexTaskMap, syntax.SingleTaskMap)
_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition)


def check_candidate(text: str, problem: TextProblem) -> Candidate:
    """The candidate that a text is, with what a check finds wrong with it."""
    try:
        found = problem.check(text)
        key = problem.identity(text)
    except MapperSyntaxError as error:
        return Candidate(text, None, _syntax_complaints(error))
    except MappertuneError as error:
        return Candidate(text, None, (str(error),))
    errors = [str(each) for each in found if each.severity == "error"]
    more = [f"and {len(errors) - COMPLAINTS} more"] if len(errors) > COMPLAINTS else []
    return Candidate(text, key, (*errors[:COMPLAINTS], *more))


def _syntax_complaints(error: MapperSyntaxError) -> tuple[str, ...]:
    return tuple(map(str, (error, *error.others[: COMPLAINTS - 1])))
