"""What is asked of a place where runs are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

__all__ = ["PARAMETER_LENGTH", "TAG_LENGTH", "Metric", "Runs"]

# The most characters that MLflow keeps of a value.
PARAMETER_LENGTH, TAG_LENGTH = 6000, 8000


class Metric(NamedTuple):
    """A value of a metric at a step.

    Attributes:
        key: Its name.
        value: Its value, a finite number.
        timestamp: Milliseconds since 1970.
        step: Of the trial.
    """

    key: str
    value: float
    timestamp: int
    step: int


class Runs(Protocol):
    """A place where runs are kept: MLflow's database, or a server of it."""

    def experiment(self, name: str, tags: Mapping[str, str], artifacts: str | None) -> str:
        """The id of an experiment, which is made where it is new, and restored if deleted.

        Args:
            name: Of the experiment.
            tags: That it has, unless others were set.
            artifacts: Address of its artifacts if it is new; None for where the place puts them.
        """

    def find(self, experiment: str, tag: str, value: str) -> str | None:
        """The id of a run by one of its tags; None where there is none, or it was deleted."""

    def create(
        self,
        experiment: str,
        name: str,
        start: int,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> str:
        """Begins a run, and returns its id; the start is in milliseconds."""

    def reopen(self, run: str) -> bool:
        """Marks a run as running again; False where it is gone."""

    def log(
        self,
        run: str,
        *,
        metrics: Sequence[Metric] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Adds metrics, those that are there already excepted, and sets tags."""

    def budget(self, run: str, trials: int) -> None:
        """Tells a new budget, where the place lets a parameter change."""

    def texts(self, run: str, texts: Iterable[tuple[str, str]]) -> None:
        """Writes artifacts, by name."""

    def file(self, run: str, path: Path) -> None:
        """Copies a file to the artifacts."""

    def end(self, run: str, status: str, end: int) -> None:
        """Ends a run: with ``"FINISHED"`` or ``"KILLED"``, and the time in milliseconds."""
