"""Reads what stands between ``${`` and ``}``; `dsl.templates.text.pieces` describes the form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from dsl.limits import INT_MAX, INT_MIN
from dsl.nearest import did_you_mean, nearest
from dsl.templates.space.parameters import Comparison, Condition, Parameter, Value
from dsl.templates.text.source import TemplateSource

__all__ = ["hole_text", "parse_hole", "with_defaults"]

_WRITTEN = re.compile(r"\$\{([\w.]+): ([^=}]*?)(?: = [^}]*?)?( when [^}]*)?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_RANGE = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)")
_MARK = re.compile(r"'[^']*'|[=!<>]=|(?P<mark>[|=]|\bwhen\b)")
_COMPARISON = re.compile(r"\s*([^\s=!()',]+)\s*(==|!=|\bin\b)\s*(.*?)\s*", re.DOTALL)
_AND = re.compile(r"'[^']*'|(?P<mark>\band\b)")
_COMMA = re.compile(r"'[^']*'|(?P<mark>,)")
_DIGITS = 20  # Python refuses to read thousands
_EXPANDED = 1000  # integers that a range among other choices may stand for


class _Span(NamedTuple):
    """A stretch of the template's text."""

    start: int
    end: int


class _Hole:
    """One hole being read: its text, its place, and the parameters described before it."""

    def __init__(
        self, source: TemplateSource, span: _Span, known: Mapping[str, Parameter]
    ) -> None:
        self.source = source
        self.span = span
        self.known = known

    def text(self, span: _Span) -> str:
        return self.source.text[span.start : span.end]

    def trim(self, span: _Span) -> _Span:
        text = self.text(span)
        start = span.start + len(text) - len(text.lstrip())
        return _Span(start, max(start, span.start + len(text.rstrip())))

    def split(self, span: _Span, mark: re.Pattern[str], at: str) -> list[_Span]:
        """The stretches between the marks ``at``, each trimmed."""
        starts, ends = [span.start], []
        for found in mark.finditer(self.source.text, span.start, span.end):
            if found["mark"] == at:
                ends.append(found.start())
                starts.append(found.end())
        return [self.trim(_Span(a, b)) for a, b in zip(starts, [*ends, span.end], strict=True)]


def parse_hole(
    source: TemplateSource, start: int, end: int, known: Mapping[str, Parameter]
) -> tuple[str, Parameter | None]:
    """Reads the hole whose inside runs from one offset to another.

    Returns:
        Its name, and the parameter that it describes; None where it only stands for a hole
        that was described before.

    Raises:
        TemplateError: It is malformed, or it asks about a hole that is not known.
    """
    hole = _Hole(source, _Span(start, end), known)
    colon = source.text.find(":", start, end)
    name = hole.trim(_Span(start, end if colon < 0 else colon))
    _check_name(hole, name)
    if colon < 0:
        _check_known(hole, name)
        return hole.text(name), None
    if hole.text(name) in known:
        position = known[hole.text(name)].position
        line = f" on line {position.line}" if position else ""
        raise source.error(
            f"the hole {hole.text(name)} is already described{line}",
            "duplicate-hole",
            *name,
            hint=f"write ${{{hole.text(name)}}} to stand for it again",
        )
    return hole.text(name), _describe(hole, name, _Span(colon + 1, end))


def _check_name(hole: _Hole, name: _Span) -> None:
    if not _NAME.fullmatch(hole.text(name)):
        raise hole.source.error(
            f"{hole.text(name)!r} is no name of a hole" if hole.text(name) else "no name",
            "hole-name",
            *(name if name.end > name.start else hole.span),
            hint="a name is made of letters, digits and _, with dots between its parts: "
            "${proc.stencil: GPU | CPU}",
        )


def _check_known(hole: _Hole, name: _Span) -> None:
    text = hole.text(name)
    if text not in hole.known:
        raise hole.source.error(
            f"the hole {text} is described nowhere before this place",
            "unknown-hole",
            *name,
            hint=did_you_mean(text, hole.known) or f"describe it: ${{{text}: a | b}}",
        )


def _describe(hole: _Hole, name: _Span, span: _Span) -> Parameter:
    """The parameter of ``CHOICES = DEFAULT when CONDITION``."""
    body, condition = _halves(hole, span, "when")
    spread, default = _halves(hole, body, "=")
    low, high, choices = _choices(hole, spread)
    parameter = Parameter(
        name=hole.text(name),
        choices=choices,
        low=low,
        high=high,
        default=choices[0] if choices else low or 0,
        condition=_condition(hole, condition) if condition else None,
        position=hole.source.place(hole.span.start - 2, hole.span.end + 1),
    )
    if default:
        parameter = replace(parameter, default=_value(hole, default, parameter))
    return parameter


def _halves(hole: _Hole, span: _Span, mark: str) -> tuple[_Span, _Span | None]:
    """What stands before and after a mark that stands at most once."""
    parts = hole.split(span, _MARK, mark)
    if len(parts) > 2:
        raise hole.source.error(
            f"a second {mark!r} in one hole",
            "hole-form",
            *parts[2],
            hint="a hole reads ${NAME: CHOICES = DEFAULT when CONDITION}; "
            f"quote a choice that has {mark!r} in it, as in 'a {mark} b'",
        )
    return parts[0], parts[1] if len(parts) > 1 else None


# Choices


def _choices(hole: _Hole, span: _Span) -> tuple[int | None, int | None, tuple[str, ...]]:
    """The bounds of an integer range, or else the choices."""
    spans = hole.split(span, _MARK, "|")
    bounds = _RANGE.fullmatch(hole.text(span))
    if bounds:
        low, high = _bounds(hole, span, bounds)
        return low, high, ()
    choices: dict[str, None] = {}
    for each in spans:
        for choice in _expanded(hole, each):
            if choice in choices:
                raise hole.source.error(
                    f"the choice {choice!r} stands twice", "duplicate-choice", *each
                )
            choices[choice] = None
    return None, None, tuple(choices)


