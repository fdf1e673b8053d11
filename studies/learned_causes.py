"""What failures of real runs teach: the smallest set of decisions that fails.

A mapper that fails is held against one that runs. Mappers between the two, which take some of the
decisions in which they differ from the one and the rest from the other, are run until few
decisions are left: first those that are alike (all fields together, say, whatever the argument),
then single ones. What is found is the cause: mappers that share it are not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import dsl
from legion_bridge.programs.application import Application, LayoutNeed
from studies.decisions_apart import Choice, Choices
from studies.failure_counts import LEARNED, cause_of, key_of
from tuners import attributes
from tuners.problems.essential import fewest

if TYPE_CHECKING:
    from dsl.syntax import Position
    from legion_bridge import Machine
    from legion_bridge.outcome import Outcome

__all__ = ["Cause", "LearnedCauses", "Lesson"]

MOST_RUNS = 14
"""Runs for the cause of one failure at most."""
LEAST_RUNS = 2
"""With fewer nothing can be found out."""
SAID_BY_OURS = "mappertune: error:"


@dataclass(frozen=True)
class Cause:
    """Decisions that fail together, whatever else a mapper decides.

    Attributes:
        choices: The decisions.
        message: The line in which the program says so.
    """

    choices: frozenset[Choice]
    message: str

    @property
    def sentence(self) -> str:
        """What fails, in words."""
        return f"{' with '.join(sorted(map(str, self.choices)))}{LEARNED}{self.message}"


@dataclass(frozen=True, slots=True)
class SeenToFail:
    """What a check finds in a mapper with such decisions (``tuners.problems.problem.Finding``)."""

    sentence: str
    code: str = "seen-to-fail"
    severity: str = "error"
    position: Position | None = None
    suggestion: str | None = "decide otherwise there"


@dataclass(frozen=True)
class Lesson:
    """What one failure has taught.

    Attributes:
        sentence: What the cause is; empty where it was not found.
        runs: How many runs that took.
        noted: What its trial keeps, so that another session knows it.
    """

    sentence: str = ""
    runs: int = 0
    noted: Mapping[str, Any] = field(default_factory=dict)


class LearnedCauses:
    """The causes that are known of one program on one machine.

    Attributes:
        known: The causes, in the order in which they were found.
    """

    def __init__(self, application: Application, machine: Machine) -> None:
        self._choices = Choices(application, machine)
        self.known: list[Cause] = []

    def refusal(self, program: dsl.Program) -> str:
        """Why a mapper is not run: it decides what was seen to fail; empty for another one."""
        cause = self._cause_in(program)
        return "" if cause is None else f"As was seen before, {cause.sentence}"

    def findings(self, program: dsl.Program) -> Iterator[SeenToFail]:
        """The same as what a check finds."""
        cause = self._cause_in(program) if self.known else None
        if cause is not None:
            yield SeenToFail(cause.sentence)

    def mended(self, program: dsl.Program, running: dsl.Program) -> str | None:
        """A failing mapper with decisions of one that runs in place of those that fail.

        None where nothing is known to fail in it.
        """
        theirs, mended = self._choices.of(running), None
        for cause in self.known:
            if self._cause_in(program) is None:
                break
            if not cause.choices <= frozenset(self._choices.of(program).values()):
                continue
            instead = [theirs[choice.place] for choice in cause.choices if choice.place in theirs]
            mended = self._choices.between(program, running, instead)
            program = dsl.parse(mended)
        return mended if self._cause_in(program) is None else None

    def learn(
        self,
        failing: dsl.Program,
        running: dsl.Program,
        outcome: Outcome,
        sample: Callable[[dsl.Program], Outcome],
        most: int,
    ) -> Lesson:
        """Finds out which decisions a mapper fails for, by a few further runs.

        Args:
            failing: The mapper.
            running: One that runs.
            outcome: What came of the failing one.
            sample: Runs a mapper once.
            most: How many runs there may be.
        """
        if SAID_BY_OURS in outcome.raw or min(most, MOST_RUNS) < LEAST_RUNS:
            return Lesson()  # our own mapper has said what it is
        trials = _Trials(self._choices, failing, running, key_of(outcome.raw), sample)
        most = min(most, MOST_RUNS)
        trials.left = most
        found = trials.smallest(self._choices.apart(failing, running))
        message = cause_of(outcome.raw)
        causes = [Cause(frozenset(choices), message) for choices in found]
        runs = most - trials.left
        noted = {attributes.LEARNED: {"runs": runs, "causes": [_as_json(c) for c in causes]}}
        if not causes:
            return Lesson("", runs, noted)
        self.known += causes
        how = "found" if trials.left else "as far as it was narrowed down"
        return Lesson(f"The cause, {how} by {runs} more runs: {_told(causes)}", runs, noted)

    def recall(self, noted: Mapping[str, Any]) -> None:
        """Takes up what a trial of an earlier session, or another study, has taught."""
        for cause in noted["causes"]:
            choices = frozenset(Choice.from_json(each) for each in cause["choices"])
            found = Cause(choices, str(cause["message"]))
            if found not in self.known:
                self.known.append(found)

    def as_json(self) -> dict[str, Any]:
        """All that is known as JSON values, which ``recall`` takes."""
        return {"causes": [_as_json(cause) for cause in self.known]}

    def taught(self, application: Application) -> Application:
        """The application with what single decisions about layouts fail, as needs of its tasks."""
        needs: dict[tuple[str, int], LayoutNeed] = {}
        for cause in self.known:
            if len(cause.choices) == 1:
                (choice,) = cause.choices
                place = (choice.question.task, choice.question.requirement or 0)
                old = needs.get(place, LayoutNeed(None, None, cause.message, alone=True))
                if choice.aspect == "fields":
                    needs[place] = replace(old, soa=choice.value)  # together fails: apart
                elif choice.aspect == "order":
                    needs[place] = replace(old, order="F_order" if choice.value else "C_order")
        return with_needs(application, needs) if needs else application

    def _cause_in(self, program: dsl.Program) -> Cause | None:
        if not self.known:
            return None
        choices = frozenset(self._choices.of(program).values())
        return next((cause for cause in self.known if cause.choices <= choices), None)


@dataclass
class _Trials:
    """Runs of mappers between a failing one and one that runs."""

    choices: Choices
    failing: dsl.Program
    running: dsl.Program
    key: str
    sample: Callable[[dsl.Program], Outcome]
    left: int = MOST_RUNS

    def smallest(self, apart: Sequence[Choice]) -> list[list[Choice]]:
        """The smallest sets of decisions that were seen to fail, each by itself."""
        groups = list(_alike(apart).values())
        if not groups:
            return []
        seen = self.choices.all_told(self.failing, self.running)
        kept = fewest(groups, lambda rest: self.fails(_flat(rest)), self.left)
        if len(kept) == len(groups) and not (seen or self.fails(apart)):
            return []  # what it fails for cannot be told apart
        if len(kept) > 1:
            return [fewest(_flat(kept), self.fails, self.left)]
        return list(self._each_task(kept[0]))

    def _each_task(self, group: Sequence[Choice]) -> Iterator[list[Choice]]:
        """The smallest failing sets of decisions that are alike, task by task."""
        by_task: dict[str, list[Choice]] = {}
        for choice in group:
            by_task.setdefault(choice.question.task, []).append(choice)
        rest = list(by_task.values())
        while rest:
            kept = fewest(rest, lambda some: self.fails(_flat(some)), self.left)
            if len(kept) > 1:
                yield fewest(_flat(kept), self.fails, self.left)
                return
            yield from self._each_argument(kept[0])
            rest = [each for each in rest if each is not kept[0]]
            if not rest or not self.fails(_flat(rest)):
                return

    def _each_argument(self, choices: Sequence[Choice]) -> list[list[Choice]]:
        """One decision of a task that fails, or each of those that are alike.

        Where no run is left to see that, they are taken to be.
        """
        single = fewest(choices, self.fails, self.left)
        if len(single) > 1:
            return [single]
        # The same of its other arguments, too, whether the failing mapper decides so or not.
        others = self.choices.alike(single[0], self.running)
        if self.left >= len(others):
            return [single, *([each] for each in others if self.fails([each]))]
        if others and (not self.left or self.fails(others)):
            return [single, *([each] for each in others)]
        return [single]

    def fails(self, choices: Sequence[Choice]) -> bool:
        """Whether a mapper with these decisions fails as the failing one does."""
        if self.left <= 0:
            return False
        self.left -= 1
        text = self.choices.between(self.running, self.failing, choices)
        outcome = self.sample(dsl.parse(text))
        return outcome.status == "execution_error" and key_of(outcome.raw) == self.key


def with_needs(
    application: Application, needs: Mapping[tuple[str, int], LayoutNeed]
) -> Application:
    """An application whose tasks need some layouts, by the task and the argument's number."""

    def needing(launches: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(
            replace(
                launch,
                requirements=tuple(
                    replace(each, need=needs.get((launch.task, index), each.need))
                    for index, each in enumerate(launch.requirements)
                ),
            )
            for launch in launches
        )

    return replace(
        application,
        setup=needing(application.setup),
        loop=needing(application.loop),
        finish=needing(application.finish),
    )


def _alike(choices: Iterable[Choice]) -> dict[tuple[str, str, Any], list[Choice]]:
    """Choices by what they say, whatever they are about; those that fail most often last."""
    groups: dict[tuple[str, str, Any], list[Choice]] = {}
    for choice in choices:
        what = choice.value if choice.aspect else ""
        groups.setdefault((choice.question.topic, choice.aspect, what), []).append(choice)
    ordered = sorted(groups.items(), key=lambda item: item[0][0] == "layout")
    return dict(ordered)


def _flat(groups: Iterable[Sequence[Choice]]) -> list[Choice]:
    return [choice for group in groups for choice in group]


def _told(causes: Sequence[Cause]) -> str:
    if len(causes) == 1:
        return causes[0].sentence
    first = min(causes[0].choices, key=str)
    places = ", ".join(min(cause.choices, key=str).about for cause in causes)
    return f"{first.what} for each of {places}{LEARNED}{causes[0].message}"


def _as_json(cause: Cause) -> dict[str, Any]:
    choices = sorted(cause.choices, key=str)
    return {"choices": [each.as_json() for each in choices], "message": cause.message}
