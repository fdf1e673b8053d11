"""OpenTuner, told what the check says: no trial is spent on a candidate that must fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuners.problems.problem import Problem
from tuners.problems.search_space import SearchSpace
from tuners.samplers.history_sampler import Search
from tuners.samplers.opentuner.process import Asked, OpenTunerProcess
from tuners.samplers.opentuner.sampler import OpenTunerSampler, OpenTunerSearch
from tuners.samplers.valid_points import ValidPoints
from tuners.samplers.wrappers import derived_seed

__all__ = ["CheckedOpenTunerSampler"]

# How many configurations in a row are refused before one is run whatever the check says.
REFUSALS = 50


class CheckedOpenTunerSampler(OpenTunerSampler):
    """OpenTuner whose configurations are repaired, or refused, before they count.

    The paper's protocol tells OpenTuner of failures only once a trial was spent on them, and where
    few mappers run it finds none. Here the problem's check is asked first. A configuration in
    which it finds an error is repaired: as many of its values as pass are put into the best
    candidate so far, and what comes of that is told as the result of the configuration and, from
    elsewhere, of the candidate itself. So each technique sees a space in which everything runs.
    The study begins with the template's defaults. Where nothing is known to pass yet, OpenTuner is
    told its penalty at once and asked for another one, 50 times in a row at most.

    Candidates that decide alike are answered from what is known, as by ``OpenTunerSampler``.

    Args:
        problem: What is tuned; its ``check`` says which candidates are valid. Without one this is
            ``OpenTunerSampler``.
        seed: Equal seeds propose equal trials; None for a random one.

    Raises:
        MissingPackageError: OpenTuner is not installed.
    """

    def __init__(self, problem: Problem | None = None, *, seed: int | None = None) -> None:
        super().__init__(problem, seed=seed)

    def begin(self, space: SearchSpace) -> Search:
        return _CheckedOpenTuner(space, self._seed)


class _CheckedOpenTuner(OpenTunerSearch):
    """A configuration on the table stands for the candidate that it was repaired to."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._seed = seed
        self._valid = ValidPoints(space)
        self._refused = 0  # in a row

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        start = None if len(self.evaluated) else self._start()
        return start if start is not None and self.is_new(start) else super().propose(rng)

    def point_of(self, asked: Asked, process: OpenTunerProcess) -> dict[str, Any] | None:
        wanted = super().point_of(asked, process)
        assert wanted is not None  # noqa: S101  (OpenTuner by itself refuses nothing)
        if not self._valid.passes(wanted):
            base = self._base(wanted)
            if base is None and self._refused < REFUSALS:
                self._refused += 1
                process.tell(asked.number, None)
                return None
            if base is not None:
                rng = np.random.default_rng(derived_seed(self._seed, asked.number))
                wanted = self._valid.put_together(rng, wanted, base)
        self._refused = 0
        return wanted

    def _base(self, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """A point that passes: the best one so far, else the template's defaults."""
        if self.best is not None and self.best.feasible:
            return {**wanted, **self.best.params}  # what is inactive there may have any value
        return self._start()

    def _start(self) -> dict[str, Any] | None:
        """The template's defaults, where they pass."""
        start = self._valid.defaults
        return start if start is not None and self._valid.passes(start) else None
