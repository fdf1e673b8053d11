"""The grammar as it is used: what takes a text apart into tokens, and the tables of the parser."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from lark import Lark

from dsl.parsing.lalr import Lalr
from dsl.parsing.tree_builder import TreeBuilder

__all__ = ["lexer", "tables"]


@cache
def lexer() -> Lark:
    """What knows the tokens; a parser of Lark's would make a lexer anew for each text."""
    return Lark(_text(), parser=None, lexer="basic")


@cache
def tables() -> Lalr:
    """What knows which token may follow, and what they become in the syntax tree."""
    return Lalr(Lark(_text(), parser="lalr", lexer="basic", transformer=TreeBuilder()))


@cache
def _text() -> str:
    return files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
