"""The errors of mappertune are one small tree; the language's part of it is defined here.

    MappertuneError                 the root
    ├── MapperError                 anything wrong with a mapper
    │   ├── MapperSyntaxError       the text does not parse
    │   ├── MapperLoadError         a top-level statement cannot run
    │   ├── MapperEvaluationError   a mapping function cannot answer
    │   └── TemplateError           a template or a value for its holes is wrong
    ├── legion_bridge.BridgeError   machines, applications, runs
    └── tuners.TunerError           samplers and problems

``studies.StudyError`` alone stands beside it: the command line must answer ``--help`` before the
language is loaded.

Each carries a code, a sentence, the position where it happened and what to do about it.
``str(error)`` is the whole report, with the offending line and a caret; ``error.sentence`` is the
sentence alone.
"""

from __future__ import annotations

from typing import Any

from dsl.syntax import Position

__all__ = [
    "MapperError",
    "MapperEvaluationError",
    "MapperLoadError",
    "MapperSyntaxError",
    "MappertuneError",
    "TemplateError",
]


class MappertuneError(Exception):
    """Whatever mappertune raises on purpose; its text says what to do."""


class MapperError(MappertuneError):
    """Something is wrong with a mapper.

    Attributes:
        sentence: What is wrong, in one sentence.
        code: A stable short name of the kind of error, such as ``"node-bounds"``.
        position: Where in the text, or None where that is not known.
        filename: The file of the text, or None.
        source_line: The offending line of the text, or None.
        hint: What to do about it, or None.
    """

    def __init__(
        self,
        sentence: str,
        *,
        code: str = "error",
        position: Position | None = None,
        filename: str | None = None,
        source_line: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.position = position
        self.filename = filename
        self.source_line = source_line
        self.hint = hint

    @property
    def line(self) -> int | None:
        """Line of the error, counted from 1."""
        return self.position.line if self.position else None

    @property
    def column(self) -> int | None:
        """Column of the error, counted from 1."""
        return self.position.column if self.position else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.sentence, dict(self.__dict__))

    def __str__(self) -> str:
        place = self.filename or "mapper"
        if self.position is not None:
            place += f":{self.position.line}:{self.position.column}"
        parts = [f"{place}: {self.sentence}"]
        if self.source_line is not None and self.position is not None:
            parts += excerpt(self.source_line, self.position)
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)


def _rebuild(kind: type[MapperError], sentence: str, state: dict[str, Any]) -> MapperError:
    error = kind(sentence)
    error.__dict__.update(state)
    return error


def excerpt(line: str, position: Position, width: int = 100) -> list[str]:
    """The offending line, cut to a readable window, with a caret under the position."""
    column = min(position.column - 1, len(line))
    start = max(0, column - width // 2) if len(line) > width else 0
    window = "".join(c if c.isprintable() else " " for c in line[start : start + width])
    length = 1
    if position.end_line == position.line:
        length = max(1, min(position.end_column - position.column, len(window) - column + start))
    return [f"    {window}", "    " + " " * (column - start) + "^" * length]


class MapperSyntaxError(MapperError):
    """The text is not a mapper: a lexical or grammatical error.

    Attributes:
        expected: What could have stood there, in the words of the language.
        others: Further errors found in the same pass, in the order of the text.
    """

    def __init__(
        self,
        sentence: str,
        *,
        expected: tuple[str, ...] = (),
        others: tuple[MapperSyntaxError, ...] = (),
        **where: Any,
    ) -> None:
        super().__init__(sentence, **where)
        self.expected = expected
        self.others = others


class MapperLoadError(MapperError):
    """A top-level statement of the mapper cannot be carried out."""


class MapperEvaluationError(MapperError):
    """A mapping function fails for some index point of a launch domain.

    Attributes:
        point: The index point for which it fails, or None.
    """

    def __init__(
        self, sentence: str, *, point: tuple[int, ...] | None = None, **where: Any
    ) -> None:
        super().__init__(sentence, **where)
        self.point = point


class TemplateError(MapperError):
    """A template is malformed, or a value does not fit its hole."""
