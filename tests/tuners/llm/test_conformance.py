"""Optuna's public suite for samplers, on LLMSampler with a model that answers and one that fails.

Not applied is ``SingleOnlySamplerTestCase``: it wants an exception in studies of several
objectives, where this sampler leaves proposing to its fallback.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from tests.tuners.llm.scripted import Scripted
from tuners.llm.model import BadResponse, Request
from tuners.llm.sampler import LLMSampler

PARAMETER = re.compile(
    r"^- (\S+): (?:one of (.*)|(integer|number) from (\S+) to ([^\s,]+))", re.MULTILINE
)


def answer(request: Request) -> str:
    """Random values for the parameters that the prompt describes."""
    rng = random.Random(len(request.messages[-1].content))
    values = {}
    for name, choices, kind, low, high in PARAMETER.findall(request.messages[0].content):
        if choices:
            values[name] = rng.choice(json.loads(f"[{choices}]"))
        elif kind == "integer":
            values[name] = int(low)
        else:
            values[name] = float(high)
    return f"```json\n{json.dumps(values)}\n```"


class TestWithAnAnsweringModel(
    BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: LLMSampler(model=Scripted(answer), seed=0)


class TestWithAFailingModel(
    BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: LLMSampler(
            model=Scripted(lambda _: BadResponse("an empty reply")),
            fallback=RandomSampler(seed=0),
            seed=0,
        )
