"""What the checks look at: a mapper, as far as it loads, its application and the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from dsl import syntax
from dsl.checks.diagnostics import Diagnostic
from dsl.errors import MapperError, MapperLoadError
from dsl.facts import (
    ApplicationFacts,
    Forecast,
    MachineFacts,
    Obstacle,
    RequirementFacts,
    TaskFacts,
)
from dsl.load import load
from dsl.machine_shape import PROCESSOR_KINDS, MachineShape
from dsl.mapper import Mapper
from dsl.tables import choose_kind, choose_memory, lookup_keys

__all__ = ["CheckContext", "Loaded", "load_leniently"]

MAX_ERRORS = 20
_UNDEFINED = ("undefined-name", "undefined-function")


Rule = TypeVar("Rule")


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


class CheckContext:
    """What all checks of one mapper share: the mapper, the application and the machine.

    Attributes:
        program: The syntax tree of the mapper.
        application: What the mapper is for.
        machine: The machine as the application's processes see it.
        loaded: The mapper, as far as it can be loaded.
    """

    def __init__(
        self,
        program: syntax.Program,
        application: ApplicationFacts,
        machine: MachineFacts,
        forecast: Forecast | None = None,
    ) -> None:
        self.program = program
        self.application = application
        self.machine = machine.for_ranks(application.ranks_per_node)
        self.loaded = load_leniently(program, self.machine.shape)
        self._forecast = forecast
        self._kinds: dict[str, str | None] = {}

    @property
    def mapper(self) -> Mapper | None:
        """The loaded mapper, without the statements that fail; None where nothing loads."""
        return self.loaded.mapper

    @cached_property
    def obstacle(self) -> Obstacle | None:
        """What stops the program, where there is a forecast that tells.

        Only to be asked of a mapper without other errors.
        """
        if self._forecast is None or self.mapper is None:
            return None
        return self._forecast(self.mapper)

    @cached_property
    def present(self) -> tuple[str, ...]:
        """Processor kinds that the machine has."""
        return tuple(k for k in PROCESSOR_KINDS if self.machine.shape.count(k))

    @cached_property
    def _lines(self) -> list[str]:
        return self.program.source.split("\n")

    def rules(self, kind: type[Rule]) -> Iterator[Rule]:
        """The statements of a kind, in text order."""
        return (s for s in self.program.statements if isinstance(s, kind))

    def tasks_of(self, names: Sequence[str]) -> list[TaskFacts]:
        """The tasks that a rule is about; all of them for ``*``."""
        if "*" in names:
            return list(self.application.tasks.values())
        return self.named(names)

    def named(self, names: Sequence[str]) -> list[TaskFacts]:
        """The tasks that a rule names, ``*`` aside."""
        known = self.application.tasks
        return [known[name] for name in names if name in known]

    def concerned(
        self, tasks: Sequence[str], region: str
    ) -> list[tuple[TaskFacts, RequirementFacts]]:
        """The requirements with data that a rule is about, each with its task."""
        return [
            (task, requirement)
            for task in self.tasks_of(tasks)
            for requirement in task.requirements
            if requirement.fields and (region == "*" or region in requirement.names)
        ]

    def memory_of(self, task: TaskFacts, requirement: RequirementFacts) -> str | None:
        """The memory kind of a requirement; None where the task cannot run."""
        kind = self.kind_of(task.name)
        if kind is None or self.mapper is None:
            return None
        wanted = self.mapper.memories(task.name, requirement.names, kind)
        return choose_memory(wanted, self.machine.visible_memories(kind))

    def kind_of(self, task: str) -> str | None:
        """The processor kind that a task will run on; None where there is none."""
        if task not in self._kinds:
            wanted = self.mapper.task_kinds(task) if self.mapper else ()
            variants = self.application.tasks[task].variants
            self._kinds[task] = choose_kind(wanted, variants, self.present)
        return self._kinds[task]

    def diagnostic(
        self,
        code: str,
        position: syntax.Position | None,
        sentence: str,
        suggestion: str | None = None,
    ) -> Diagnostic:
        """A finding about some position in the mapper's text."""
        line = None
        if position is not None and position.line <= len(self._lines):
            line = self._lines[position.line - 1].rstrip("\r")
        return Diagnostic(code, sentence, position, suggestion, line)

    def layout_rule(
        self, task: str, requirement: RequirementFacts, places: Sequence[str]
    ) -> syntax.Layout | None:
        """The statement that decides a layout: of the most specific key, then the first."""
        for at in lookup_keys(task, tuple(requirement.names)):
            for place in (*places, "*"):
                if (rule := self._layouts.get((*at, place))) is not None:
                    return rule
        return None

    def region_rule(
        self, task: str, requirement: RequirementFacts, kind: str, memory: str
    ) -> syntax.Region | None:
        """The statement that names a memory for a requirement."""
        for at in lookup_keys(task, tuple(requirement.names)):
            for processor in (kind, "*"):
                rule = self._regions.get((*at, processor))
                if rule is not None and memory in rule.memories:
                    return rule
        return None

    @cached_property
    def _layouts(self) -> dict[tuple[str, str, str], syntax.Layout]:
        """The first statement about each task, region and place."""
        found: dict[tuple[str, str, str], syntax.Layout] = {}
        for rule in self.rules(syntax.Layout):
            place = "*" if rule.place == "VIRTUAL" else rule.place
            for task in rule.tasks:
                found.setdefault((task, rule.region, place), rule)
        return found

    @cached_property
    def _regions(self) -> dict[tuple[str, str, str], syntax.Region]:
        """The first statement about each task, region and kind of processor."""
        found: dict[tuple[str, str, str], syntax.Region] = {}
        for rule in self.rules(syntax.Region):
            for task in rule.tasks:
                found.setdefault((task, rule.region, rule.processor), rule)
        return found

    def map_rule(
        self, kind: type[syntax.IndexTaskMap | syntax.SingleTaskMap], task: str, on: str
    ) -> syntax.IndexTaskMap | syntax.SingleTaskMap | None:
        """The statement that names the function which maps a task: by name, else by kind."""
        for key in (task, on):
            for rule in self.rules(kind):
                if key in rule.keys:
                    return rule
        return None
