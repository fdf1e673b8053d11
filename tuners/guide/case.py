"""What the guide looks at: a mapper, its program and machine, and what came of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

import dsl
from dsl import syntax
from dsl.bounded_cache import BoundedCache
from dsl.checks.context import CheckContext
from dsl.facts import RequirementFacts, TaskFacts
from dsl.tables import LayoutDecision, choose_memory
from dsl.templates.space.tunable_task import tunable_tasks, usable_kinds, usable_memories
from dsl.units import percent, seconds
from legion_bridge.simulation.estimate import Costs, Estimator, costs_of
from tuners.guide.edits import Editor

if TYPE_CHECKING:
    from legion_bridge import Application, Evaluator, Machine
    from legion_bridge.mapping.decisions import Decisions
    from legion_bridge.outcome import Outcome, Profile
    from tuners.guide.guidance import Change
    from tuners.problems.problem import Evaluation, Finding
    from tuners.problems.references import Reference

__all__ = ["Argument", "Case", "Evaluates", "GuidedProblem"]

Rule = TypeVar("Rule", bound=syntax.Statement)


class Evaluates(Protocol):
    """What runs or simulates mappers."""

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome: ...


class GuidedProblem(Protocol):
    """What the guide needs of a problem; ``MapperProblem`` has it."""

    @property
    def application(self) -> Application: ...

    @property
    def machine(self) -> Machine: ...

    @property
    def evaluator(self) -> Evaluates: ...

    @property
    def simulation(self) -> Evaluator:
        """What simulates the program, be it that ``evaluator`` measures it."""

    @property
    def reference(self) -> Reference | None:
        """What mappers are held against; None where nothing is known to run."""

    def check(self, text: str) -> Sequence[Finding]: ...


class Argument(NamedTuple):
    """A requirement that a task has data of.

    Attributes:
        number: Its place among the task's requirements.
        name: The name by which a mapper speaks of it alone.
    """

    number: int
    name: str
    facts: RequirementFacts

    @property
    def label(self) -> str:
        """What a sentence calls it."""
        return f"argument {self.name}" if self.name.isdecimal() else self.name


class Background:
    """What all evaluations of a problem share.

    Attributes:
        application: The program.
        machine: Where it runs, shared out over ranks as the program asks.
        kinds: By task, the processor kinds that can run it, the fastest first.
        memories: By processor kind, the memory kinds that it sees, the best first.
        arguments: By task, its arguments with data; tasks that a mapper cannot name are left out.
        estimator: Estimates for changed mappers.
        loop_tasks: The tasks of the main loop.
        regions: The regions that a requirement is a part of over all launches, by task and place.
    """

    def __init__(self, problem: GuidedProblem) -> None:
        self.application = problem.application
        self.machine = problem.machine.for_ranks(problem.application.ranks_per_node)
        tunable = tunable_tasks(self.application, self.machine)
        self.kinds = {name: task.kinds for name, task in tunable.items()}
        self.memories = {
            kind: usable_memories(self.machine, kind) for kind in usable_kinds(self.machine)
        }
        self.arguments = {
            name: tuple(
                Argument(number, argument.region, argument.facts)
                for argument in task.arguments
                for number, facts in enumerate(self.application.tasks[name].requirements)
                if facts is argument.facts and facts.fields and not facts.virtual
            )
            for name, task in tunable.items()
        }
        self.estimator = Estimator(problem.simulation.simulator)
        self.loop_tasks = tuple(dict.fromkeys(each.task for each in self.application.loop))
        self.regions = _regions(self.application)
        self._known = BoundedCache[syntax.Statement, syntax.Statement](MOST_KNOWN)

    @staticmethod
    def of(problem: GuidedProblem) -> Background:
        """What a problem's evaluations share, made for the first of them."""
        if problem not in _backgrounds:
            _backgrounds[problem] = Background(problem)
        return _backgrounds[problem]

    def shared(self, statements: Iterable[syntax.Statement]) -> tuple[syntax.Statement, ...]:
        """Equal statements, the same for all mappers: what they decide is known."""
        known = self._known
        return tuple([known.get(each) or known.keep(each, each) for each in statements])

    def decide(self, statements: Iterable[syntax.Statement]) -> Decisions | None:
        """What shared statements decide; None where they fail or Legion refuses them."""
        return self.estimator.decide(syntax.Program(tuple(statements)))


