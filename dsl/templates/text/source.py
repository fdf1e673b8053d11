"""The text of a template, and errors that point into it."""

from __future__ import annotations

from bisect import bisect_right

from dsl.errors import TemplateError
from dsl.syntax import Position

__all__ = ["TemplateSource"]


class TemplateSource:
    """A template's text by offset, line and column."""

    def __init__(self, text: str, filename: str | None) -> None:
        self.text = text
        self.filename = filename or "template"
        self._starts = [0]
        self._starts += [i + 1 for i, character in enumerate(text) if character == "\n"]

    def place(self, start: int, end: int) -> Position:
        """The lines and columns of the text from one offset to another."""
        end_line, end_column = self._line_column(max(end, start + 1))
        return Position(*self._line_column(start), end_line, end_column)

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and a column."""
        line = min(line, len(self._starts))
        return min(self._starts[line - 1] + column - 1, len(self.text))

    def error(
        self, sentence: str, code: str, start: int, end: int, hint: str | None = None
    ) -> TemplateError:
        """An error about the text from one offset to another."""
        return self.error_at(sentence, code, self.place(start, end), hint)

    def error_at(
        self, sentence: str, code: str, position: Position | None, hint: str | None = None
    ) -> TemplateError:
        """An error about a place."""
        line = None if position is None else self._line(position.line)
        return TemplateError(
            sentence,
            code=code,
            position=position,
            filename=self.filename,
            source_line=line,
            hint=hint,
        )

    def _line_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def _line(self, number: int) -> str:
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end]
