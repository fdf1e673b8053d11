"""Strategies for the texts of mappers, right and wrong, for property tests.

The expressions are mostly of the kind that their place wants, so that evaluation gets far, and
now and then of another.
"""

from __future__ import annotations

import re
from functools import cache

from hypothesis import strategies as st

__all__ = ["any_texts", "mappers", "token_soups"]

_HEAD = """\
m = Machine(GPU);
c = 3;
x = 5;
def twice(int a) { return a * 2; }
def pick(bool b, int x, int y) { return b ? x : y; }
def row(IPoint p) { return p[0]; }
def spot(int k, MSpace s) { return s[k % 2, k % s.size[1]]; }
def fact(int n) { return n < 2 ? 1 : n * fact(n - 1); }
def down(int n) { return n < 1 ? (0, 0) : down(n - 1) + (1, n); }
"""
_LEAVES = {
    "small": ["-1", "0", "1", "2", "3"],
    "int": ["0", "1", "2", "7", "2147483647", "c", "x", "t.ipoint[0]", "t.ipoint[1]"],
    "bool": ["True", "False", "t.ipoint[0] > 0", "x == 1"],
    "tuple": ["t.ipoint", "t.ispace", "(1, 2)", "(3, 0, 1)", "m.size", "m[:-1]"],
    "space": ["m", "m", "Machine(GPU)", "Machine(CPU)"],
    "point": ["m[0, 1]", "m[t.ipoint[0] % 2, t.ipoint[1] % 4]", "m[*, 0]"],
    "odd": ["GPU", "FBMEM", "*", "twice", "t", "Machine", "nowhere"],
}
# Words in braces stand for expressions of their kind.
_FORMS = {
    "small": ["{int}"],
    "int": [
        *("({int} + {int})", "({int} - {int})", "({int} * {int})", "({int} / {int})"),
        *("({int} % {int})", "({bool} ? {int} : {int})", "-{int}", "{tuple}[{small}]"),
        *("{tuple}.len", "{tuple}.volume", "{space}.size[{small}]", "twice({int})"),
        *("fact({int} % 9)", "pick({bool}, {int}, {int})", "row({tuple})"),
    ],
    "bool": [
        *("({int} < {int})", "({int} >= {int})", "({int} == {int})", "({bool} && {bool})"),
        *("({bool} != {bool})", "({bool} || {bool})", "({bool} ? {bool} : {bool})"),
    ],
    "tuple": [
        *("({int}, {int})", "({int}, *({tuple}))", "({tuple} + {tuple})", "({tuple} % {tuple})"),
        *("({tuple} / {tuple})", "{tuple}[{small}:{small}]", "{tuple}[{small}:]", "-(1, 2)"),
        *("({bool} ? {tuple} : {tuple})", "tuple({int} for x in ({int}, {int}))", "{point}"),
        "down({int} % 4)",
    ],
    "space": [
        *("{space}.split({small}, {int})", "{space}.merge({small}, {small})"),
        *("{space}.swap({small}, {small})", "{space}.slice({small}, {small}, {small})"),
        *("{space}.reverse({small})", "{space}.balance_split({small}, {small})"),
        *("{space}.auto_split({small}, {tuple})", "{space}.greedy_split({small}, {tuple})"),
        "({bool} ? {space} : {space})",
    ],
    "point": [
        *(
            "m[{int} % m.size[0], {int} % m.size[1]]",
            "{space}[{int}, {int}]",
            "{space}[*({tuple})]",
        ),
        *("m[{int}, *]", "{space}.merge(0, 1)[{int}]", "spot({int}, {space})"),
        "({bool} ? {point} : {point})",
    ],
    "odd": ["{int}", "{bool}", "{tuple}", "{space}", "{point}"],
}
_STATEMENTS = ["x = {int};", "y = {space};", 'print("{{}} {{}}", {bool}, {int});', "v = {tuple};"]


@cache
def _expressions(kind: str, depth: int) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(_LEAVES[kind])
    if depth == 0:
        return leaves
    filled = st.sampled_from(_FORMS[kind]).flatmap(lambda form: _fill(form, depth - 1))
    return st.one_of(leaves, filled, filled)


def _fill(form: str, depth: int) -> st.SearchStrategy[str]:
    parts = [_mostly(kind, depth) for kind in re.findall(r"(?<!\{)\{(\w+)\}", form)]
    blank = re.sub(r"(?<!\{)\{\w+\}", "{}", form)
    return st.tuples(*parts).map(lambda values: blank.format(*values))


@cache
def _mostly(kind: str, depth: int) -> st.SearchStrategy[str]:
    rare = st.integers(0, 30)
    return rare.flatmap(lambda n: _expressions(kind if n else "odd", depth))


_statements = st.sampled_from(_STATEMENTS).flatmap(lambda form: _fill(form, 2))
_bodies = st.tuples(st.lists(_statements, max_size=3), _expressions("point", 3)).map(
    lambda parts: "\n  ".join([*parts[0], f"return {parts[1]};"])
)
_policies = st.sampled_from(
    ["Task work GPU, CPU;", "Region * r GPU FBMEM;", "Layout work * * AOS;", "InstanceLimit a 2;"]
)
mappers = st.tuples(st.lists(_policies, max_size=2), _bodies).map(
    lambda parts: "\n".join(
        [_HEAD, *parts[0], f"def f(Task t) {{\n  {parts[1]}\n}}", "IndexTaskMap work f;"]
    )
)

_WORDS = """
Task Region Layout InstanceLimit CollectMemory IndexTaskMap SingleTaskMap ControlReplicate def
return print tuple for in True False GPU CPU FBMEM SOA Align Exact int IPoint MSpace size split
merge ipoint a b f m Machine 0 1 42 2147483648 + - * / % = == != < <= > >= && || ? : ; , . ( ) [ ]
{ } ! & // # "
"""
_TOKENS = [*_WORDS.split(), "\n", "\N{LEFT DOUBLE QUOTATION MARK}"]

token_soups = st.lists(st.sampled_from(_TOKENS), max_size=60).map(" ".join)

any_texts = st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1")), token_soups)
