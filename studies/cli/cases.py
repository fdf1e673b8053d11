"""From options to cases and problems."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.errors import UsageError
from studies.files import read_text
from studies.mapper_header import application_in
from studies.suite import Case

if TYPE_CHECKING:
    import dsl

__all__ = ["advised", "case_for", "case_of"]


def case_of(arguments: argparse.Namespace) -> Case:
    """The case that the options describe."""
    return Case(
        application=arguments.application,
        machine=arguments.machine,
        parameters=dict(arguments.parameters),
        nodes=arguments.nodes,
        space=arguments.space,
        template=None if arguments.template is None else read_text(arguments.template, "template"),
        objective=getattr(arguments, "objective", "timed"),
    )


def case_for(arguments: argparse.Namespace, program: dsl.Program) -> Case:
    """The case that a mapper was written for.

    Where no option says, the first line of its file tells, or the tasks that it names.

    Raises:
        UsageError: The mapper names tasks of no application, or of several.
    """
    if arguments.application is None:
        arguments.application = application_in(program.source) or recognise(program)
    return case_of(arguments)


def advised(
    error: dsl.MapperSyntaxError, text: str, arguments: argparse.Namespace
) -> dsl.MapperSyntaxError:
    """A syntax error with the names of the program's regions in its hints, if it is known."""
    arguments.application = arguments.application or application_in(text)
    if arguments.application is None or "CollectMemory" not in text:
        return error
    from dsl.collected_regions import with_region_names

    return with_region_names(error, case_of(arguments).load()[0])


def recognise(program: dsl.Program) -> str:
    """The application whose tasks a mapper names.

    Raises:
        UsageError: There is none, or more than one.
    """
    from dsl.checks.silent import tasks_named_in
    from legion_bridge import Application, application_names

    named = {task for statement in program.statements for task in tasks_named_in(statement)}
    shared = {name: len(named & set(Application.load(name).tasks)) for name in application_names()}
    most = max(shared.values())
    likely = [name for name, count in shared.items() if count == most]
    if most == 0 or len(likely) > 1:
        among = likely if most else application_names()
        raise UsageError(
            "the mapper does not tell its application by the tasks that it names: say by --app "
            f"which it is of {', '.join(among)}"
        )
    return likely[0]
