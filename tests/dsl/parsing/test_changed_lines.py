"""Texts whose lines are changed are read only where a change can tell, and as a whole text is."""

from __future__ import annotations

import random
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput

import dsl
from dsl.parsing.changed_lines import ChangedLines
from dsl.parsing.grammar import tables
from dsl.parsing.statement_cache import StatementCache
from dsl.parsing.tolerant_lexer import BAD, tolerant_tokens
from dsl.parsing.tree_builder import TreeBuilder
from tests.dsl.mapper_texts import mappers, token_soups

LINES = (
    "Task a GPU;",
    "Task a GPU",
    "Region * a GPU FBMEM;",
    "def f(Task t) {",
    "  x = t.ipoint[0] / 2;",
    "  return m[x, 0] ? 1 : (2, 3);",
    "}",
    "} }",
    "a = (1,",
    "2);",
    "a = b and c;",
    "# a comment; }",
    'print("{} ;", a);',
    "",
    "`",
    "return 1",
)
# It is Lark's own parser that ours is held against.
GRAMMAR = files("dsl").joinpath("grammar.lark").read_text("utf-8")
PEER = Lark(GRAMMAR, parser="lalr", lexer="basic", transformer=TreeBuilder())


def random_text(seed: int) -> str:
    rng = random.Random(seed)
    return "\n".join(rng.choice(LINES) for _ in range(rng.randint(1, 12)))


def mistakes_of(text: str) -> list[tuple[int, int, str]]:
    try:
        dsl.parse(text)
    except dsl.MapperSyntaxError as error:
        errors = (error, *error.others)
        return [(each.line, each.column, each.sentence) for each in errors]
    return []


def stop_of(text: str) -> tuple[int, int] | None:
    mistakes = mistakes_of(text)
    return (mistakes[0][0] - 1, mistakes[0][1] - 1) if mistakes else None


@pytest.mark.parametrize("seed", range(150))
def test_it_stops_where_the_whole_text_does_whatever_was_changed(seed):
    text = random_text(seed)
    changed, rng = ChangedLines(text, patience=10**6), random.Random(seed)
    assert changed.stop == stop_of(text)
    for _ in range(8):
        if changed.stop is None:
            break
        number, line = rng.randint(0, changed.stop[0]), rng.choice(LINES)
        before, lines = changed.stop, changed.lines.copy()
        lines[number] = line
        stop = stop_of("\n".join(lines))
        assert changed.change(number, line) == (stop is None or stop > before)
        assert changed.stop == stop_of("\n".join(changed.lines))


def test_patience_ends():
    changed = ChangedLines("Task a GPU\n" * 9, patience=1)
    assert changed.change(0, "Task a GPU;")
    assert not changed.change(1, "Task a GPU;")


@given(st.one_of(mappers, token_soups, st.integers().map(random_text)))
def test_the_parser_reads_what_larks_own_reads(text):
    try:
        expected = PEER.parse(text)
    except (UnexpectedInput, dsl.MapperSyntaxError):
        with pytest.raises(dsl.MapperSyntaxError):
            dsl.parse(text)
    else:
        found = dsl.parse(text).statements
        assert repr(found) == repr(expected)
        assert [each.position for each in found] == [each.position for each in expected]


@pytest.mark.parametrize("seed", range(60))
def test_what_can_follow_is_what_larks_own_says(seed):
    lalr, theirs = tables(), PEER.parse_interactive("")
    states = [*lalr.start]
    for token in tolerant_tokens(random_text(seed)).tokens:
        assert lalr.takes(states) == theirs.accepts()
        if token.type == BAD or not lalr.feed(states, token.type, None, None):
            break
        theirs.feed_token(token)


@pytest.mark.parametrize("seed", range(60))
def test_a_cache_of_statements_finds_the_mistakes_that_a_whole_text_has(seed):
    text, cache = random_text(seed), StatementCache()
    expected = mistakes_of(text)
    for _ in range(2):
        if expected:
            with pytest.raises(dsl.MapperSyntaxError) as found:
                cache.parse("\n" + text)
            errors = (found.value, *found.value.others)
            assert [(each.line - 1, each.column, each.sentence) for each in errors] == expected
        else:
            assert cache.parse("\n" + text).statements == dsl.parse(text).statements


def test_a_mistake_that_is_known_is_told_anew():
    errors = []
    for filename in ("a", "b"):
        with pytest.raises(dsl.MapperSyntaxError) as found:
            dsl.parse("Task a GPU\nTask", filename=filename)
        errors.append(found.value)
    first, second = errors
    assert first is not second
    assert (first.filename, second.filename) == ("a", "b")
    assert [each.filename for each in first.others] == ["a"] * len(first.others)
