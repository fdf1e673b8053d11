"""C statements under construction, and the operands that they leave for the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum

from dsl.syntax import Position

__all__ = ["Body", "Operand", "StaticType", "at", "c_integer", "c_type", "joined"]

# A source location has 20 bits for the line and 12 for the column.
_MAX_LINE, _MAX_COLUMN = (1 << 20) - 1, (1 << 12) - 1


class StaticType(IntEnum):
    """What is known of an expression's value before it runs; from ANY on, each includes the last.

    Ints and bools are plain C values, everything else is a tagged ``value``.
    """

    NEVER = 0  # there is no value: the evaluation fails or does not end
    INT = 1
    BOOL = 2
    INTS = 3  # an int tuple
    TUPLE = 4  # a general tuple
    SPACE = 5
    TASK = 6
    PLACE = 7  # a machine point, or a set of them
    ANY = 8  # whatever may be assigned or passed, and kinds, functions, sets of points
    ITEM = 9  # also a star
    LOOSE = 10  # also an unpacked tuple


def joined(a: StaticType, b: StaticType) -> StaticType:
    """The type of a value that has one of two types."""
    if StaticType.NEVER in (a, b):
        return max(a, b)
    return a if a is b else max(a, b, StaticType.ANY)


def c_type(static: StaticType) -> str:
    """The C type that holds a value of the static type."""
    return {StaticType.INT: "int32_t", StaticType.BOOL: "bool"}.get(static, "value")


@dataclass(frozen=True, slots=True)
class Operand:
    """A C expression.

    Attributes:
        text: The expression, which binds as tightly as a call.
        static: The type of its value.
        settled: Evaluating it neither fails nor has an effect, now or later.
        pointer: The C type that holds it, where it is a pointer into a value of its type.
    """

    text: str
    static: StaticType
    settled: bool = False
    pointer: str = ""

    @property
    def boxed(self) -> str:
        """The operand as a tagged value."""
        if self.static is StaticType.INT:
            return f"of_int({self.text})"
        if self.static is StaticType.BOOL:
            return f"of_bool({self.text})"
        return self.text

    def held_as(self, static: StaticType) -> str:
        """The operand as C holds it in a variable of a type that includes the operand's own."""
        if static not in (StaticType.INT, StaticType.BOOL):
            return self.boxed
        return self.text if self.static is static else f"{self.text}.as.i"  # never evaluated


@dataclass
class Body:
    """Lines of C inside one function."""

    lines: list[str] = field(default_factory=list)
    indent: int = 1
    temporaries: int = 0

    @property
    def margin(self) -> str:
        return "    " * self.indent

    def line(self, text: str) -> None:
        self.lines.append(self.margin + text)

    def fresh(self) -> str:
        """A new name for a temporary."""
        self.temporaries += 1
        return f"t{self.temporaries}"

    def declare(self, static: StaticType) -> str:
        """A new temporary, whose value is assigned later."""
        name = self.fresh()
        self.line(f"{c_type(static)} {name};")
        return name

    def drop(self, operand: Operand) -> None:
        """Evaluates the operand for its effects."""
        self.line(f"(void){operand.text};")

    def settle(self, operand: Operand) -> Operand:
        """Evaluates the operand here and now, into a temporary where that is needed."""
        if operand.settled:
            return operand
        name = self.fresh()
        declared = operand.pointer or f"{c_type(operand.static)} "
        self.line(f"{declared}{name} = {operand.text};")
        return replace(operand, text=name, settled=True)

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        """An indented block between its head and its tail."""
        self.line(head)
        self.indent += 1
        yield
        self.indent -= 1
        self.line(tail)

    @contextmanager
    def aside(self) -> Iterator[list[str]]:
        """Collects the lines that are written meanwhile, instead of adding them to the body."""
        kept, self.lines = self.lines, []
        self.indent += 1
        yield self.lines
        self.indent -= 1
        self.lines = kept


def at(position: Position | None) -> str:
    """The C constant of a location in the mapper's text."""
    if position is None:
        return "NOWHERE"
    return f"AT({min(position.line, _MAX_LINE)}, {min(position.column, _MAX_COLUMN)})"


def c_integer(value: int) -> str:
    """A C constant of 32 bits."""
    if value == -(2**31):
        return "INT32_MIN"
    return str(value) if value >= 0 else f"({value})"
