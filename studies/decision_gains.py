"""What each decision gains in which a mapper differs from a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dsl
from dsl.templates.match.answers import Question
from studies.decisions_apart import Choice, Choices, Place
from tuners.problems.statement_gains import Gain

if TYPE_CHECKING:
    from legion_bridge.outcome import Outcome
    from tuners import MapperProblem

__all__ = ["DecisionGain", "decision_gains"]

MOST_TASKS = 4  # named of a decision about many
_RULES = {"kind": "Task", "memory": "Region", "layout": "Layout", "limit": "InstanceLimit"}


@dataclass(frozen=True, slots=True)
class DecisionGain:
    """Decisions that a mapper takes alike, and a reference alike otherwise.

    Attributes:
        label: What the mapper decides, such as ``"Region rp_shared FBMEM"``.
        theirs: What the reference does there, such as ``"ZCMEM"``.
        count: How many decisions they are: one for each task and argument.
        by: The mapper beside itself with those decisions of the reference.
    """

    label: str
    theirs: str
    count: int
    by: Gain

    def as_json(self) -> dict[str, Any]:
        """It as JSON values."""
        named = {"decision": self.label, "reference": self.theirs, "count": self.count}
        return named | self.by.as_json()


def decision_gains(
    problem: MapperProblem, evaluate: Callable[[str], Outcome], text: str, reference: str
) -> tuple[list[DecisionGain], int]:
    """What a mapper's decisions gain beside those of a reference, the most important first.

    Args:
        problem: Of which both are mappers.
        evaluate: What comes of a mapper's text.
        text: A mapper that runs.
        reference: The other mapper.

    Returns:
        The decisions, and how many more there are that no statement moves from one to the other.

    Raises:
        dsl.MapperSyntaxError: One does not parse.
    """
    ours, theirs = dsl.parse(text), dsl.parse(reference)
    choices = Choices(problem.application, problem.machine)
    taken, other = choices.of(ours), choices.of(theirs)
    apart = [place for place, choice in taken.items() if other.get(place) != choice]
    groups: dict[Any, list[tuple[Choice, Choice]]] = {}
    for choice in choices.apart(theirs, ours):
        mine = taken.get(choice.place)
        if mine is not None:
            groups.setdefault(_key(mine, choice), []).append((mine, choice))
    whole = evaluate(text)
    found = []
    for pairs in groups.values():
        moved = evaluate(choices.between(ours, theirs, [choice for _, choice in pairs]))
        mine, choice = pairs[0]
        label = _label([each for each, _ in pairs], taken)
        found.append(DecisionGain(label, _value(choice), len(pairs), Gain.of(whole, moved)))
    found.sort(key=lambda each: (-each.by.rank, each.label))
    return found, len(apart) - sum(each.count for each in found)


def _key(mine: Choice, choice: Choice) -> Any:
    """Equal for decisions that one statement could take."""
    question = mine.question
    names = question.names[:1] if question.topic in ("memory", "collection") else ()
    task = question.task if question.topic == "limit" else ""
    return question.topic, mine.aspect, names, task, repr(mine.value), repr(choice.value)


def _label(group: Sequence[Choice], taken: Mapping[Place, Choice]) -> str:
    """The decisions as a statement would say them, without the tasks where it is of all."""
    first = group[0]
    topic = first.question.topic
    tasks = list(dict.fromkeys(choice.question.task for choice in group))
    kinds = {_kind(task, taken) for task in tasks}
    alike = {
        choice.value
        for place, choice in taken.items()
        if place.question.topic == topic
        and place.aspect == first.aspect
        and (topic == "layout" or place.question.names[:1] == first.question.names[:1])
        and (topic == "kind" or _kind(place.question.task, taken) in kinds)
    }
    everywhere = topic != "limit" and alike == {first.value}
    about = "" if everywhere else f"{_listed(tasks)} "
    name = f"{first.question.names[0]} " if first.question.names and topic != "layout" else ""
    if topic == "limit":
        return f"InstanceLimit {about}{_value(first)}"
    if topic == "collection":
        return f"{'' if first.value else 'no '}CollectMemory {about}{name}".rstrip()
    if "map" in topic:
        word = "IndexTaskMap" if topic == "index map" else "SingleTaskMap"
        return f"{word} {_listed(tasks)}"
    return f"{_RULES[topic]} {about}{name}{_value(first)}"


def _kind(task: str, taken: Mapping[Place, Choice]) -> Any:
    """Of which processors a task runs on."""
    choice = taken.get(Place(Question("kind", task), ""))
    return choice and choice.value


def _listed(tasks: Sequence[str]) -> str:
    shown = ",".join(tasks[:MOST_TASKS])
    more = len(tasks) - MOST_TASKS
    return f"{shown} and {more} more" if more > 0 else shown


def _value(choice: Choice) -> str:
    """What is decided, in as few words as the language has."""
    if choice.aspect:
        return choice.what
    match choice.question.topic, choice.value:
        case "collection", collected:
            return "collected" if collected else "kept"
        case "index map" | "single map", value:
            return "the default" if value is None else "another map"
        case "limit", None | 0:
            return "none"
    return str(choice.value)
