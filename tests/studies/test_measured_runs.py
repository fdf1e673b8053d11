"""Runs that decide: equal mappers stay equal, slow ones cost one run, the budget holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import optuna
import pytest

import dsl
from dsl.syntax import InstanceLimit
from legion_bridge import Application
from studies.measured_runs import RESERVE
from studies.noise import Noise, smallest_seen
from studies.real_run import (
    MeasuredProblem,
    RealCase,
    compare_with_own,
    confirm_best,
    machine_of,
)
from studies.records import TrialRecord

from .fake_program import FakeProgram

LIMITS = [f"InstanceLimit task_{i} ${{limit.{i}: 1 | 2 | 3 | 4}};" for i in range(3)]
SPACE = "\n".join(["Task * CPU;", *LIMITS, ""])
OWN = "Task * CPU;\nInstanceLimit task_0 1;\nInstanceLimit task_1 1;\nInstanceLimit task_2 1;\n"


@cache
def stencil() -> Application:
    return replace(Application.load("stencil"), mappers={"own": OWN})


def problem_of(runner: FakeProgram) -> MeasuredProblem:
    target = machine_of(["./stencil", "-ll:cpu", "2"])
    return RealCase(("./stencil",), stencil(), target, runner, template=SPACE).problem()


def study(problem: MeasuredProblem, trials: int, seed: int) -> list[TrialRecord]:
    """Random search of a space, without a store."""
    problem.runs.evaluate_own()
    made = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    made.optimize(problem, n_trials=trials)
    return [TrialRecord.of(trial) for trial in made.trials]


def faster(program: dsl.Program | None) -> float:
    """Every limit above 1 makes it 30 % faster, but the own mapper has none."""
    if program is None:
        return 1.0
    return 1.3 ** sum(limit > 1 for limit in limits_of(program))


def limits_of(program: dsl.Program) -> list[int]:
    return [each.limit for each in program.statements if isinstance(each, InstanceLimit)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def tuned(runner: FakeProgram, seed: int, trials: int = 8) -> str:
    """What is said at the end of a study."""
    problem = problem_of(runner)
    mapper = confirm_best(problem, study(problem, trials, seed))
    assert mapper is not None
    return compare_with_own(runner, mapper, pairs=9).sentence


def called_faster(speed: Callable[[dsl.Program | None], float], studies: int) -> int:
    """In how many studies a mapper is; runs scatter by 10 %, a load comes and goes."""
    runners = [FakeProgram(speed, scatter=0.1, seed=seed) for seed in range(studies)]
    told = [tuned(runner, seed) for seed, runner in enumerate(runners)]
    return sum(" % faster than its own mapper" in sentence for sentence in told)


@pytest.mark.parametrize("studies", [10, pytest.param(100, marks=pytest.mark.long)])
def test_equal_mappers_are_seldom_called_faster(studies: int) -> None:
    assert called_faster(lambda _: 1.0, studies) < max(1, 0.05 * studies)


def test_a_faster_mapper_is_found_in_noise() -> None:
    assert called_faster(faster, 10) >= 8


def test_what_slow_mappers_save_is_spent_on_close_ones_within_the_budget() -> None:
    trials, repeats, pairs = 20, 3, 9
    runner = FakeProgram(faster, scatter=0.03, repeats=repeats, seed=1)
    problem = problem_of(runner)
    records = study(problem, trials, seed=1)
    slow = [each for each in records if 0 < each.throughput < 1.4]
    assert any(len(each.samples) < repeats for each in slow)
    raced = [each for each in records if each.rival is not None]
    assert raced
    assert all(each.throughput == np.median(each.samples) for each in records if each.samples)
    mapper = confirm_best(problem, records)
    assert mapper is not None
    assert min(limits_of(dsl.parse(mapper))) > 1
    assert runner.runs <= trials * repeats + repeats + RESERVE
    compare_with_own(runner, mapper, pairs)
    assert runner.runs <= trials * repeats + repeats + RESERVE + 2 * pairs


def test_a_study_that_goes_on_knows_what_was_run() -> None:
    runner = FakeProgram(faster, scatter=0.03, seed=2)
    problem = problem_of(runner)
    records = study(problem, 12, seed=2)
    again = problem_of(FakeProgram(faster, scatter=0.03, seed=3))
    again.recall(records)
    assert again.runs.finalists() == problem.runs.finalists()
    mapped = {key: each for key, each in problem.runs.samples.items() if key != "own"}
    assert {key: sorted(each) for key, each in again.runs.samples.items() if key != "own"} == {
        key: sorted(each) for key, each in mapped.items()
    }
    assert again.runs.spare == problem.runs.spare


def test_medians_are_told_apart_by_their_scatter() -> None:
    noise = Noise.of([[1.0, 1.1, 0.9], [2.0, 2.2, 1.8]])
    assert noise.freedom == 4
    assert noise.deviation == pytest.approx(0.1, rel=0.05)
    assert noise.order([2.0] * 5, [1.0] * 5) == 1
    assert noise.order([1.0] * 5, [2.0] * 5) == -1
    assert noise.order([1.0] * 3, [1.05] * 3) == 0
    assert Noise.of([[1.0]]).order([1.0], [9.0]) == 0  # nothing is known


def test_more_pairs_show_smaller_differences() -> None:
    few, many = (smallest_seen([1.0, 1.1, 0.9], pairs) for pairs in (9, 36))
    assert few is not None
    assert many is not None
    assert few / many == pytest.approx(2, rel=0.1)
    assert smallest_seen([1.0], 9) is None


def test_a_few_runs_that_lie_close_together_by_luck_promise_little() -> None:
    rng = np.random.default_rng(0)
    true = 0.1 * np.sqrt(np.pi / 9) * 2.8  # of nine pairs, were the scatter known to be 10 %
    told = [smallest_seen(np.exp(0.1 * rng.normal(size=3)).tolist(), 9) for _ in range(500)]
    low = sum(each < 100 * np.expm1(true) for each in told if each is not None)
    assert low / len(told) == pytest.approx(0.2, abs=0.05)
