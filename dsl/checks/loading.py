"""Loads a mapper as far as possible: without the statements that fail."""

from __future__ import annotations

import re
from typing import NamedTuple

from dsl import syntax
from dsl.errors import MapperError, MapperLoadError
from dsl.load import load
from dsl.machine_shape import MachineShape
from dsl.mapper import Mapper

__all__ = ["Loaded", "load_leniently"]

MAX_ERRORS = 20
_UNDEFINED = ("undefined-name", "undefined-function")


class Loaded(NamedTuple):
    """The result of loading.

    Attributes:
        mapper: The mapper without the statements that failed; None where no statement is to
            blame, or too many are.
        errors: Why they failed, without the errors that only follow from another one.
        missing: Names that the omitted statements would have defined.
    """

    mapper: Mapper | None
    errors: tuple[MapperLoadError, ...]
    missing: frozenset[str]

    def follows(self, error: MapperError) -> bool:
        """Whether an error only says that a name is missing whose own definition failed."""
        if error.code not in _UNDEFINED or not error.source_line or error.position is None:
            return False
        name = re.match(r"\w+", error.source_line[error.position.column - 1 :])
        return name is not None and name.group() in self.missing


def load_leniently(program: syntax.Program, shape: MachineShape) -> Loaded:
    """Loads a program without the statements that fail."""
    found = Loaded(None, (), frozenset())
    while len(found.errors) < MAX_ERRORS:
        try:
            return found._replace(mapper=load(program, shape))
        except MapperLoadError as error:
            if not found.follows(error):
                found = found._replace(errors=(*found.errors, error))
            guilty = _statement_at(program, error.position)
            if guilty is None:
                break
            found = found._replace(missing=found.missing | _defined_by(guilty, error))
            rest = [s for s in program.statements if s is not guilty]
            program = syntax.Program(tuple(rest), program.source, program.filename)
    return found


def _statement_at(
    program: syntax.Program, position: syntax.Position | None
) -> syntax.Statement | None:
    """The statement around a position; None for a function, which fails where it is called."""
    for statement in program.statements:
        place = statement.position
        if position is None or place is None:
            continue
        start, end = (place.line, place.column), (place.end_line, place.end_column)
        if start <= (position.line, position.column) < end:
            return None if isinstance(statement, syntax.FunctionDefinition) else statement
    return None


def _defined_by(statement: syntax.Statement, error: MapperLoadError) -> frozenset[str]:
    if isinstance(statement, syntax.Assignment) and error.code != "duplicate-global":
        return frozenset({statement.name})
    return frozenset()
