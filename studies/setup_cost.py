"""What the program's clock does not show: setups under the best mapper and a reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dsl.units import seconds
from legion_bridge.outcome import SETUP_GROWTH, Objective

__all__ = ["SetupCost"]


@dataclass(frozen=True, slots=True)
class SetupCost:
    """Setups and whole runs, in seconds; None where nobody knows them, as of real runs.

    Attributes:
        objective: What throughputs are over: the timed part, or the whole run.
        setup, whole: Of the best mapper.
        reference_setup, reference_whole: Of what it is held against.
    """

    objective: Objective = "timed"
    setup: float | None = None
    whole: float | None = None
    reference_setup: float | None = None
    reference_whole: float | None = None

    @property
    def growth(self) -> float | None:
        """The best mapper's setup over the reference's."""
        known = self.setup is not None and self.reference_setup
        return self.setup / self.reference_setup if known else None  # type: ignore[operator]

    @property
    def grew(self) -> bool:
        """Whether the best mapper's setup takes much longer than the reference's."""
        return self.growth is not None and self.growth > SETUP_GROWTH

    def warning(self, reference: str) -> str:
        """What is to be said of a setup that grew; empty where it did not."""
        if not self.grew:
            return ""
        counted = (
            "and counts in the throughput"
            if self.objective == "whole"
            else "which the throughput does not show: --objective whole counts it"
        )
        return f"its setup takes {self.growth:.2f} times that of the {reference}, {counted}"

    def described(self, reference: str) -> str:
        """Setup and whole run of the best mapper and of the reference, in a line."""
        if self.setup is None or self.whole is None:
            return ""
        said = f"setup {seconds(self.setup)}, whole run {seconds(self.whole)}"
        if self.reference_setup is None or self.reference_whole is None:
            return said
        beside = f"{seconds(self.reference_setup)}, {seconds(self.reference_whole)}"
        return f"{said} ({reference}: {beside})"

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self) | {"setup_growth": self.growth, "setup_grew": self.grew}
