"""What a template takes over from a mapper that its space would not hold otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dsl import syntax
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.syntax import Program
from dsl.templates.match.answers import Question
from dsl.templates.space.tunable_task import TunableTask
from dsl.unparse import unparse

__all__ = ["Additions", "additions_from"]

_DEFINITIONS = (syntax.Assignment, syntax.FunctionDefinition)


@dataclass(frozen=True)
class Additions:
    """Choices beyond those of a space.

    Attributes:
        maps: For a task, names of further index maps, without the kind of processor.
        definitions: The functions of these maps, and what they use.
        tight: Arguments, as task and names, whose instances may be made as small as they are.
    """

    maps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    definitions: tuple[str, ...] = ()
    tight: frozenset[tuple[str, tuple[str, ...]]] = frozenset()


def additions_from(
    program: Program, differs: Iterable[Question], tasks: Mapping[str, TunableTask]
) -> Additions:
    """What a mapper decides as no point of a space does, and the size of instances.

    Index maps are taken over whose function is named after the kind of processor, as
    ``rows_CPU`` is. Who starts from the mapper of a real run has a real choice between instances
    of whole regions, which Legion makes by default on one node, and of pieces.

    Args:
        program: The mapper.
        differs: The questions that the nearest point answers otherwise.
        tasks: The tasks of the template.
    """
    asked = list(differs)
    unmapped = {each.task for each in asked if each.topic == "index map"}
    maps: dict[str, tuple[str, ...]] = {}
    for statement in program.statements:
        if not isinstance(statement, syntax.IndexTaskMap):
            continue
        choice, _, kind = statement.function.rpartition("_")
        for task in unmapped & set(statement.keys) if kind in PROCESSOR_KINDS and choice else ():
            maps[task] = (choice,)
    definitions = [s for s in program.statements if maps and isinstance(s, _DEFINITIONS)]
    return Additions(
        maps=maps,
        definitions=tuple(unparse(Program((each,))).strip() for each in definitions),
        tight=frozenset(
            (task.name, tuple(argument.facts.names))
            for task in tasks.values()
            for argument in task.arguments
            if task.domains and argument.facts.privilege != "REDUCE"
        ),
    )
