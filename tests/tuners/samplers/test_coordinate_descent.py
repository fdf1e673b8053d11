"""Decisions in order, constraints that go, and a way out of where no decision helps."""

from __future__ import annotations

import optuna
import pytest

from legion_bridge import Application, Machine
from tuners import MapperProblem, make_sampler
from tuners.finished_trial import FinishedTrial
from tuners.problems.search_space import SearchSpace
from tuners.samplers.colocation import Link, shared_data
from tuners.samplers.coordinate_descent import ROUNDS, CoordinateDescentSampler, Descent
from tuners.samplers.decision_order import decision_order
from tuners.samplers.guided_descent import GuidedDescentSampler
from tuners.samplers.random_valid import RandomValidSampler


@pytest.fixture(scope="module")
def stencil():
    return MapperProblem(Application.load("stencil", nx=2000, ny=2000), Machine.load("p100x4"))


@pytest.fixture(scope="module")
def circuit():
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


def tuned(problem, sampler, trials):
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, problem(trial))
    return study


# Which data is shared


def test_arguments_that_share_data_are_linked(circuit):
    links = {(link.first, link.second): link.bytes for link in shared_data(circuit)}
    assert links["mem.calculate_new_currents.3", "mem.distribute_charge.rp_wires"] > 0
    nodes = "mem.distribute_charge.rp_shared"
    assert links[nodes, "mem.update_voltages.3"] > 0
    assert not any(nodes in pair and "wires" in "".join(pair) for pair in links)


def test_links_come_lightest_first_and_join_no_parameter_with_itself(circuit):
    links = shared_data(circuit)
    assert [link.bytes for link in links] == sorted(link.bytes for link in links)
    assert all(link.first != link.second for link in links)
    assert len({(link.first, link.second) for link in links}) == len(links)


# Which decision comes first


def test_the_longest_task_is_decided_first(stencil):
    order = decision_order(stencil, stencil.template.defaults())
    assert sorted(order) == sorted(stencil.distributions)
    program = stencil.template.render(stencil.template.defaults())
    profile = stencil.evaluator.evaluate_text(program, profile=True).profile
    longest = max(profile.tasks, key=lambda task: profile.tasks[task].busy)
    assert order[0].split(".")[:2] == ["proc", longest]


def test_without_a_profile_the_most_data_is_decided_first(stencil):
    broken = stencil.template.defaults() | {
        name: "C_order" for name in stencil.distributions if name.startswith("order.")
    }
    assert not stencil.evaluate_text(stencil.render(broken)).outcome.ok
    order = decision_order(stencil, broken)
    assert order[0].split(".")[1] == "stencil"


# How it descends


def test_it_starts_from_the_template_as_it_stands(stencil):
    study = tuned(stencil, CoordinateDescentSampler(stencil, seed=0), 1)
    assert study.trials[0].params == stencil.template.defaults()


def test_one_decision_changes_at_a_time_but_for_what_is_bound_to_it(circuit):
    study = tuned(circuit, CoordinateDescentSampler(circuit, seed=0), 12)
    best, together = study.trials[0], 0
    for trial in study.trials[1:]:
        both = trial.params.keys() & best.params.keys()
        changed = [name for name in both if trial.params[name] != best.params[name]]
        memories = [name for name in changed if name.startswith("mem.")]
        assert len(changed) == 1 or changed == memories
        together += len(memories) > 1
        best = max(best, trial, key=lambda each: each.value)
    assert together


def descent_of(links):
    names = ["mem.a.x", "mem.b.x", "mem.c.x", "speed"]
    choices = optuna.distributions.CategoricalDistribution(["FB", "ZC"])
    space = SearchSpace(dict.fromkeys(names, choices))
    start = dict.fromkeys(names, "FB")
    return Descent(space, 0, start, links), start