def _expanded(hole: _Hole, span: _Span) -> list[str]:
    """One choice, or the integers of a range among choices."""
    if bounds := _RANGE.fullmatch(hole.text(span)):
        low, high = _bounds(hole, span, bounds)
        if high - low >= _EXPANDED:
            raise hole.source.error(
                f"a range among other choices has at most {_EXPANDED:,} integers",
                "hole-range",
                *span,
                hint="give the range a hole of its own, with a condition",
            )
        return [str(i) for i in range(low, high + 1)]
    choice = _unquoted(hole, span)
    if not choice:
        raise hole.source.error(
            "an empty choice",
            "empty-choice",
            *(span if span.end > span.start else hole.span),
            hint="write none for a choice that renders as nothing, "
            "and quote text that has | in it: 'a || b'",
        )
    return [choice]


def _bounds(hole: _Hole, span: _Span, bounds: re.Match[str]) -> tuple[int, int]:
    low, high = (_integer(hole, span, text) for text in bounds.groups())
    if low > high:
        raise hole.source.error(
            f"the range {low}..{high} is empty",
            "hole-range",
            *span,
            hint=f"the least value comes first: {high}..{low}",
        )
    return low, high


def _integer(hole: _Hole, span: _Span, text: str) -> int:
    """A bound of a range, which is an integer of the language."""
    if len(text) > _DIGITS or not INT_MIN <= int(text) <= INT_MAX:
        raise hole.source.error(
            f"the bounds of a range are integers from {INT_MIN} to {INT_MAX}", "hole-range", *span
        )
    return int(text)


def _unquoted(hole: _Hole, span: _Span) -> str:
    text = hole.text(span)
    if not text.startswith("'"):
        return text
    if len(text) < 2 or text.find("'", 1) != len(text) - 1:
        raise hole.source.error(
            "a quoted choice ends with its quote", "hole-quote", *span, hint="write 'a || b'"
        )
    return text[1:-1].strip()


def _value(hole: _Hole, span: _Span, parameter: Parameter) -> Value:
    """A value of a parameter, as a default or in a condition names it."""
    text = _unquoted(hole, span)
    value: Value = text
    if parameter.is_range and len(text) <= _DIGITS and re.fullmatch(r"-?\d+", text):
        value = int(text)
    if value not in parameter:
        known = ", ".join(parameter.choices) or f"the integers {parameter.low}..{parameter.high}"
        near = nearest(text, parameter.choices)
        raise hole.source.error(
            f"{text!r} is no value of {parameter.name}",
            "hole-value",
            *(span if span.end > span.start else hole.span),
            hint=f"did you mean {near}?" if near else f"its values are {known}",
        )
    return value


# Conditions


def _condition(hole: _Hole, span: _Span) -> Condition:
    return Condition(tuple([_comparison(hole, each) for each in hole.split(span, _AND, "and")]))


def _comparison(hole: _Hole, span: _Span) -> Comparison:
    found = _COMPARISON.fullmatch(hole.source.text, span.start, span.end)
    if found is None:
        raise hole.source.error(
            "no condition",
            "hole-condition",
            *(span if span.end > span.start else hole.span),
            hint="a condition reads NAME == VALUE, NAME != VALUE or NAME in (VALUE, VALUE), "
            "joined by and",
        )
    _check_known(hole, _Span(*found.span(1)))
    parameter = hole.known[found[1]]
    operands = _operands(hole, _Span(*found.span(3)), found[2])
    values = tuple([_value(hole, each, parameter) for each in operands])
    return Comparison(parameter.name, values, negated=found[2] == "!=")


def _operands(hole: _Hole, span: _Span, operator: str) -> list[_Span]:
    """The values on the right of a comparison."""
    if operator != "in":
        return [span]
    text = hole.text(span)
    if not (text.startswith("(") and text.endswith(")")):
        raise hole.source.error(
            "in asks for values in parentheses",
            "hole-condition",
            *span,
            hint="write NAME in (VALUE, VALUE)",
        )
    return hole.split(_Span(span.start + 1, span.end - 1), _COMMA, ",")


def hole_text(
    name: str, choices: Iterable[str], *, default: str | None = None, when: str = ""
) -> str:
    """The text of a hole: the inverse of reading one, for choices that need no quotes.

    >>> hole_text("mem.t", ["FBMEM", "ZCMEM"], when="proc.t == GPU")
    '${mem.t: FBMEM | ZCMEM when proc.t == GPU}'
    """
    choices = list(choices)
    shown = f" = {default}" if default is not None and default != choices[0] else ""
    condition = f" when {when}" if when else ""
    return f"${{{name}: {' | '.join(choices)}{shown}{condition}}}"


def with_defaults(text: str, values: Mapping[str, Value]) -> str:
    """A template with other defaults, for holes as `hole_text` writes them.

    >>> with_defaults("${mem.t: FBMEM | ZCMEM when proc.t == GPU}", {"mem.t": "ZCMEM"})
    '${mem.t: FBMEM | ZCMEM = ZCMEM when proc.t == GPU}'
    """

    def changed(found: re.Match[str]) -> str:
        name, choices, condition = found[1], found[2], found[3] or ""
        if name not in values:
            return found[0]
        first = re.split(r" \| |\.\.", choices)[0]
        default = "" if first == str(values[name]) else f" = {values[name]}"
        return f"${{{name}: {choices}{default}{condition}}}"

    return _WRITTEN.sub(changed, text)
