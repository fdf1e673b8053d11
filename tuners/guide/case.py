"""What the guide looks at: a mapper, its program and machine, and what came of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import dsl
from dsl import syntax
from dsl.checks.subject import Subject
from dsl.choices import choose_memory
from dsl.facts import RequirementFacts, TaskFacts
from dsl.tables import LayoutDecision
from dsl.templates.tunable_task import tunable_tasks, usable_memories
from tuners.guide.costs import Costs, costs_of
from tuners.guide.what_if import WhatIf

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from legion_bridge.mapping import Decisions
    from legion_bridge.outcome import Outcome, Profile
    from tuners.problem import Evaluation, Finding

__all__ = ["Argument", "Case", "GuidedProblem"]

Rule = TypeVar("Rule", bound=syntax.Statement)


class _Evaluator(Protocol):
    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome: ...


class GuidedProblem(Protocol):
    """What the guide needs of a problem; ``MapperProblem`` has it."""

    @property
    def application(self) -> Application: ...

    @property
    def machine(self) -> Machine: ...

    @property
    def evaluator(self) -> _Evaluator: ...

    def check(self, text: str) -> Sequence[Finding]: ...


class Argument(NamedTuple):
    """A requirement that a task has data of.

    Attributes:
        index: Its place among the task's requirements.
        name: The name by which a mapper speaks of it alone.
    """

    index: int
    name: str
    facts: RequirementFacts


class Case:
    """One evaluation, with all that follows from it.

    Attributes:
        problem: The program and the machine.
        text: The mapper.
        program: Its syntax tree; None where it does not parse.
        outcome: What running it gave.
    """

    def __init__(self, problem: GuidedProblem, evaluation: Evaluation) -> None:
        self.problem = problem
        self.text = evaluation.text
        self.program = evaluation.program
        self.outcome = evaluation.outcome
        self._given = evaluation.diagnostics
        self.application = problem.application
        self.machine = problem.machine.for_ranks(problem.application.ranks_per_node)

    @cached_property
    def diagnostics(self) -> Sequence[Finding]:
        """What a check finds; it is made now where nobody has made one."""
        if self.program is None:
            return ()
        return self._given or self.problem.check(self.text)

    @cached_property
    def profile(self) -> Profile | None:
        """Where the time went; the mapper is run again where nobody has kept that."""
        if not self.outcome.ok or self.program is None:
            return None
        if self.outcome.profile is not None:
            return self.outcome.profile
        return self.problem.evaluator.evaluate(self.program, profile=True).profile

    @cached_property
    def subject(self) -> Subject:
        """The answers that the mapper gives, as the checks see them."""
        assert self.program is not None  # noqa: S101  (asked only of mappers that parse)
        return Subject(self.program, self.application, self.machine)

    @cached_property
    def what_if(self) -> WhatIf:
        """Estimates for changed mappers."""
        return WhatIf.of(self.application, self.machine)

    @cached_property
    def decisions(self) -> Decisions | None:
        """What the mapper decides for every point; None where Legion refuses it."""
        return None if self.program is None else self.what_if.decide(self.program)

    # The program

    @property
    def tasks(self) -> Mapping[str, TaskFacts]:
        """All tasks of the program."""
        return self.application.tasks

    @cached_property
    def arguments(self) -> Mapping[str, tuple[Argument, ...]]:
        """The arguments with data of each task that a mapper can name."""
        return {
            name: tuple(
                Argument(index, argument.region, argument.facts)
                for argument in task.arguments
                for index, facts in enumerate(self.tasks[name].requirements)
                if facts is argument.facts and facts.fields and not facts.virtual
            )
            for name, task in tunable_tasks(self.application, self.machine).items()
        }

    def argument(self, task: str, region: str) -> Argument | None:
        """The argument of a task that goes by a name: its own, or one of several."""
        known = self.arguments.get(task, ())
        exact = [each for each in known if each.name == region]
        return next(iter([*exact, *(each for each in known if region in each.facts.names)]), None)

    def memories(self, kind: str) -> tuple[str, ...]:
        """The memory kinds that a processor kind sees, the best first."""
        return usable_memories(self.machine, kind)

    def rules(self, kind: type[Rule]) -> list[Rule]:
        """The mapper's statements of a type."""
        if self.program is None:
            return []
        return [each for each in self.program.statements if isinstance(each, kind)]

    # What it decides

    @cached_property
    def costs(self) -> Costs:
        """Where the time goes, as the estimate has it; nothing for a mapper that fails."""
        if self.decisions is None:
            return Costs()
        return costs_of(self.what_if.program, self.what_if.estimate(self.decisions))

    def kind(self, task: str) -> str:
        """The processor kind that a task runs on."""
        return self.subject.kind_of(task) or "CPU"

    def memory(self, task: str, argument: Argument, kind: str | None = None) -> str:
        """The memory kind of an argument, where its task runs on a kind: by default its own."""
        on = kind or self.kind(task)
        mapper = self.subject.mapper
        wanted = mapper.memories(task, argument.facts.names, on) if mapper else ()
        return choose_memory(wanted, self.machine.visible_memories(on))

    def layout(self, task: str, argument: Argument) -> LayoutDecision:
        """The layout of an argument."""
        mapper, kind = self.subject.mapper, self.kind(task)
        if mapper is None:
            return LayoutDecision()
        memory = self.memory(task, argument)
        return mapper.layout(task, argument.facts.names, memory, kind) or LayoutDecision()

    def users(self, region: str) -> list[tuple[str, Argument]]:
        """The tasks of the loop that have data of a region, each with its argument."""
        return [
            (task, argument)
            for task, arguments in self.arguments.items()
            for argument in arguments
            if task in self.costs.running and region in self.regions_of(task, argument)
        ]

    def regions_of(self, task: str, argument: Argument) -> set[str]:
        """The regions that an argument is a part of, over all launches of its task."""
        return {
            launch.requirements[argument.index].region
            for launch in self.application.launches()
            if launch.task == task and argument.index < len(launch.requirements)
        }
