"""Keeping a prompt under a token limit: the least useful goes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuners.errors import TunerError
from tuners.llm.model.exchange import estimated_tokens

__all__ = ["Entry", "PromptTooLong", "fit"]


class PromptTooLong(TunerError):  # noqa: N818  (what is the case)
    """What must be said alone exceeds the limit; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of a prompt that may go.

    Attributes:
        text: In full.
        short: In brief, where there is no room for the whole; empty to leave it out.
        place: Where it stands among the others; parts of equal place keep their order.
    """

    text: str
    short: str = ""
    place: float = 0.0


def fit(needed: Sequence[str], entries: Sequence[Entry], limit: int) -> list[str]:
    """The entries that fit beside what is needed, in the order of their places.

    Args:
        needed: What stands in any case.
        entries: The most useful first.
        limit: Of tokens, of all together.

    Raises:
        PromptTooLong: What is needed does not fit by itself.

    >>> fit(["x" * 30], [Entry("a" * 30, place=2), Entry("b" * 300, "b", place=1)], limit=50)
    ['b', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']
    """
    room = limit - sum(estimated_tokens(text) for text in needed)
    if room < 0:
        raise PromptTooLong(
            f"the prompt takes {limit - room:,} tokens without any history, more than the limit "
            f"of {limit:,}: raise max_prompt_tokens"
        )
    kept: list[tuple[float, str]] = []
    for entry in entries:
        for text in filter(None, (entry.text, entry.short)):
            tokens = estimated_tokens(text)
            if tokens <= room:
                room -= tokens
                kept.append((entry.place, text))
                break
    return [text for _, text in sorted(kept, key=lambda each: each[0])]
