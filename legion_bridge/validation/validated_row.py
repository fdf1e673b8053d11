"""One measured run beside the simulated one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from legion_bridge.validation.measurements import Measurement

__all__ = ["RowStatus", "ValidatedRow"]

RowStatus: TypeAlias = Literal["ok", "out of memory", "failed"]


@dataclass(frozen=True, slots=True)
class ValidatedRow:
    """A measured run and the simulated one.

    Attributes:
        simulated: As ``measured``, in the quantity of the measurement; None where it failed.
        simulated_seconds, measured_seconds: Of what was timed (of one iteration where a
            throughput was measured); None where the run failed.
        status: How the simulated run ended; ``raw`` is what the runtime would have said.
        unit: Of ``simulated`` and ``measured``.
        work, work_unit: What was done in those seconds on all nodes, and the application's unit
            of throughput: work over seconds is a throughput in it.
    """

    measurement: Measurement
    simulated: float | None
    simulated_seconds: float | None
    measured_seconds: float | None
    status: RowStatus
    raw: str
    unit: str
    work: float
    work_unit: str

    @property
    def measured(self) -> float | None:
        """None where the program ran out of memory."""
        return self.measurement.value

    @property
    def ratio(self) -> float | None:
        """Simulated over measured; None where either failed."""
        if self.simulated is None or self.measured is None:
            return None
        return self.simulated / self.measured

    @property
    def error(self) -> float | None:
        """Relative error: 1 where only the simulated run failed, None where it was the other."""
        if self.measured is None:
            return None
        return 1.0 if self.ratio is None else abs(self.ratio - 1)