def test_constraints_are_dropped_the_lightest_first():
    links = [Link("mem.a.x", "mem.b.x", 1.0), Link("mem.b.x", "mem.c.x", 9.0)]
    descent, start = descent_of(links)
    moved = []
    for number in range(60):
        point = descent.propose(None)
        changed = tuple(name for name in start if point[name] != start[name])
        moved.append((descent._round, changed))
        loss = 0.0 if point == start else 1.0
        descent.absorb(FinishedTrial(number, point, 0.0, loss))
        if descent._kicks:
            break
    assert (0, ("mem.a.x", "mem.b.x", "mem.c.x")) in moved
    lone = [turn for turn, changed in moved if changed == ("mem.a.x",)]
    assert lone
    assert 0 < lone[0] < ROUNDS
    assert (ROUNDS - 1, ("mem.b.x",)) in moved


def test_it_leaves_where_no_single_decision_helps():
    def trap(trial):
        a, b = (trial.suggest_categorical(name, "xyz") for name in "ab")
        c = trial.suggest_int("c", 0, 5)
        return {"xx": 5, "yy": 9}.get(a + b, 0) - abs(c - 3) / 10

    study = optuna.create_study(direction="maximize", sampler=CoordinateDescentSampler(seed=1))
    study.enqueue_trial({"a": "x", "b": "x", "c": 3})
    study.optimize(trap, n_trials=54)
    assert study.best_value == 9


def test_numbers_are_searched_by_steps_that_get_smaller():
    study = optuna.create_study(sampler=CoordinateDescentSampler(seed=0))
    study.optimize(
        lambda t: (t.suggest_float("x", -9, 9) - 2) ** 2 + (t.suggest_int("n", 0, 500) - 77) ** 2,
        n_trials=120,
    )
    assert study.best_value < 0.5


def test_a_better_trial_from_elsewhere_is_where_it_goes_on(toy_problem):
    best = {
        "proc.a": "GPU", "proc.b": "GPU", "proc.c": "GPU", "mem.a": "FBMEM", "mem.b": "FBMEM",
        "limit.a": 9, "limit.c": 4,
    }  # fmt: skip
    study = optuna.create_study(
        direction="maximize", sampler=CoordinateDescentSampler(toy_problem, seed=0)
    )
    study.optimize(toy_problem, n_trials=3)
    study.enqueue_trial(best)
    study.optimize(toy_problem, n_trials=2)
    changed = [name for name in best if study.trials[4].params.get(name) != best[name]]
    assert len(changed) <= 1


# What the guide adds


def test_the_first_suggestion_comes_before_the_next_decision():
    problem = MapperProblem(Application.load("cannon"), Machine.load("p100x4"))
    from tuners import guide

    start = problem.template.defaults()
    evaluation = problem.evaluate_text(problem.render(start))
    wanted = [
        changed
        for each in guide.explain(problem, evaluation).suggestions
        if (changed := each.values(problem.template, start)) is not None
    ]
    assert wanted
    study = tuned(problem, GuidedDescentSampler(problem, seed=0), 2)
    assert study.trials[1].params == problem.suggest(_Fixed(start | wanted[0]))


class _Fixed:
    def __init__(self, values):
        self._values = values

    def suggest_categorical(self, name, choices):
        return self._values[name]

    def suggest_int(self, name, low, high):
        return self._values[name]


# What the check alone is worth


def test_random_valid_mappers_run_where_random_ones_do_not(stencil):
    valid = tuned(stencil, RandomValidSampler(stencil, seed=0), 12)
    random = tuned(stencil, make_sampler("random", seed=0, problem=stencil), 12)
    assert all(trial.value > 0 for trial in valid.trials)
    assert not any(trial.value > 0 for trial in random.trials)
    assert len({stencil.key(trial.params) for trial in valid.trials}) == 12
    differing = [
        sum(trial.params.get(n) != v for n, v in stencil.template.defaults().items())
        for trial in valid.trials
    ]
    assert min(differing) > 5  # it is far from the defaults that it is put together from
