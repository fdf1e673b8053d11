"""What the names of a mapper stand for, and how C says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dsl import syntax
from dsl.c_output.body import Operand, StaticType
from dsl.c_output.text import c_string
from dsl.syntax import walk

__all__ = ["Globals", "Scope"]


@dataclass
class Globals:
    """The names of the top level.

    Whatever defines a name first decides whether it is a variable or a function (section 8).

    Attributes:
        variables: Where in the program each variable is assigned.
        functions: Where in the program each function is defined.
        definitions: The functions by name.
        types: What is known of the values of variables and of the results of functions.
        noted: What was found of these types while the functions were written.
        first_call: Where in the program a function is first called while the mapper loads;
            names that are defined before are defined whenever a function runs.
    """

    variables: dict[str, int] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, syntax.FunctionDefinition] = field(default_factory=dict)
    types: dict[str, StaticType] = field(default_factory=dict)
    noted: dict[str, StaticType] = field(default_factory=dict)
    first_call: int = 0

    @classmethod
    def of(cls, program: syntax.Program) -> Globals:
        """The names that a program defines."""
        found = cls(first_call=len(program.statements))
        for number, statement in enumerate(program.statements):
            found._add(number, statement)
        return found

    def _add(self, number: int, statement: syntax.Statement) -> None:
        if isinstance(statement, syntax.FunctionDefinition):
            if statement.name not in self.variables and statement.name not in self.functions:
                self.functions[statement.name] = number
                self.definitions[statement.name] = statement
        elif isinstance(statement, (syntax.Assignment, syntax.Print)):
            if number < self.first_call and _calls(statement):
                self.first_call = number
            if isinstance(statement, syntax.Assignment) and statement.name not in self.functions:
                self.variables.setdefault(statement.name, number)

    def type_of(self, name: str) -> StaticType:
        """What is known of a variable's value or of a function's result."""
        return self.types.get(name, StaticType.ANY)

    def always_defined(self, statement: int) -> bool:
        """Whether what a statement defines is defined whenever a function runs."""
        return statement < self.first_call


def _calls(statement: syntax.Statement) -> bool:
    return any(
        isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name)
        for node in walk(statement)
    )


@dataclass
class Scope:
    """The names that an expression sees: locals before globals.

    Attributes:
        globals: The names of the top level.
        statement: Which statement of the top level the expression is in; None in a function.
        locals: Parameters and assigned names so far.
        variables: Variables of the comprehensions around: what each stands for.
    """

    globals: Globals
    statement: int | None = None
    locals: dict[str, Operand] = field(default_factory=dict)
    variables: dict[str, Operand | syntax.Expression] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def is_local(self, name: str) -> bool:
        """Whether reading the name reads a C variable."""
        if name in self.variables:
            return isinstance(self.variables[name], Operand)
        return name in self.locals

    def local(self, name: str) -> Operand | syntax.Expression | None:
        """What a local name or a variable of a comprehension stands for."""
        found = self.variables.get(name) or self.locals.get(name)
        if isinstance(found, Operand):
            self.used.add(found.text)
        return found

    def read_global(self, name: str, where: str) -> Operand | None:
        """The value of a name of the top level; None where nothing defines it."""
        if name in self.globals.functions:
            return self._function_value(name, where)
        if name not in self.globals.variables:
            return None
        static = self.globals.type_of(name)
        text = f"p->globals[GLOBAL_{name}]"
        settled = self.defined(self.globals.variables[name])
        if not settled:
            text = f"global(p, {where}, GLOBAL_{name}, {c_string(name)})"
        if static in (StaticType.INT, StaticType.BOOL):
            text += ".as.i"
        return Operand(text, static, settled)

    def _function_value(self, name: str, where: str) -> Operand:
        statement = self.globals.functions[name]
        if self.defined(statement):
            return Operand("of_tag(FUNCTION, 0)", StaticType.ANY, settled=True)
        text = f"function_value(p, {where}, {statement}, {c_string(name)})"
        return Operand(text, StaticType.ANY)

    def defined(self, statement: int) -> bool:
        """Whether what a statement of the top level defines is defined here for certain."""
        if self.statement is None:
            return self.globals.always_defined(statement)
        return statement < self.statement

    def defined_variable(self, name: str) -> bool:
        """Whether a variable of the top level has a value here for certain."""
        return name in self.globals.variables and self.defined(self.globals.variables[name])

    @contextmanager
    def bound(self, name: str, meaning: Operand | syntax.Expression) -> Iterator[None]:
        """Lets a variable of a comprehension stand for something for a while."""
        hidden = self.variables.get(name)
        self.variables[name] = meaning
        yield
        if hidden is None:
            del self.variables[name]
        else:
            self.variables[name] = hidden
