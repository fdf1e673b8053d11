"""Statements parsed once are what a parse of the whole text gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dsl
from dsl.parsing.statement_cache import StatementCache

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "dsl_vectors.json").read_text("utf-8"))


def outcome(parse: object, text: str) -> object:
    try:
        return parse(text)  # type: ignore[operator]
    except dsl.MapperSyntaxError as error:
        return str(error)


def test_every_vector_parses_alike_and_fails_alike() -> None:
    cache = StatementCache()
    cases = VECTORS["index_maps"] + VECTORS["policies"]
    for case in cases:
        text = case["program"]
        assert outcome(cache.parse, text) == outcome(dsl.parse, text), case["id"]
    assert len(cases) > 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment\n",
        "Task a GPU",
        "Task a GPU;;",
        "Task a GPU; }",
        "def f(Task t) { return 1; };\nTask a GPU;",
        "def f(Task t) { return 1; } # } ;\nTask a GPU; // ; {\n",
        'print("; } # not a comment"); Task a GPU;',
        "Task a GPU;\r\nTask b CPU;\r\n",
        "def f(Task t) {\n  # a comment; with a semicolon\n  return 1;\n}\nTask a GPU;",
        "Task a # between\n GPU;",
        "Task a GPU; Task b XPU; Task c CPU;",
    ],
)
def test_texts_that_are_hard_to_cut(text: str) -> None:
    assert outcome(StatementCache().parse, text) == outcome(dsl.parse, text)


def test_equal_lines_are_the_same_statements() -> None:
    cache = StatementCache()
    first = cache.parse("Task a GPU;\nTask b CPU;\ndef f(Task t) {\n  return 1;\n}")
    second = cache.parse("# another\nTask b CPU;\n\ndef f(Task t) {\n  return 1;\n}\nTask a GPU;")
    assert second.statements[0] is first.statements[1]
    assert second.statements[1] is first.statements[2]
    assert second.statements[2] is first.statements[0]
