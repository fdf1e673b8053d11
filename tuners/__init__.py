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
    from tuners.cat_cma import CatCMASampler
    from tuners.coordinate_descent import CoordinateDescentSampler
    from tuners.evolution import OnePlusOneSampler
    from tuners.guided_descent import GuidedDescentSampler
    from tuners.llm.sampler import LLMSampler
    from tuners.opentuner_sampler import OpenTunerSampler
    from tuners.parameter_problem import ParameterProblem
    from tuners.random_valid import RandomValidSampler

__all__ = [
    "CatCMASampler",
    "CoordinateDescentSampler",
    "DistinctSampler",
    "Evaluation",
    "Evaluator",
    "Finding",
    "GuidedDescentSampler",
    "LLMSampler",
    "MapperProblem",
    "MissingPackageError",
    "OnePlusOneSampler",
    "OpenTunerSampler",
    "ParameterProblem",
    "Problem",
    "Projection",
    "RandomValidSampler",
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
    "CatCMASampler": "cat_cma",
    "CoordinateDescentSampler": "coordinate_descent",
    "GuidedDescentSampler": "guided_descent",
    "LLMSampler": "llm.sampler",
    "OnePlusOneSampler": "evolution",
    "OpenTunerSampler": "opentuner_sampler",
    "ParameterProblem": "parameter_problem",
    "RandomValidSampler": "random_valid",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tuners.{_ROOMS[name]}"), name)
