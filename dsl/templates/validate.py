"""Checks that a template makes mappers: each choice is tried once, and errors point into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dsl.errors import MapperSyntaxError, TemplateError
from dsl.parsing.parse import parse
from dsl.templates.space.parameters import NONE, Parameter
from dsl.templates.text.pieces import Literal
from dsl.templates.text.rendering import Rendering
from dsl.templates.text.source import TemplateSource

__all__ = ["check_template"]


def check_template(
    source: TemplateSource, units: Iterable[Rendering], parameters: Mapping[str, Parameter]
) -> None:
    """Checks a template by parsing every unit with each choice of each of its holes.

    Raises:
        TemplateError: One of these texts is no mapper; the error points into the template.
    """
    for unit in units:
        if not unit.names:
            _check(source, unit, {}, None)
        for name, texts in _variants(unit, parameters):
            if unit.text(texts).strip():
                _check(source, unit, texts, parameters[name])


def _shown(choice: str) -> str:
    return "" if choice == NONE else choice


def _variants(
    unit: Rendering, parameters: Mapping[str, Parameter]
) -> Iterator[tuple[str, dict[str, str]]]:
    """The texts of the holes of a unit, one hole after the other through its choices."""
    base = {name: _first_text(parameters[name]) for name in unit.names}
    for name in unit.names:
        parameter = parameters[name]
        choices = parameter.choices or (str(parameter.low), str(parameter.high))
        for choice in choices:
            yield name, base | {name: _shown(choice)}


def _first_text(parameter: Parameter) -> str:
    """The default, or a choice that renders as something: it keeps groups standing."""
    texts = map(_shown, (str(parameter.default), *parameter.choices))
    return next(filter(None, texts), "")


def _check(
    source: TemplateSource,
    rendering: Rendering,
    texts: Mapping[str, str],
    parameter: Parameter | None,
) -> None:
    text = rendering.text(texts)
    try:
        parse(text)
    except MapperSyntaxError as error:
        raise _in_template(source, rendering, texts, parameter, error) from error


def _in_template(
    source: TemplateSource,
    rendering: Rendering,
    texts: Mapping[str, str],
    parameter: Parameter | None,
    error: MapperSyntaxError,
) -> TemplateError:
    """The error of a rendering as an error of the template."""
    sentence = error.sentence
    if parameter is not None:
        sentence = f"with {parameter.name} = {texts[parameter.name] or NONE}: {sentence}"
    position = parameter.position if parameter else None
    if error.position is not None:
        rendered = TemplateSource(rendering.text(texts), None)
        place = error.position
        start = rendered.offset(place.line, place.column)
        length = rendered.offset(place.end_line, place.end_column) - start
        start, length = _origin(rendering, texts, start, length, source)
        position = source.place(start, start + length)
    return source.error_at(sentence, error.code, position, error.hint)


def _origin(
    rendering: Rendering,
    texts: Mapping[str, str],
    start: int,
    length: int,
    source: TemplateSource,
) -> tuple[int, int]:
    """Offset and length in the template of what stands at an offset of the rendering."""
    end = 0
    for piece in rendering.standing(texts):
        text = piece.text if isinstance(piece, Literal) else texts[piece.name]
        begin, end = end, end + len(text)
        if start < end and isinstance(piece, Literal):
            return piece.offset + start - begin, length
        if start < end:
            return piece.offset, source.text.index("}", piece.offset) + 1 - piece.offset
    return piece.offset + len(text.rstrip()), 1
