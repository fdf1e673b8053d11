"""What the author of a mistaken mapper most likely meant.

Each rule looks at the context of a syntax error and returns a hint or None. The first hint is
used; the rules go from the particular to the general. Most of the mistakes are habits of
Python or C++, or slips of language models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lark import Token

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from dsl.nearest import nearest
from dsl.parsing.tolerant_lexer import BAD
from dsl.parsing.words import LAYOUT_WORDS, MEMBERS, STATEMENT_WORDS, TYPES, is_reserved

__all__ = ["ErrorContext", "hint_for"]


@dataclass(frozen=True)
class ErrorContext:
    """Where the parser could not go on.

    Attributes:
        tokens: All tokens of the text.
        at: Number of the token that the parser could not take.
        statement: Number of the first token of the statement.
        accepted: Types of the tokens that the parser could have taken.
        lines: Lines of the text.
    """

    tokens: list[Token]
    at: int
    statement: int
    accepted: frozenset[str]
    lines: list[str]

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def opening(self) -> Token:
        """The first token of the statement."""
        return self.tokens[self.statement]

    def before(self, distance: int = 1) -> Token:
        """The token that many positions before the error; an empty one where there is none."""
        return self.tokens[self.at - distance] if self.at >= distance else Token("", "")

    @property
    def after(self) -> Token:
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    @property
    def line(self) -> str:
        """The line of the token before the error."""
        number = self.before().line or 1
        return self.lines[number - 1]


Rule: TypeAlias = Callable[[ErrorContext], str | None]


def hint_for(context: ErrorContext) -> str | None:
    """What to do about a syntax error, or None."""
    for rule in _RULES:
        hint = rule(context)
        if hint:
            return hint
    return None


# Characters

_CHARACTERS = {
    "!": "there is no logical not: compare with == False, or swap the branches of ? :",
    "&": "the logical and is &&",
    "|": "the logical or is ||",
    "'": "only print takes a text, in double quotes",
    '"': "a text ends on the line it begins on, in double quotes",
    "`": "leave out Markdown: the text is the mapper alone",
    "^": "there are no bit operations and no powers: multiply",
    "~": "there are no bit operations",
    "\\": "a statement may go over several lines as it is",
    "@": "there are no decorators",
    "$": "a hole ${...} stands in a template, and a mapper has none",
}


def _character(context: ErrorContext) -> str | None:
    if context.token.type != BAD:
        return None
    first = context.token.value[0]
    if first in "\u2018\u2019\u201c\u201d\u00ab\u00bb":  # the quotes of word processors
        return 'quotes are plain: only print takes a text, in "..."'
    if not first.isascii():
        return "outside of comments and texts, a mapper is plain ASCII"
    return _CHARACTERS.get(first)


# Habits of other languages

_BRANCHES = {"if", "elif", "else", "switch", "case"}
_LOOPS = {"while", "do", "for", "foreach"}
_DECLARATIONS = {"auto", "const", "var", "let", "float", "double", "unsigned", "long", "size_t"}


def _no_statements_of_others(context: ErrorContext) -> str | None:
    words = {context.opening.value, context.before().value, context.token.value}
    if words & _BRANCHES:
        return "there is no if statement: choose a value with condition ? a : b"
    if words & (_LOOPS - {"for"}) or "for" in (context.opening.value, context.token.value):
        return (
            "there are no loops: a mapping function is evaluated for each index point,"
            " and tuple(f(x) for x in (0, 1)) makes a tuple"
        )
    if words & {"import", "from", "include", "using", "class", "struct", "lambda"}:
        return "a mapper is one text of statements and functions, with nothing to import"
    return None


def _no_declarations(context: ErrorContext) -> str | None:
    first = context.opening
    typed = first.type == "TYPE" or first.value in _DECLARATIONS
    if not typed or context.at > context.statement + 1:
        return None
    name = context.after if context.at == context.statement else context.token
    shown = name.value if name.type == "NAME" else "x"
    return f"variables have no types: write {shown} = ...;"


def _logic_in_words(context: ErrorContext) -> str | None:
    for token in (context.token, context.before()):
        if token.type == "NAME" and token.value.lower() in ("and", "or"):
            mark = "&&" if token.value.lower() == "and" else "||"
            return f"write {mark} for {token.value}"
        if token.type == "NAME" and token.value.lower() == "not":
            return "there is no logical not: compare with == False, or swap the branches of ? :"
    return None


def _integer_division(context: ErrorContext) -> str | None:
    start = context.before().end_column or 1
    rest = context.line[start - 1 :].lstrip()
    if rest.startswith("//") and rest[2:].strip() and "SEMICOLON" not in _types_on_line(context):
        return "// begins a comment: integer division is /"
    return None


def _types_on_line(context: ErrorContext) -> set[str]:
    """Types of the tokens from the error to the end of the line before it."""
    return {context.token.type} if context.token.line == context.before().line else set()


def _assignment_operators(context: ErrorContext) -> str | None:
    if context.token.type in _ARITHMETIC and context.after.type in ("ASSIGN", "PLUS", "MINUS"):
        return "a variable is assigned once: write the new value under another name"
    if (
        context.token.type == "ASSIGN"
        and "EQUAL" in context.accepted
        and context.opening.type in _VALUES
    ):
        return "within an expression, == compares; a statement assigns one name"
    return None


_ARITHMETIC = {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT"}
_VALUES = {"NAME", "RETURN", "PRINT"}


def _other_brackets(context: ErrorContext) -> str | None:
    if context.token.type == "LEFT_BRACKET" and "LEFT_PARENTHESIS" in context.accepted:
        return "a tuple is written in parentheses, as in (1, 2)"
    if context.token.type == "LEFT_BRACE" and "LEFT_PARENTHESIS" in context.accepted:
        return "braces hold the body of a function; a tuple is written in parentheses"
    return None


def _floats(context: ErrorContext) -> str | None:
    dotted = context.before().type == "DOT" and context.token.type == "INTEGER"
    if dotted or (context.token.type == "DOT" and context.after.type == "INTEGER"):
        return "numbers are integers: scale by hand, as in i * 3 / 2"
    return None


def _texts(context: ErrorContext) -> str | None:
    if context.before(2).type == "PRINT" and "STRING" in context.accepted:
        return 'print takes a text first: print("{}", x);'
    if context.token.type == "STRING":
        return "only print takes a text: names and kinds are written without quotes"
    return None


# Functions


def _function_heads(context: ErrorContext) -> str | None:
    if context.opening.type != "DEF":
        return None
    if "LEFT_BRACE" in context.accepted:
        return "the body of a function stands in braces: def f(Task t) { return m[0, 0]; }"
    if "TYPE" in context.accepted:
        typed = context.token.type == "NAME" and context.after.type == "NAME"
        near = nearest(context.token.value, TYPES) if typed else None
        meant = f"did you mean {near}? " if near else ""
        return f"{meant}a parameter has a type and a name, as in def f(Task t)"
    if context.token.type in ("ASSIGN", "COLON") and "COMMA" in context.accepted:
        return "parameters have a type before the name, and no default: def f(Task t, int n)"
    return None


def _function_bodies(context: ErrorContext) -> str | None:
    token = context.token
    if token.type == "SEMICOLON" and context.before().type == "RIGHT_BRACE":
        return "no ; follows the } of a function"
    if token.type == "SEMICOLON" and context.before().type in ("SEMICOLON", "LEFT_BRACE", ""):
        return "take out the ;: there are no empty statements"
    if token.type == "RIGHT_BRACE" and context.before().type == "LEFT_BRACE":
        return "a function has at least one statement: return m[0, 0];"
    if (
        token.type == "RETURN"
        and "RETURN" not in context.accepted
        and context.at == context.statement
    ):
        return "return stands in functions only, between their { and }"
    if {"RETURN", "RIGHT_BRACE"} & context.accepted and context.at == context.statement:
        if token.type == "DEF":
            return "functions are not nested: close the one before with }"
        if token.type in STATEMENT_WORDS or token.type == "$END":
            return "close the function before with }"
    return None


# Lists and calls


def _commas(context: ErrorContext) -> str | None:
    closing = context.token.type in ("RIGHT_PARENTHESIS", "RIGHT_BRACKET")
    if closing and context.before().type == "COMMA":
        return "no comma before the closing parenthesis: a tuple has two elements or more"
    if closing and context.before().type in ("LEFT_PARENTHESIS", "LEFT_BRACKET"):
        if context.before(2).value == "Machine":
            return "Machine takes a processor kind: Machine(GPU)"
        if context.before(2).value in ("size", "volume", "len", "ipoint", "ispace", "parent"):
            return f"write .{context.before(2).value} without parentheses"
        return "a call has at least one argument, an index one expression, a tuple two"
    same = context.token.type == context.before().type
    if same and context.token.type in ("PROCESSOR", "MEMORY") and "COMMA" in context.accepted:
        return f"separate kinds by commas: {context.before().value}, {context.token.value}"
    return None


def _unclosed(context: ErrorContext) -> str | None:
    if context.token.type not in ("SEMICOLON", "RIGHT_BRACE", "$END"):
        return None
    for closing, pair in (("RIGHT_PARENTHESIS", "()"), ("RIGHT_BRACKET", "[]")):
        if closing in context.accepted:
            return f"a {pair[0]} is not closed: put a {pair[1]} before"
    return None


def _extra_closing(context: ErrorContext) -> str | None:
    brace = context.token.type == "RIGHT_BRACE" and "TASK" in context.accepted
    closing = context.token.type in ("RIGHT_PARENTHESIS", "RIGHT_BRACKET")
    if brace or (closing and "SEMICOLON" in context.accepted):
        return f"there is one {context.token.value} too many"
    return None


# Statements


def _policy_statements(context: ErrorContext) -> str | None:
    form = _FORMS.get(context.opening.type)
    if form is None:
        return None
    token = context.token
    if "-" in token.value or token.type in ("DOT", "MINUS", "COLON"):
        return f"names have letters, digits and _ only; the form is: {form}"
    if token.type == "MEMORY" and "PROCESSOR" in context.accepted:
        return f"the processor is missing, or * for any: {form}"
    if context.opening.type == "COLLECT_MEMORY" and token.type == "INTEGER":
        return f"here a region has a name or is *, and no index; the form is: {form}"
    if context.before().type == "ALIGN":
        return "write Align == 64"
    wanted = _wanted_words(context)
    near = nearest(token.value, wanted) if wanted and token.value.isidentifier() else None
    if near and near != token.value:
        return f"did you mean {near}? the form is: {form}"
    if is_reserved(token) and "NAME" in context.accepted and token.type not in STATEMENT_WORDS:
        return f"{token.value} is a reserved word and cannot be a name; the form is: {form}"
    return f"the form is: {form}"


def _wanted_words(context: ErrorContext) -> list[str]:
    wanted: list[str] = []
    if "PROCESSOR" in context.accepted:
        wanted += PROCESSOR_KINDS
    if "MEMORY" in context.accepted:
        wanted += MEMORY_KINDS
    if "CONSTRAINT" in context.accepted:
        wanted += LAYOUT_WORDS
    return wanted


_FORMS = {
    "TASK": "Task NAME GPU, CPU; (a name, a list of names or *)",
    "REGION": "Region TASK REGION GPU FBMEM; (* stands for every task, region or processor)",
    "LAYOUT": "Layout TASK REGION FBMEM SOA C_order; (* stands for every one)",
    "INSTANCE_LIMIT": "InstanceLimit TASK 4;",
    "COLLECT_MEMORY": "CollectMemory TASK REGION; (by name, or *)",
    "INDEX_TASK_MAP": "IndexTaskMap TASK FUNCTION; (a name, a list of names, or one of CPU, GPU"
    " and OMP)",
    "SINGLE_TASK_MAP": "SingleTaskMap TASK FUNCTION; (a name, a list of names, or one of CPU,"
    " GPU and OMP)",
    "CONTROL_REPLICATE": "ControlReplicate TASK; (a name or a list of names)",
}


def _unknown_statement(context: ErrorContext) -> str | None:
    if context.opening.type != "NAME" or context.accepted != {"ASSIGN"}:
        return None
    words = [*STATEMENT_WORDS.values(), "return"]
    near = nearest(context.opening.value, words)
    if near:
        return f"did you mean {near}?"
    return f"a statement is name = ...; or begins with {', '.join(words[:-1])}"


def _missing_semicolon(context: ErrorContext) -> str | None:
    later = (context.token.line or 0) > (
        context.before().line or 0
    ) or context.token.type == "$END"
    if "SEMICOLON" in context.accepted and (later or context.token.type == "RIGHT_BRACE"):
        return "every statement but def ends in ;"
    return None


# Expressions


def _members(context: ErrorContext) -> str | None:
    if context.before().type != "DOT":
        return None
    near = nearest(context.token.value, MEMBERS) if context.token.type == "NAME" else None
    meant = f"did you mean {near}? " if near else ""
    return f"{meant}members are {', '.join(MEMBERS)}"


def _reserved(context: ErrorContext) -> str | None:
    if not is_reserved(context.token) or "NAME" not in context.accepted:
        return None
    word = context.token.value
    if context.token.type == "MEMBER" and "INTEGER" in context.accepted:
        return f"{word} is a reserved word: use it as a member, as in m.{word}"
    return f"{word} is a reserved word and cannot be a name"


def _conditionals(context: ErrorContext) -> str | None:
    if "COLON" in context.accepted and "QUESTION" in context.accepted:
        return "a conditional has both branches: condition ? a : b"
    return None


_RULES: tuple[Rule, ...] = (
    _character,
    _integer_division,
    _no_statements_of_others,
    _no_declarations,
    _logic_in_words,
    _floats,
    _assignment_operators,
    _texts,
    _function_heads,
    _function_bodies,
    _commas,
    _missing_semicolon,
    _policy_statements,
    _unknown_statement,
    _members,
    _other_brackets,
    _reserved,
    _unclosed,
    _extra_closing,
    _conditionals,
)
