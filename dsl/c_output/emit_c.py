"""A mapper as one C file: what a user ships, and what the Legion mapper loads.

The file needs nothing but the C library. It holds, in this order, the interface (the text of
``mapper_abi.h``, so that the file stands alone), the helpers that give the language's operations
their meaning, the mapper's functions, its rules as tables, and the answers to the questions that
a `dsl.Mapper` answers. The machine is not part of it: it is given when the policy is loaded, and
then the top-level statements run.
"""

from __future__ import annotations

import hashlib

from dsl import limits, syntax
from dsl.c_output.body import StaticType, joined
from dsl.c_output.functions import prototype, top_level, write_function
from dsl.c_output.helpers import needed_helpers, resource
from dsl.c_output.scope import Globals
from dsl.c_output.tables import rule_tables
from dsl.c_output.text import c_comment, c_string
from dsl.errors import MapperError

__all__ = ["ABI_VERSION", "emit_c"]

ABI_VERSION = 2

# Bounds of the policy; those of `dsl.limits` that are counted in other units stand first.
_BOUNDS = {
    "MAX_STEPS": limits.MAX_WORK // limits.STEP_WORK,
    "MAX_ALL_STEPS": limits.MAX_WORK,
    "ARENA_BYTES": 1 << 26,
    "MAX_STACK_BYTES": 1 << 20,
    "MAX_CALL_DEPTH": limits.MAX_CALL_DEPTH,
    "MAX_CANDIDATES": limits.MAX_CANDIDATES,
    "MAX_DIMENSIONS": limits.MAX_DIMENSIONS,
    "MAX_POINTS": limits.MAX_POINTS,
    "MAX_PRINTED": limits.MAX_PRINTED,
    "MAX_SPLIT_EXTENT": limits.MAX_SPLIT_EXTENT,
    "MAX_TUPLE": limits.MAX_TUPLE,
    "MAX_TUPLE_DEPTH": limits.MAX_TUPLE_DEPTH,
}
_PARTS = "errors values tuples factors spaces transforms printing access"
_HELPERS = tuple(f"c_policy/{part}.h" for part in _PARTS.split())
_TABLES = "c_policy/tables.h"
_ANSWERS = ("c_policy/lookups.h", "c_policy/questions.h")
# An operand may well be compared with itself: that is the mapper's affair.
_PRAGMA = '#pragma GCC diagnostic ignored "-Wtautological-compare"'
# Lines of the mapper that error messages can show; each is cut to the width of a screen.
_MAX_LINES, _MAX_WIDTH = 5000, 160
_ROUNDS = 8


def emit_c(program: syntax.Program, *, name: str | None = None) -> str:
    """Writes a mapper as one self-contained C11 source.

    The source compiles without warnings, for example with
    ``cc -std=c11 -O1 -fPIC -shared mapper.c -o mapper.so``. The shared object exports one symbol,
    ``mapper_policy_api``, which ``mapper_abi.h`` describes. Decisions are those of `dsl.load`;
    every failure is a code and a text, with the place in the mapper.

    Args:
        program: The mapper.
        name: What to call it in the file's head and in messages; by default its file's name.

    Returns:
        The text of the C file.

    >>> from dsl import parse
    >>> emit_c(parse("Task * GPU;"), name="best.mapper").splitlines()[0]
    '/* The mapper best.mapper, as C. Made by mappertune: do not edit. */'
    """
    name = name or program.filename or "mapper"
    names = Globals.of(program)
    try:
        body = _typed_body(program, names)
    except RecursionError as error:  # only where the caller has used up most of Python's stack
        sentence = "the mapper's expressions nest too deeply to be written as C from here"
        raise MapperError(sentence, code="too-deep") from error
    answers = [resource(path) for path in _ANSWERS]
    rules = rule_tables(program, names)
    return "\n".join(
        [
            *_head(program, name),
            resource("mapper_abi.h"),
            *_constants(program, name, names),
            *needed_helpers(_HELPERS, [*body, resource(_TABLES), *answers]),
            *body,
            resource(_TABLES),
            *rules,
            *answers,
        ]
    )


def _typed_body(program: syntax.Program, names: Globals) -> list[str]:
    """The functions and the top level, written again until the types that they need stay the same.

    It starts by assuming that no function returns, so that a recursive function gets the type of
    its other branches. If that takes too long, nothing is assumed of any type.
    """
    names.types = dict.fromkeys(names.definitions, StaticType.NEVER)
    names.types |= dict.fromkeys(names.variables, StaticType.NEVER)
    for _ in range(_ROUNDS):
        body = _body(program, names)
        types = {
            name: joined(old, names.noted.get(name, old)) for name, old in names.types.items()
        }
        if types == names.types:
            return body
        names.types = types
    names.types = {}
    return _body(program, names)


def _body(program: syntax.Program, names: Globals) -> list[str]:
    """The functions of the mapper and its top level."""
    definitions = names.definitions.values()
    return [
        "/* ---- The mapper: before each statement stands its line and its text ---- */",
        "",
        *(line for definition in definitions for line in prototype(definition, names)),
        "",
        *(line for definition in definitions for line in write_function(definition, names)),
        *top_level(program, names),
    ]


def _head(program: syntax.Program, name: str) -> list[str]:
    return [
        c_comment(f"The mapper {name}, as C. Made by mappertune: do not edit."),
        c_comment(f"SHA-256 of its text: {_digest(program)}..."),
        "",
        "/* ---- The interface: mapper_abi.h ---- */",
        "",
    ]


def _digest(program: syntax.Program) -> str:
    return hashlib.sha256(program.source.encode("utf-8", "replace")).hexdigest()[:16]


def _constants(program: syntax.Program, name: str, names: Globals) -> list[str]:
    """Where the mapper came from, its lines, its globals, and the bounds."""
    lines = [line[:_MAX_WIDTH] for line in program.source.split("\n")[:_MAX_LINES]]
    globals_ = [f"GLOBAL_{variable}" for variable in names.variables]
    return [
        "/* ---- Where the mapper came from, and its bounds ---- */",
        "",
        _PRAGMA,
        "",
        f"#define MAPPER_NAME {c_string(name[:_MAX_WIDTH])}",
        f'#define MAPPER_SHA256 "{_digest(program)}"',
        *(f"#define {bound} {value}" for bound, value in _BOUNDS.items()),
        "",
        "static const char *const SOURCE_LINES[] = {",
        *(f"    {c_string(line)}," for line in lines),
        "};",
        f"enum {{ SOURCE_LINE_COUNT = {len(lines)} }};",
        "",
        f"enum {{ {', '.join([*globals_, 'GLOBALS'])} }};",
        "",
    ]
