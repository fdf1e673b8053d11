"""A program that is not there: its throughput is scripted, with noise, and it may fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import dsl
from legion_bridge.measurement import Measurement
from legion_bridge.outcome import Outcome

__all__ = ["FakeProgram"]


class FakeProgram:
    """Runs in no time (``studies.measured_runs.Runner``).

    Args:
        speed: The true throughput of a mapper; a sentence where it fails.
        scatter: Standard deviation of the noise, as a share.
        seed: Of the noise.
        repeats: Runs of a mapper.

    Attributes:
        runs: How often it was run.
    """

    unit = "runs/s"
    flags = ()

    def __init__(
        self,
        speed: Callable[[dsl.Program | None], float | str],
        *,
        scatter: float = 0.0,
        seed: int = 0,
        repeats: int = 3,
    ) -> None:
        self.repeats = repeats
        self.runs = 0
        self._speed = speed
        self._scatter = scatter
        self._rng = np.random.default_rng(seed)
        self._load = 0.0

    def sample(self, program: dsl.Program | None) -> Outcome:
        """One run."""
        return self._measured(program, 1, None)

    def evaluate(
        self,
        program: dsl.Program | None,
        *,
        profile: bool = False,
        enough: Callable[[Sequence[float]], bool] | None = None,
    ) -> Outcome:
        """As many runs as it takes."""
        assert not profile
        return self._measured(program, self.repeats, enough)

    def _measured(
        self,
        program: dsl.Program | None,
        repeats: int,
        enough: Callable[[Sequence[float]], bool] | None,
    ) -> Outcome:
        speed, samples = self._speed(program), list[float]()
        while len(samples) < repeats:
            self.runs += 1
            if isinstance(speed, str):
                return Outcome("execution_error", 0.0, self.unit, None, speed)
            samples.append(speed * self._noise())
            if enough is not None and enough(samples):
                break
        measured = Measurement(tuple(samples))
        return Outcome("ok", measured.median, self.unit, 1.0, measurement=measured)

    def _noise(self) -> float:
        """A load that comes and goes slowly, scatter of each run, and now and then a slow one."""
        self._load = 0.9 * self._load + self._scatter * self._rng.normal() * 0.4
        slow = 1.5 if self._scatter and self._rng.random() < 0.05 else 1.0
        return float(np.exp(self._load + self._scatter * self._rng.normal())) / slow
