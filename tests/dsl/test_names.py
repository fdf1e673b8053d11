"""The table of names against the grammar, as lark reads it."""

from __future__ import annotations

import re
from importlib.resources import files

import lark
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dsl
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.names import RESERVED_WORDS, WORDS, is_name


def grammar() -> lark.Lark:
    return lark.Lark(files("dsl").joinpath("grammar.lark").read_text("utf-8"), parser="lalr")


def test_the_words_are_all_that_the_grammar_has():
    """A terminal without a priority, a mark or a name is a word, or several with one."""
    left = {t.name: t for t in grammar().terminals if t.name not in WORDS}
    prior = {n for n, t in left.items() if re.search(r"[A-Za-z]", t.pattern.value) and t.priority}
    assert prior == {"LOWER_MEMBER"}  # `.ilower`, which is also a name
    with_letters = {name for name, t in left.items() if re.match(r"\w", t.pattern.value, re.ASCII)}
    assert with_letters == set()
    assert {"NAME", "INTEGER", "STRING"} <= left.keys()


def test_each_word_is_matched_by_its_terminal_alone():
    terminals = {t.name: re.compile(t.pattern.to_regexp()) for t in grammar().terminals}
    for terminal, words in WORDS.items():
        for word in words:
            found = {name for name, form in terminals.items() if form.fullmatch(word)}
            assert found == {terminal, "NAME"}


def test_the_kinds_of_the_machine_are_those_of_the_grammar():
    assert WORDS["PROCESSOR"] == PROCESSOR_KINDS
    assert WORDS["MEMORY"] == MEMORY_KINDS


def can_be_parsed(name: str) -> bool:
    try:
        return dsl.parse(f"InstanceLimit {name} 1;").statements[0].task == name
    except dsl.MapperSyntaxError:
        return False


@pytest.mark.parametrize("word", sorted(RESERVED_WORDS))
def test_a_reserved_word_is_no_name_but_longer_ones_are(word):
    assert not is_name(word)
    assert not can_be_parsed(word)
    assert is_name(f"{word}_")
    assert can_be_parsed(f"{word}_")


@given(st.one_of(st.text(max_size=6), st.text("aZ_0.:-\n \\é", max_size=4)))
def test_a_name_is_what_the_parser_takes_for_one(text):
    assert is_name(text) == can_be_parsed(text)
