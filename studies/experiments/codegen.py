"""From words to mappers: the ten strategies of the ICML 2025 paper (arXiv 2410.15625, section 5).

A model is given a mapper of circuit to begin with and one strategy in words; its mapper passes
where all its decisions are those of the strategy, however it is written. What fails goes back with
the reason, as often as is allowed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

import dsl
from legion_bridge.outcome import Outcome
from tuners.llm.candidates import candidates_in
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Message, ModelUsage, Request

if TYPE_CHECKING:
    from legion_bridge.mapping.decisions import Decisions
    from legion_bridge.mapping.launch_decisions import LaunchDecisions
    from legion_bridge.programs.application import Launch
    from tuners import MapperProblem
    from tuners.llm.model.exchange import Model

__all__ = ["Attempt", "Exercise", "Strategy", "exercise", "run_strategy"]

SYSTEM = """\
You write mappers for programs on the Legion parallel runtime. You are given a mapper and a
strategy in words, and change the mapper so that it does what the strategy says, and otherwise
decides as before. You are judged by the mapper's decisions, and not by its speed or its text.

# The mapping language

{language}

# The program and the machine

{problem}

# The mapper to change

```mapper
{start}```
"""
TASK = """\
Strategy: {words}

Reply with the whole changed mapper, in one fenced block that begins with ```mapper.
"""
BACK = """\
{complaint}

Reply with the whole mended mapper, in one fenced block that begins with ```mapper.
"""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy.

    Attributes:
        name: Short.
        words: What a model is told.
        mapper: A mapper that does it.
    """

    name: str
    words: str
    mapper: str


@dataclass(frozen=True)
class Exercise:
    """All strategies over one mapper of one program.

    Attributes:
        problem: The program and the machine.
        start: The mapper to change.
        strategies: The strategies.
    """

    problem: MapperProblem
    start: str
    strategies: tuple[Strategy, ...]

    @cached_property
    def system(self) -> str:
        """What a model is told first."""
        return SYSTEM.format(
            language=self.problem.language, problem=self.problem.describe(), start=self.start
        )

    def decisions(self, text: str) -> Decisions:
        """All decisions of a mapper.

        Raises:
            dsl.MappertuneError: It does not parse, or fails.
        """
        simulator = self.problem.simulation.simulator
        found = simulator.decide(dsl.load(dsl.parse(text), self.problem.machine.shape))
        if isinstance(found, Outcome):
            raise dsl.MappertuneError(found.raw)
        return found

    def differs(self, text: str, strategy: Strategy) -> str:
        """The first decision of a mapper that is not the strategy's, in words; empty for none."""
        try:
            ours = self.decisions(text)
        except dsl.MappertuneError as error:
            return str(error)
        theirs = self.decisions(strategy.mapper)
        program = self.problem.simulation.simulator.program
        for launch, mine, wanted in zip(
            program.launches, ours.launches, theirs.launches, strict=True
        ):
            found = _first_difference(mine, wanted)
            if found is not None:
                what, number = found
                return f"the {what}{self._of(launch, number)} is not what the strategy says"
        moved = (ours.processor != theirs.processor) & ~(ours.unpinned & theirs.unpinned == 1)
        moved |= ours.unpinned != theirs.unpinned
        if moved.any():
            task = program.launches[int(program.point_launch[np.flatnonzero(moved)[0]])].task
            return f"the points of {task} go to other processors than the strategy says"
        return ""

    def _of(self, launch: Launch, number: int | None) -> str:
        """Whose decision it is, in words."""
        if number is None:
            return f" of {launch.task}"
        application = self.problem.application
        names = application.semantic_names(launch.requirements[number])
        name = f" ({names[0]})" if names else ""
        return f" of region argument {number}{name} of {launch.task}"


@dataclass(frozen=True)
class Attempt:
    """How a model did on one strategy.

    Attributes:
        strategy: The strategy.
        turns: What was wrong with each reply, in order; empty for one that passes.
        failure: Why the model gave no further reply; empty where it did.
        usage: What was used.
        mapper: The last mapper; None where there was none.
    """

    strategy: Strategy
    turns: tuple[str, ...]
    failure: str = ""
    usage: ModelUsage = field(default_factory=ModelUsage)
    mapper: str | None = None

    @property
    def passed_after(self) -> int | None:
        """The number of the reply that passed, from 1; None where none did."""
        return len(self.turns) if self.turns and not self.turns[-1] else None

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "strategy": self.strategy.name,
            "passed_after": self.passed_after,
            "turns": list(self.turns),
            "failure": self.failure or None,
            "tokens": self.usage.tokens,
            "mapper": self.mapper,
        }


def exercise() -> Exercise:
    """The paper's exercise: circuit, on two of its nodes so that every strategy tells."""
    from studies.suite import Case  # noqa: PLC0415  (loads the simulator)

    text = files("studies.experiments").joinpath("strategies.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    strategies = tuple(Strategy(**each) for each in found["strategy"])
    return Exercise(Case("circuit", nodes=2).problem(), found["start"], strategies)


def run_strategy(
    model: Model, task: Exercise, strategy: Strategy, *, turns: int, first: Request
) -> Attempt:
    """Has a model write one strategy, and mend it while turns are left.

    Args:
        model: The model.
        task: The exercise.
        strategy: The strategy.
        turns: Replies at most.
        first: The settings of its requests; the messages are put in here.
    """
    messages: tuple[Message, ...] = (
        Message("system", task.system),
        Message("user", TASK.format(words=strategy.words)),
    )
    wrong: list[str] = []
    usage, mapper = ModelUsage(), None
    for _ in range(turns):
        asked = replace(first, messages=messages)
        try:
            reply = model.ask(asked)
        except ModelError as error:
            return Attempt(strategy, tuple(wrong), str(error), usage, mapper)
        usage += reply.usage(asked)
        candidates = candidates_in(reply.text, task.problem)
        if candidates:
            mapper = candidates[0].text
            syntax = candidates[0].complaints[:1] if candidates[0].key is None else ()
            complaint = syntax[0] if syntax else task.differs(mapper, strategy)
        else:
            complaint = "there is no mapper in the reply"
        wrong.append(complaint)
        if not complaint:
            break
        back = Message("user", BACK.format(complaint=complaint))
        messages = (*messages, Message("assistant", reply.text), back)
    return Attempt(strategy, tuple(wrong), "", usage, mapper)


def _first_difference(
    mine: LaunchDecisions, wanted: LaunchDecisions
) -> tuple[str, int | None] | None:
    """What is decided otherwise for all points of a launch, and of which region argument."""
    if mine.kind != wanted.kind:
        return "processor kind", None
    if mine.limit != wanted.limit:
        return "instance limit", None
    for what, ours, theirs in (
        ("memory", mine.memories, wanted.memories),
        ("layout", mine.layouts, wanted.layouts),
        ("collection of memory", mine.collects, wanted.collects),
    ):
        for number, (is_now, should) in enumerate(zip(ours, theirs, strict=True)):
            if is_now != should:
                return what, number
    return None