def _regions(application: Application) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], dict[str, None]] = {}
    for launch in application.launches():
        for number, requirement in enumerate(launch.requirements):
            found.setdefault((launch.task, number), {})[requirement.region] = None
    return {key: tuple(regions) for key, regions in found.items()}


_backgrounds: WeakKeyDictionary[GuidedProblem, Background] = WeakKeyDictionary()
MOVES = ("copy", "fold", "fill", "collective")
"""Kinds of what moves data on the critical path."""
HIDDEN = 5e-4
"""Share of an iteration below which a wait costs nothing that is worth a word."""
MATTERS = 0.01
"""Share of an iteration from which on a task is looked at."""
MOST_KNOWN = 50_000
"""Statements whose answers are kept."""


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
        self.outcome = evaluation.outcome
        self.program = evaluation.program
        if self.program is not None and not self.outcome.ok:
            self.program = dsl.parse(self.text)  # an unchecked one has no positions of the text
        self._given = evaluation.diagnostics
        self.background = Background.of(problem)
        self.application = self.background.application
        self.machine = self.background.machine
        self.arguments = self.background.arguments
        self.estimator = self.background.estimator
        self._saved: dict[Change, float | None] = {}
        self._memories: dict[tuple[str, int, str], str] = {}
        self._layouts: dict[tuple[str, int], LayoutDecision] = {}

    @cached_property
    def diagnostics(self) -> Sequence[Finding]:
        """What a check found; a mapper that failed without having been checked is checked now."""
        if self._given or self.program is None or self.outcome.ok:
            return self._given
        return self.problem.check(self.text)

    def check(self, program: dsl.Program) -> Sequence[Finding]:
        """What a check finds in another mapper."""
        forecast = self.problem.simulation.forecast
        return dsl.check(program, self.application, self.machine, forecast=forecast)

    @cached_property
    def profile(self) -> Profile | None:
        """Where the time went; the mapper is run again where nobody has kept that."""
        if not self.outcome.ok or self.program is None:
            return None
        if self.outcome.profile is not None:
            return self.outcome.profile
        return self.problem.evaluator.evaluate(self.program, profile=True).profile

    @cached_property
    def subject(self) -> CheckContext:
        """The answers that the mapper gives, as the checks see them."""
        assert self.program is not None  # noqa: S101  (asked only of mappers that parse)
        return CheckContext(self.program, self.application, self.machine)

    @cached_property
    def decisions(self) -> Decisions | None:
        """What the mapper decides for every point; None where Legion refuses it."""
        return self.background.decide(self._shared) if self._shared else None

    @cached_property
    def _shared(self) -> tuple[syntax.Statement, ...]:
        return () if self.program is None else self.background.shared(self.program.statements)

    @cached_property
    def editor(self) -> Editor:
        """Makes changed mappers."""
        return Editor(self.text, self.program.statements if self.program else (), self._shared)

    def changed(
        self, new: Sequence[syntax.Statement], gone: Sequence[syntax.Statement]
    ) -> list[syntax.Statement]:
        """The mapper's statements after a change."""
        return self.editor.statements(self.background.shared(new), gone)

    def saved(self, change: Change) -> float | None:
        """Share of an iteration that a change is estimated to save; None where it fails."""
        if change not in self._saved:
            assert self.decisions is not None  # noqa: S101  (asked only of mappers that run)
            decisions = self.background.decide(self.changed(change.new, change.gone))
            self._saved[change] = (
                None
                if decisions is None
                else 1.0 - self.estimator.estimate(decisions).total / self._total
            )
        return self._saved[change]

    @cached_property
    def _total(self) -> float:
        assert self.decisions is not None  # noqa: S101  (as above)
        return self.estimator.estimate(self.decisions).total

    # The program

    @property
    def tasks(self) -> Mapping[str, TaskFacts]:
        """All tasks of the program."""
        return self.application.tasks

    def memories(self, kind: str) -> tuple[str, ...]:
        """The memory kinds that a processor kind sees, the best first."""
        return self.background.memories.get(kind, ())

    def rules(self, kind: type[Rule]) -> list[Rule]:
        """The mapper's statements of a type."""
        if self.program is None:
            return []
        return [each for each in self.program.statements if isinstance(each, kind)]

    # What it decides

    @cached_property
    def costs(self) -> Costs:
        """Where the time of an estimated iteration goes; nothing for a mapper that fails."""
        if self.decisions is None:
            return Costs()
        return costs_of(self.estimator.program, self.estimator.estimate(self.decisions))

    @property
    def iteration(self) -> float:
        """Seconds of an iteration: what shares of it are shares of."""
        return self.profile.iteration if self.profile else self.costs.total

    def waited_for(self, *, task: str | None = None, region: str | None = None) -> float:
        """Seconds of an iteration that wait for copies, of a region or on behalf of a task.

        What is hidden behind other work is not among them.
        """
        shares = self.profile.critical_path if self.profile else ()
        return sum(
            share.seconds
            for share in shares
            if share.kind in MOVES
            and task in (None, share.task)
            and region in (None, share.region)
        )

    def wait(self, waited: float) -> str:
        """A wait in words, such as ``"an iteration waits 1.000 ms for that (5.0 %)"``."""
        if waited < HIDDEN * self.iteration:
            return "all of it is hidden behind other work"
        share = percent(waited / self.iteration, decimals=1)
        return f"an iteration waits {seconds(waited)} for that ({share})"

    @cached_property
    def mattering(self) -> list[str]:
        """Tasks that take a share of the iteration, the most expensive first."""
        costs = {task: self.costs.of_task(task) for task in self.costs.running}
        ranked = sorted(costs, key=lambda task: -costs[task])
        least = MATTERS * self.costs.total
        return [task for task in ranked if task in self.arguments and costs[task] > least]

    def kind(self, task: str) -> str:
        """The processor kind that a task runs on."""
        return self.subject.kind_of(task) or "CPU"

    def memory(self, task: str, argument: Argument, kind: str | None = None) -> str:
        """The memory kind of an argument, where its task runs on a kind: by default its own."""
        on = kind or self.kind(task)
        key = (task, argument.number, on)
        if key not in self._memories:
            mapper = self.subject.mapper
            wanted = mapper.memories(task, argument.facts.names, on) if mapper else ()
            self._memories[key] = choose_memory(wanted, self.machine.visible_memories(on))
        return self._memories[key]

    def layout(self, task: str, argument: Argument) -> LayoutDecision:
        """The layout of an argument."""
        key = (task, argument.number)
        if key not in self._layouts:
            mapper, kind = self.subject.mapper, self.kind(task)
            memory = self.memory(task, argument)
            found = mapper.layout(task, argument.facts.names, memory, kind) if mapper else None
            self._layouts[key] = found or LayoutDecision()
        return self._layouts[key]

    def argument_label(self, task: str, number: int) -> str:
        """What a sentence calls a requirement that a runtime names by its number."""
        known = self.arguments.get(task, ())
        return next(
            (each.label for each in known if each.number == number), f"region argument {number}"
        )

    def users(self, region: str) -> list[tuple[str, Argument]]:
        """The tasks of the loop that have data of a region, each with its argument."""
        return [
            (task, argument)
            for task in self.background.loop_tasks
            for argument in self.arguments.get(task, ())
            if region in self.regions_of(task, argument)
        ]

    def regions_of(self, task: str, argument: Argument) -> tuple[str, ...]:
        """The regions that an argument is a part of, over all launches of its task."""
        return self.background.regions.get((task, argument.number), ())
