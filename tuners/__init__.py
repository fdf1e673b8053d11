"""Tuners: mapping problems and the Optuna samplers that search them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tuners.errors import MissingPackageError, TunerError, UnknownTunerError
from tuners.problems.evaluators import Evaluator
from tuners.problems.problem import (
    Evaluation,
    Finding,
    Problem,
    Projection,
    Suggester,
    TextProblem,
    Value,
)
from tuners.samplers.registry import Tuner, make_sampler, register, tuner_named, tuner_names
from tuners.samplers.wrappers import DistinctSampler, RepeatableSampler

if TYPE_CHECKING:
    from tuners.llm.sampler import LLMSampler
    from tuners.llm.settings import ModelSettings
    from tuners.problems.mapper_problem import MapperProblem
    from tuners.problems.parameter_problem import ParameterProblem
    from tuners.samplers.cat_cma import CatCMASampler
    from tuners.samplers.coordinate_descent import CoordinateDescentSampler
    from tuners.samplers.evolution import OnePlusOneSampler
    from tuners.samplers.guided_descent import GuidedDescentSampler
    from tuners.samplers.opentuner.sampler import OpenTunerSampler
    from tuners.samplers.random_valid import RandomValidSampler

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
    "ModelSettings",
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

# Loaded when they are asked for: whoever tunes without a model does not wait for them, and whoever
# samples an objective of their own does not load programs and their simulator.
_LAZY_EXPORTS = {
    "CatCMASampler": "samplers.cat_cma",
    "CoordinateDescentSampler": "samplers.coordinate_descent",
    "GuidedDescentSampler": "samplers.guided_descent",
    "LLMSampler": "llm.sampler",
    "MapperProblem": "problems.mapper_problem",
    "ModelSettings": "llm.settings",
    "OnePlusOneSampler": "samplers.evolution",
    "OpenTunerSampler": "samplers.opentuner.sampler",
    "ParameterProblem": "problems.parameter_problem",
    "RandomValidSampler": "samplers.random_valid",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tuners.{_LAZY_EXPORTS[name]}"), name)
