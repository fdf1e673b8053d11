"""The rules of the guide, read from ``rules.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from legion_bridge.shapes import ShapeError, a_text, an_object, optional

__all__ = ["Rule", "load_rules", "read_rules"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when it applies, what that means and what to do.

    Attributes:
        name: Unique.
        source: Where it comes from.
        raw: Pattern over what the runtime said; its named groups are placeholders.
        diagnostic: Code of a diagnostic.
        profile: Name of a predicate over the profile.
        explanation: What it means, with placeholders in braces; empty where the raw text says
            enough.
        suggestion: What to do, with placeholders; empty where there is nothing to do.
        move: Name of a repair that makes the change; predicates bring their own.
    """

    name: str
    source: str
    raw: re.Pattern[str] | None = None
    diagnostic: str | None = None
    profile: str | None = None
    explanation: str = ""
    suggestion: str = ""
    move: str | None = None


@cache
def load_rules() -> tuple[Rule, ...]:
    """The rules of mappertune."""
    return read_rules(files("tuners.guide").joinpath("rules.toml").read_text(encoding="utf-8"))


def read_rules(text: str) -> tuple[Rule, ...]:
    r"""Rules from a file's text.

    Raises:
        ValueError: A rule has no name, a member that is none of a rule, or not just one of
            ``raw``, ``diagnostic`` and ``profile``; or two have one name.

    >>> read_rules('[[rule]]\nname = "a"\nsource = "me"\nraw = "boom"\n')[0].name
    'a'
    """
    rules = tuple(_rule(entry) for entry in tomllib.loads(text).get("rule", []))
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two rules are named {twice[0]}: give one another name")
    return rules


_TRIGGERS = ("raw", "diagnostic", "profile")


def _pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(a_text(value), re.IGNORECASE)
    except re.error as error:
        raise ShapeError(f"must be a regular expression: {error}") from None


_RULE = an_object(
    {
        "name": a_text,
        "source": a_text,
        "raw": optional(_pattern, None),
        "diagnostic": optional(a_text, None),
        "profile": optional(a_text, None),
        "explanation": optional(a_text, ""),
        "suggestion": optional(a_text, ""),
        "move": optional(a_text, None),
    },
    "a table",
)


def _rule(entry: Mapping[str, Any]) -> Rule:
    name = entry.get("name", "")
    try:
        content = _RULE(entry)
    except ShapeError as error:
        raise ValueError(f"rule {name!r}: {error.in_table}") from None
    if not name or sum(key in entry for key in _TRIGGERS) != 1:
        raise ValueError(f"rule {name!r} needs a name and just one of {', '.join(_TRIGGERS)}")
    return Rule(**content)
