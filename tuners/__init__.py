"""Tuners: mapping problems and the Optuna samplers that search them."""

from tuners.distinct import DistinctSampler
from tuners.errors import TunerError, UnknownTunerError
from tuners.mapper_problem import Evaluator, MapperProblem
from tuners.problem import Evaluation, Finding, Problem, Suggester, Value
from tuners.repeatable import RepeatableSampler
from tuners.samplers import Tuner, make_sampler, register, tuner_named, tuner_names

__all__ = [
    "DistinctSampler",
    "Evaluation",
    "Evaluator",
    "Finding",
    "MapperProblem",
    "Problem",
    "RepeatableSampler",
    "Suggester",
    "Tuner",
    "TunerError",
    "UnknownTunerError",
    "Value",
    "make_sampler",
    "register",
    "tuner_named",
    "tuner_names",
]
