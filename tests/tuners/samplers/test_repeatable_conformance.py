"""Optuna's public suite for samplers, on the wrapper that makes samplers repeatable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from tuners import RepeatableSampler


def make_random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def make_tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=0)


class TestRepeatableRandom(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RepeatableSampler(make_random, 0)


class TestRepeatableTPE(
    BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RepeatableSampler(make_tpe, 0)
