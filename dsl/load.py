"""Runs the top-level statements of a mapper: the step from a program to a `Mapper`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsl import syntax
from dsl.errors import MapperLoadError
from dsl.evaluation.code import compile_expression, compile_print
from dsl.evaluation.evaluate import Evaluator, Failed, Session, require_assignable
from dsl.evaluation.faults import Fault
from dsl.evaluation.printing import render
from dsl.evaluation.source_location import source_location
from dsl.evaluation.values import Function, describe
from dsl.machine_shape import MachineShape
from dsl.mapper import Mapper
from dsl.nearest import did_you_mean
from dsl.syntax import Program
from dsl.tables import RULES, Tables

__all__ = ["load"]


def load(program: Program, shape: MachineShape) -> Mapper:
    """Carries out a mapper's statements for a machine.

    Args:
        program: A parsed mapper.
        shape: Nodes of the machine, and processors of each kind per node.

    Raises:
        MapperLoadError: A statement cannot be carried out: a global is assigned twice, a map
            names no function of one Task, an expression fails.

    >>> from dsl import MachineShape, parse
    >>> mapper = load(parse("Task * GPU;"), MachineShape(nodes=1, processors={"GPU": 4}))
    >>> mapper.task_kinds("calculate")
    ('GPU',)
    """
    loader = _Loader(shape)
    for statement in program.statements:
        action = _ACTIONS.get(type(statement))
        if action is None:
            RULES[type(statement)](loader.tables, statement)
            continue
        try:
            action(loader, statement)
        except Failed as failure:
            raise _load_error(program, failure.fault, failure.position) from None
        except Fault as fault:
            raise _load_error(program, fault, statement.position) from None
    session = loader.session
    printed = render(session.printed) if session.printed else ""
    return Mapper(program, loader.tables, session, printed=printed)


def _load_error(
    program: Program, fault: Fault, position: syntax.Position | None
) -> MapperLoadError:
    return MapperLoadError(
        fault.sentence, code=fault.code, hint=fault.hint, **source_location(program, position)
    )


class _Loader:
    def __init__(self, shape: MachineShape) -> None:
        self.session = Session(shape, {}, {})
        self.tables = Tables()

    def assign(self, statement: syntax.Assignment) -> None:
        value = Evaluator(self.session).evaluate(compile_expression(statement.value))
        require_assignable(statement.name, value)
        if statement.name in self.session.names:
            raise Fault(
                "duplicate-global",
                f"{statement.name} is already defined",
                "a global name is given once: choose another name",
            )
        self.session.names[statement.name] = value

    def define(self, statement: syntax.FunctionDefinition) -> None:
        # The first definition of a name wins (section 8).
        self.session.names.setdefault(statement.name, Function(statement))

    def print(self, statement: syntax.Print) -> None:
        Evaluator(self.session).evaluate(compile_print(statement))

    def index_task_map(self, statement: syntax.IndexTaskMap) -> None:
        self._require_mapping_function(statement.function)
        self.tables.add_index_task_map(statement)

    def single_task_map(self, statement: syntax.SingleTaskMap) -> None:
        self._require_mapping_function(statement.function)
        self.tables.add_single_task_map(statement)

    def _require_mapping_function(self, name: str) -> None:
        value = self.session.names.get(name)
        if value is None:
            functions = [n for n, v in self.session.names.items() if isinstance(v, Function)]
            hint = "; ".join(
                ["define a function above the statement that uses it"]
                + [text for text in [did_you_mean(name, functions)] if text]
            )
            raise Fault("undefined-function", f"the function {name} is not defined here", hint)
        if not isinstance(value, Function):
            raise Fault("not-a-function", f"{name} is {describe(value)}, not a function")
        types = [parameter.type for parameter in value.definition.parameters]
        if types != ["Task"]:
            raise Fault(
                "entry-signature",
                f"{name} must take one parameter of type Task to map tasks",
                f"begin it with def {name}(Task task)",
            )


_ACTIONS: dict[type, Callable[[_Loader, Any], None]] = {
    syntax.Assignment: _Loader.assign,
    syntax.FunctionDefinition: _Loader.define,
    syntax.Print: _Loader.print,
    syntax.IndexTaskMap: _Loader.index_task_map,
    syntax.SingleTaskMap: _Loader.single_task_map,
}
"""What is done for those statements that can fail; of the others the tables take note."""
