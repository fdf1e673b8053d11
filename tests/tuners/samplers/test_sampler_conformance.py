"""Optuna's public suite for samplers, on the project's own.

What does not apply: ``MultiObjectiveSamplerTestCase``. These samplers compare trials by one value
and refuse a study of several, which is what ``SingleOnlySamplerTestCase`` asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import Trial

from tuners.samplers import history_sampler
from tuners.samplers.cat_cma import CatCMASampler
from tuners.samplers.coordinate_descent import CoordinateDescentSampler
from tuners.samplers.evolution import OnePlusOneSampler
from tuners.samplers.guided_descent import GuidedDescentSampler
from tuners.samplers.opentuner.sampler import OpenTunerSampler
from tuners.samplers.random_valid import RandomValidSampler


@pytest.fixture(autouse=True)
def _no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that falls back to random proposals would pass unnoticed."""

    def fail(message: str, *words: object, **_: object) -> None:
        raise AssertionError(message % words)

    monkeypatch.setattr(history_sampler.log, "error", fail)


class _Conforms(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    make: type[BaseSampler]

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: self.make(seed=0)  # type: ignore[call-arg]  # ours take one


class TestOnePlusOne(_Conforms):
    make = OnePlusOneSampler


class TestCatCMA(_Conforms):
    make = CatCMASampler


class TestCoordinateDescent(_Conforms):
    make = CoordinateDescentSampler


class TestGuidedDescent(_Conforms):
    make = GuidedDescentSampler


class TestRandomValid(_Conforms):
    make = RandomValidSampler


NUMERIC = [
    FloatDistribution(-1.0, 1.0),
    FloatDistribution(1e-7, 1.0, log=True),
    FloatDistribution(-10, 10, step=0.5),
    IntDistribution(3, 10),
    IntDistribution(1, 100, log=True),
    IntDistribution(3, 9, step=2),
]
SUGGEST: list[Callable[[Trial], float]] = [
    lambda trial: trial.suggest_float("x", 0, 10),
    lambda trial: trial.suggest_int("x", 0, 10),
    lambda trial: trial.suggest_categorical("x", [0, 1, 2]),
    lambda trial: trial.suggest_float("x", 1e-7, 10, log=True),
]


@pytest.mark.long
class TestOpenTuner(_Conforms):
    """Each test starts a process, so that of the 36 pairs of distributions each meets two."""

    make = OpenTunerSampler

    @pytest.mark.parametrize("number", range(6))
    def test_sample_relative_numerical(
        self, sampler: Callable[[], BaseSampler], number: int
    ) -> None:
        super().test_sample_relative_numerical(sampler, NUMERIC[number], NUMERIC[number - 1])

    @pytest.mark.parametrize("number", range(4))
    def test_combination_of_different_distributions_objective(
        self, sampler: Callable[[], BaseSampler], number: int
    ) -> None:
        other = SUGGEST[number - 1]
        super().test_combination_of_different_distributions_objective(
            sampler,
            SUGGEST[number],
            lambda trial: other(_Renamed(trial)),  # type: ignore[arg-type]  # it stands in
        )


class _Renamed:
    """A trial that is asked for ``y`` where ``x`` is meant."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._trial, name)
        return lambda _name, *rest, **settings: method("y", *rest, **settings)
