"""How samplers are named and made.

A tuner has a name and is an Optuna sampler; ``make_sampler("tpe", seed=0, problem=problem)`` makes
one for a study. ``register`` adds one from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from dsl.nearest import did_you_mean
from tuners.distinct import DistinctSampler
from tuners.errors import UnknownTunerError
from tuners.problem import Problem
from tuners.repeatable import RepeatableSampler

__all__ = ["Tuner", "make_sampler", "register", "tuner_named", "tuner_names"]


@dataclass(frozen=True, slots=True)
class Tuner:
    """A way to search.

    Attributes:
        name: What users call it.
        summary: What it does, in a sentence.
        make: Makes its Optuna sampler from a seed; imports what it needs when it is called.
        stateless: Whether all that the sampler knows stands in the study, so that it can be made
            anew for each trial.
    """

    name: str
    summary: str
    make: Callable[[int], BaseSampler]
    stateless: bool = True


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _tpe(seed: int) -> BaseSampler:
    # Multivariate and constant liar are Optuna's defaults since version 5; the constraint that
    # MapperProblem sets needs no argument.
    return TPESampler(seed=seed)


def _nsgaii(seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed)


_TUNERS: dict[str, Tuner] = {}


def register(tuner: Tuner) -> None:
    """Makes a tuner known by its name; a later one of the same name takes its place."""
    _TUNERS[tuner.name] = tuner


register(Tuner("random", "independent random mappers", _random))
register(Tuner("tpe", "tree-structured Parzen estimator with constraints (multivariate)", _tpe))
register(Tuner("nsgaii", "genetic algorithm NSGA-II with constraints", _nsgaii))


def tuner_names() -> tuple[str, ...]:
    """The names of all tuners."""
    return tuple(_TUNERS)


def tuner_named(name: str) -> Tuner:
    """The tuner of that name.

    Raises:
        UnknownTunerError: There is none.
    """
    if name not in _TUNERS:
        raise UnknownTunerError(f"unknown tuner {name!r}: {did_you_mean(name, _TUNERS)}")
    return _TUNERS[name]


def make_sampler(name: str, *, seed: int, problem: Problem | None = None) -> BaseSampler:
    """A sampler for one study.

    Args:
        name: Name of a tuner.
        seed: Equal seeds propose equal trials, also where the study is stopped and resumed.
        problem: Where given, the sampler never proposes a mapper that the study has tried while
            it can find another.

    Raises:
        UnknownTunerError: No tuner has that name.
    """
    tuner = tuner_named(name)
    sampler = RepeatableSampler(tuner.make, seed) if tuner.stateless else tuner.make(seed)
    return sampler if problem is None else DistinctSampler(sampler, problem, seed=seed)
