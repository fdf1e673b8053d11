"""What a mapper adds to a template: decisions that its space would not hold otherwise."""

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
        tight: Arguments, as task and names, whose instances may be made as small as the arguments.
    """

    maps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    definitions: tuple[str, ...] = ()
    tight: frozenset[tuple[str, tuple[str, ...]]] = frozenset()


def additions_from(
    program: Program, differs: Iterable[Question], tasks: Mapping[str, TunableTask]
) -> Additions:
    """A mapper's decisions that no point of a space takes, and the size of its instances.

    An index map is taken over if its function is named after the kind of processor, as
    ``rows_CPU`` is. A search that starts from the mapper of a real run can choose between
    instances of whole regions, which Legion makes by default on one node, and of pieces.

    Args:
        program: The mapper.
        differs: The questions to which the nearest point gives another answer.
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
