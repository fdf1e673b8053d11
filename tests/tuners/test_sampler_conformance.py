"""Optuna's public suite for samplers, on the project's own.

What does not apply: ``MultiObjectiveSamplerTestCase``. These samplers compare trials by one value
and refuse a study of several, which is what ``SingleOnlySamplerTestCase`` asks for.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from tuners import history_sampler
from tuners.cat_cma import CatCMASampler
from tuners.coordinate_descent import CoordinateDescentSampler
from tuners.evolution import OnePlusOneSampler
from tuners.guided_descent import GuidedDescentSampler
from tuners.opentuner_sampler import OpenTunerSampler
from tuners.random_valid import RandomValidSampler


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


class TestOpenTuner(_Conforms):
    make = OpenTunerSampler
