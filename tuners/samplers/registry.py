"""How samplers are named and made.

A tuner has a name and is an Optuna sampler; ``make_sampler("tpe", seed=0, problem=problem)`` makes
one for a study. ``register`` adds one from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from dsl.nearest import did_you_mean
from tuners.errors import TunerError, UnknownTunerError
from tuners.problems.problem import Problem
from tuners.samplers.wrappers import DistinctSampler, RepeatableSampler

__all__ = ["Tuner", "make_sampler", "register", "tuner_named", "tuner_names"]


# Optuna's defaults.
TPE_STARTUP, NSGAII_POPULATION = 10, 50


@dataclass(frozen=True, slots=True)
class Tuner:
    """A way to search.

    Attributes:
        name: The name by which users choose it.
        summary: What it does, in a sentence.
        make: Makes its Optuna sampler from a seed; imports what it needs when it is called.
        stateless: Whether all that the sampler knows stands in the study, so that it can be made
            anew for each trial.
        make_for: Takes the place of ``make`` where the sampler wants to know the problem, and
            sees to it itself that it repeats no trial and goes on as if it had never stopped.
        startup: How many trials are random before it has learnt anything.
    """

    name: str
    summary: str
    make: Callable[[int], BaseSampler] | None = None
    stateless: bool = True
    make_for: Callable[[int, Problem | None], BaseSampler] | None = None
    startup: int = 0


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _tpe(seed: int) -> BaseSampler:
    # Multivariate and constant liar are Optuna's defaults since version 5; the constraint that
    # MapperProblem sets needs no argument.
    return TPESampler(seed=seed, n_startup_trials=TPE_STARTUP)


def _tpe_defaults(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.from_defaults import FromDefaultsSampler

    return FromDefaultsSampler(make_sampler("tpe", seed=seed, problem=problem), problem)


def _nsgaii(seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=NSGAII_POPULATION)


# The project's own samplers are imported when one is made: some need packages of their own.


def _random_valid(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.random_valid import RandomValidSampler

    return RandomValidSampler(problem, seed=seed)


def _opentuner(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.opentuner.sampler import OpenTunerSampler

    return OpenTunerSampler(problem, seed=seed)


def _opentuner_checked(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.opentuner.checked import CheckedOpenTunerSampler

    return CheckedOpenTunerSampler(problem, seed=seed)


def _coordinate(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.coordinate_descent import CoordinateDescentSampler

    return CoordinateDescentSampler(problem, seed=seed)


def _guided(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.guided_descent import GuidedDescentSampler

    return GuidedDescentSampler(problem, seed=seed)


def _one_plus_one(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.evolution import OnePlusOneSampler

    return OnePlusOneSampler(problem, seed=seed)


def _catcma(seed: int, problem: Problem | None) -> BaseSampler:
    from tuners.samplers.cat_cma import CatCMASampler

    return CatCMASampler(problem, seed=seed)


def _llm(seed: int, problem: Problem | None) -> BaseSampler:  # noqa: ARG001  (needs a model)
    raise TunerError(
        "this tuner asks a language model: name one, by --model or LLMSampler(model=)"
    )


_TUNERS: dict[str, Tuner] = {}


def register(tuner: Tuner) -> None:
    """Makes a tuner known by its name; a later one of the same name takes its place."""
    _TUNERS[tuner.name] = tuner


for _tuner in (
    Tuner("random", "independent random mappers", _random),
    Tuner("random-valid", "random mappers that the check lets pass", make_for=_random_valid),
    Tuner(
        "tpe",
        "tree-structured Parzen estimator with constraints (multivariate)",
        _tpe,
        startup=TPE_STARTUP,
    ),
    Tuner(
        "tpe-defaults",
        "the same from the template's defaults",
        make_for=_tpe_defaults,
        startup=TPE_STARTUP,
    ),
    Tuner(
        "nsgaii", "genetic algorithm NSGA-II with constraints", _nsgaii, startup=NSGAII_POPULATION
    ),
    Tuner("opentuner", "OpenTuner's bandit ensemble, as in the paper", make_for=_opentuner),
    Tuner(
        "opentuner-checked",
        "OpenTuner from the template's defaults, its mappers repaired by the check",
        make_for=_opentuner_checked,
    ),
    Tuner("coordinate", "AutoMap's constrained coordinate-wise descent", make_for=_coordinate),
    Tuner("guided", "coordinate descent that follows the guide", make_for=_guided),
    Tuner("one-plus-one", "evolution strategy of one parent and child", make_for=_one_plus_one),
    Tuner("catcma", "CatCMA with margin: one distribution over all", make_for=_catcma),
    Tuner("llm", "a language model, and another tuner where it fails", make_for=_llm),
    Tuner("llm-trace", "the same, revising decision blocks by feedback", make_for=_llm),
    Tuner("llm-opro", "the same, shown candidates with scores", make_for=_llm),
    Tuner("llm-iid", "the same, shown no history", make_for=_llm),
    Tuner("llm-hybrid", "the same first, then another tuner until a stall", make_for=_llm),
):
    register(_tuner)


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
        MissingPackageError: It needs a package that is not installed.
    """
    tuner = tuner_named(name)
    if tuner.make_for is not None:
        return tuner.make_for(seed, problem)
    if tuner.make is None:
        raise TypeError(f"the tuner {name} was registered without a way to make it")
    sampler = RepeatableSampler(tuner.make, seed) if tuner.stateless else tuner.make(seed)
    return sampler if problem is None else DistinctSampler(sampler, problem, seed=seed)
