"""The table of field programs: how each is built, run and judged."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Build", "FieldProgram", "Source", "Table", "read_table"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Source:
    """A git repository.

    Attributes:
        url: Where it is.
        commit: The commit that was tried.
    """

    url: str
    commit: str


@dataclass(frozen=True)
class Build:
    """A binary.

    Attributes:
        folder: Of its files, within the source.
        source: Name of the source.
        files: Its C and C++ files; empty for all that lie in the folder.
        flags: Further flags of the compiler.
        empty: Headers that it asks for, is not given and does not need.
    """

    folder: str
    source: str = "legion"
    files: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldProgram:
    """A program to be run.

    Attributes:
        name: Short, a file's name.
        command: Its words, with ``{bed}`` and ``{here}`` in place of folders.
        metric: Finds its seconds in what it prints; None for the seconds of the process.
        ignore: Patterns whose matches are taken out of the output before outputs are compared.
        compare: Whether outputs are compared; not where runs of one mapper differ by nature.
        timeout: Seconds that one run may take.
        variables: Environment variables.
        told: What mappertune says where it cannot capture the program, or not all of it, if that
            is true: a pattern.
    """

    name: str
    command: str
    metric: str | None = None
    ignore: tuple[str, ...] = ()
    compare: bool = True
    timeout: float = 60.0
    variables: Mapping[str, str] = field(default_factory=dict)
    told: str | None = None

    def words(self, bed: Path) -> list[str]:
        """The command, with the folders filled in."""
        places = {"bed": str(bed.resolve()), "here": str(HERE)}
        return [word.format(**places) for word in shlex.split(self.command)]

    def is_built(self, bed: Path) -> bool:
        """Whether every file that the command names in the folder of built programs is there."""
        pairs = zip(shlex.split(self.command), self.words(bed), strict=True)
        return all(Path(word).exists() for text, word in pairs if "{bed}" in text)


@dataclass(frozen=True)
class Table:
    """All of it."""

    sources: Mapping[str, Source]
    builds: Mapping[str, Build]
    programs: Mapping[str, FieldProgram]


def read_table(path: Path) -> Table:
    """Reads a table.

    Raises:
        SystemExit: It is not there, or something in it is not known or not right.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
        return Table(
            sources={n: Source(**row) for n, row in document.get("sources", {}).items()},
            builds={n: Build(**_tuples(row)) for n, row in document.get("builds", {}).items()},
            programs={n: _program(n, row) for n, row in document.get("programs", {}).items()},
        )
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError, re.error) as error:
        raise SystemExit(f"{path}: the table of programs cannot be used: {error}") from None


def _program(name: str, row: Mapping[str, Any]) -> FieldProgram:
    program = FieldProgram(name=name, **_tuples(row))
    for pattern in (*program.ignore, *filter(None, [program.metric, program.told])):
        re.compile(pattern)
    program.words(Path())
    return program


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
