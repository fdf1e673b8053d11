"""The mappers that others are held against, and how fast they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuners.problems.evaluators import OwnMapperEvaluator

if TYPE_CHECKING:
    from legion_bridge import Application
    from legion_bridge.outcome import Outcome
    from tuners.problems.evaluators import Evaluator
    from tuners.problems.problem import Evaluation

__all__ = [
    "NO_DECISIONS",
    "Reference",
    "best_reference",
    "reference_mappers",
    "reference_text",
    "references",
]

#: A mapper that leaves all to the runtime's defaults.
NO_DECISIONS = "Task * GPU,CPU;\n"

# By their names among an application's mappers, the best first.
_NAMES = {"expert": "expert", "own": "own mapper", "default": "default mapper"}


class Judged(Protocol):
    """What has mappers of its own, and runs them; ``MapperProblem`` does."""

    @property
    def application(self) -> Application: ...

    @property
    def evaluator(self) -> Evaluator: ...

    def evaluate_text(self, text: str, *, check: bool = True) -> Evaluation: ...


@dataclass(frozen=True, slots=True)
class Reference:
    """A mapper that others are held against.

    Attributes:
        name: ``"expert"``, ``"own mapper"`` (that a captured program has itself),
            ``"default mapper"`` or ``"no decisions"``.
        outcome: What came of it.
    """

    name: str
    outcome: Outcome

    @property
    def throughput(self) -> float | None:
        """Its throughput; None where it does not run."""
        return self.outcome.throughput if self.outcome.ok else None


def best_reference(problem: Judged) -> Reference | None:
    """What ratios are to: the expert's mapper, else the own, else the default one.

    The first of them that runs; None where none does. Where a program is measured, the mapper
    that it has itself is run alone.
    """
    return next((each for each in _yardsticks(problem) if each.outcome.ok), None)


def references(problem: Judged) -> tuple[Reference, ...]:
    """All that a comparison shows, those that fail too, with a mapper that decides nothing."""
    return (*_yardsticks(problem), Reference("no decisions", _outcome(problem)(NO_DECISIONS)))


def reference_mappers(
    application: Application, evaluate: Callable[[str], Outcome]
) -> Iterator[Reference]:
    """What an application's own mappers come to, the best first, each run when it is asked for."""
    for key, name in _NAMES.items():
        if key in application.mappers:
            yield Reference(name, evaluate(application.mappers[key]))


def reference_text(application: Application, name: str) -> str | None:
    """The text of a reference, by its name; None where the program keeps it to itself."""
    if name == "no decisions":
        return NO_DECISIONS
    return next((application.mappers.get(key) for key in _NAMES if _NAMES[key] == name), None)


def _yardsticks(problem: Judged) -> Iterator[Reference]:
    if isinstance(problem.evaluator, OwnMapperEvaluator):
        yield Reference("own mapper", problem.evaluator.evaluate_own())
    else:
        yield from reference_mappers(problem.application, _outcome(problem))


def _outcome(problem: Judged) -> Callable[[str], Outcome]:
    return lambda text: problem.evaluate_text(text, check=False).outcome
