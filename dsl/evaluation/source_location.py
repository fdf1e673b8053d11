"""The position of something in a program's text, for error messages."""

from __future__ import annotations

from typing import Any

from dsl.syntax import Position, Program

__all__ = ["source_location"]


def source_location(program: Program, position: Position | None) -> dict[str, Any]:
    """Keyword arguments of a `MapperError`: position, source line and file name."""
    lines = program.source.split("\n")
    line = None
    if position is not None and position.line <= len(lines):
        line = lines[position.line - 1].rstrip("\r")
    return {"position": position, "source_line": line, "filename": program.filename}
