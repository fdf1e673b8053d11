"""What runs mappers, and what else such a thing may offer.

An ``Evaluator`` is all that a problem needs. Each of the others is one thing that some evaluators
can do beside it; whoever makes use of it asks by ``isinstance``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dsl
    from legion_bridge.outcome import Outcome

__all__ = [
    "Evaluator",
    "OwnMapperEvaluator",
    "RecallsTrials",
    "StatesRepeatability",
    "TextEvaluator",
]


class Evaluator(Protocol):
    """Whatever runs a mapper; ``legion_bridge.Evaluator`` simulates it."""

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome: ...


@runtime_checkable
class TextEvaluator(Protocol):
    """Reads texts itself; the simulator is several times as fast where they share statements."""

    def evaluate_text(self, text: str) -> Outcome: ...


@runtime_checkable
class StatesRepeatability(Protocol):
    """Says whether equal mappers come to equal outcomes; of others it is taken for granted.

    Attributes:
        repeatable: False where runs are measured: no two take the same time.
    """

    repeatable: bool


@runtime_checkable
class RecallsTrials(Protocol):
    """Takes up what the trials of an earlier session have shown, before the next one begins."""

    def recall(self, records: Sequence[Any]) -> None:
        """Is told all trials that there are, as records of a study."""


@runtime_checkable
class OwnMapperEvaluator(Protocol):
    """Runs a program that has a mapper of its own, which takes the place of the expert's."""

    def evaluate_own(self) -> Outcome:
        """What came of the program's own mapper."""
