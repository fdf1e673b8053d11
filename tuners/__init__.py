"""Tuners: mapping problems and the Optuna samplers that search them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tuners.distinct import DistinctSampler
from tuners.errors import MissingPackageError, TunerError, UnknownTunerError
from tuners.mapper_problem import Evaluator, MapperProblem
from tuners.problem import (
    Evaluation,
    Finding,
    Problem,
    Projection,
    Suggester,
    TextProblem,
    Value,
)
from tuners.repeatable import RepeatableSampler
from tuners.samplers import Tuner, make_sampler, register, tuner_named, tuner_names

if TYPE_CHECKING:
    from tuners.llm_sampler import LLMSampler
    from tuners.parameter_problem import ParameterProblem

__all__ = [
    "DistinctSampler",
    "Evaluation",
    "Evaluator",
    "Finding",
    "LLMSampler",
    "MapperProblem",
    "MissingPackageError",
    "ParameterProblem",
    "Problem",
    "Projection",
    "RepeatableSampler",
    "Suggester",
    "TextProblem",
    "Tuner",
    "TunerError",
    "UnknownTunerError",
    "Value",
    "make_sampler",
    "register",
    "tuner_named",
    "tuner_names",
]

# Loaded when they are asked for: whoever tunes without a model does not wait for them.
_ROOMS = {
    "LLMSampler": "llm_sampler",
    "ParameterProblem": "parameter_problem",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tuners.{_ROOMS[name]}"), name)
