"""The words of the language, read from its grammar, and the names that a mapper may write.

Reserved words are terminals of the grammar, so none of them is ever a name. They are read here
from the grammar's text, which is the only place that lists them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType

from dsl.facts import RequirementFacts

__all__ = ["NAME_PATTERN", "RESERVED_WORDS", "WORDS", "argument_name", "is_name"]

# A terminal that is a word, such as `DEF: "def"`, or one of several, such as
# `TYPE.1: /(int|bool)(?![_A-Za-z0-9])/`.
_WORD_TERMINAL = re.compile(r'^([A-Z_]+)(?:\.1)?: (?:"(\w+)"$|/\(([\w|]+)\)\(\?!)', re.MULTILINE)


def _words() -> dict[str, tuple[str, ...]]:
    grammar = files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return {
        terminal: tuple((word or words).split("|"))
        for terminal, word, words in _WORD_TERMINAL.findall(grammar)
    }


WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(_words())
"""The words of each terminal that consists of words, in the order of the grammar."""
RESERVED_WORDS = frozenset(word for words in WORDS.values() for word in words)
"""The words that cannot be names."""
NAME_PATTERN = rf"(?!(?:{'|'.join(sorted(RESERVED_WORDS))})\b)[_A-Za-z][_A-Za-z0-9]*"
"""A name as a regular expression, to be used with ``re.ASCII``."""

_NAME = re.compile(NAME_PATTERN, re.ASCII)


def is_name(name: str) -> bool:
    """Whether a mapper can write this name: an identifier that is no reserved word.

    >>> is_name("calculate_new_currents"), is_name("Legion::init"), is_name("size")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None


def argument_name(
    requirements: Sequence[RequirementFacts], index: int, names: Sequence[str] | None = None
) -> str:
    """What a mapper calls one region requirement of a task.

    Args:
        requirements: All requirements of the task.
        index: Index of the requirement to name.
        names: The names to choose from; by default all that the requirement has.

    Returns:
        The first name that belongs to no other requirement of the task and that can be written;
        else its index.
    """
    others = {
        name
        for other, requirement in enumerate(requirements)
        if other != index
        for name in requirement.names
    }
    known = requirements[index].names if names is None else names
    return next((name for name in known if name not in others and is_name(name)), str(index))
