"""OpenTuner, told what the check says: what must fail is repaired or refused before it counts."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

import dsl
from legion_bridge import Application, Machine
from tests.studies.cli.conftest import SPACE
from tuners import MapperProblem, make_sampler
from tuners.problems.search_space import SearchSpace
from tuners.samplers.valid_points import ValidPoints


@pytest.fixture(scope="module")
def make_stencil():
    def make(template=None):
        application = Application.load("stencil", nx=2000, ny=2000)
        template = None if template is None else dsl.Template(template)
        return MapperProblem(application, Machine.load("p100x4"), template)

    return make


def tuned(problem, tuner, trials, *, seed=0, before=()):
    study = optuna.create_study(
        direction="maximize", sampler=make_sampler(tuner, seed=seed, problem=problem)
    )
    study.add_trials(before)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, problem(trial))
    return study


def test_no_trial_is_spent_on_a_mapper_that_must_fail(make_stencil):
    stencil = make_stencil()
    checked = tuned(stencil, "opentuner-checked", 16)
    assert all(trial.value > 0 for trial in checked.trials)
    assert len({stencil.key(trial.params) for trial in checked.trials}) == 16
    assert checked.trials[0].params == stencil.template.defaults()
    plain = tuned(stencil, "opentuner", 8)
    assert not any(trial.value for trial in plain.trials)


def test_a_stopped_study_goes_on_with_the_same_repairs(make_stencil):
    whole = tuned(make_stencil(), "opentuner-checked", 16)
    begun = tuned(make_stencil(), "opentuner-checked", 7)
    resumed = tuned(make_stencil(), "opentuner-checked", 9, before=begun.trials)
    assert [each.params for each in resumed.trials] == [each.params for each in whole.trials]


def test_where_the_defaults_fail_configurations_are_refused_until_one_passes(make_stencil):
    failing = SPACE.replace("F_order | C_order", "C_order | F_order")
    stencil = make_stencil(failing)
    assert not stencil.passes(stencil.render(stencil.template.defaults()))
    study = tuned(stencil, "opentuner-checked", 12)
    assert all(trial.value > 0 for trial in study.trials)
    hopeless = make_stencil(SPACE.replace("F_order | C_order", "C_order"))
    study = tuned(hopeless, "opentuner-checked", 2)  # at last one is run, whatever the check says
    assert [trial.value for trial in study.trials] == [0.0, 0.0]


def test_as_much_of_a_point_as_passes_is_kept(make_stencil):
    stencil = make_stencil()
    space = SearchSpace(stencil.distributions, stencil)
    valid, rng = ValidPoints(space), np.random.default_rng(0)
    base = valid.defaults
    wanted = next(p for p in iter(lambda: space.random(rng), None) if not valid.passes(p))
    point = valid.put_together(rng, wanted, base)
    assert valid.passes(point)
    assert valid.passes(base)
    left = [name for name in wanted if point[name] != wanted[name]]
    assert left
    assert all(point[name] == base[name] for name in left)
    assert not any(valid.passes(point | {name: wanted[name]}) for name in left)
    assert valid.put_together(rng, base, base) == base


def test_tpe_begins_at_the_defaults_unless_another_trial_comes_first(make_stencil):
    stencil = make_stencil()
    defaults = stencil.template.defaults()
    study = tuned(stencil, "tpe-defaults", 2)
    assert study.trials[0].params == defaults != study.trials[1].params
    plain = tuned(stencil, "tpe", 1)
    assert tuned(stencil, "tpe-defaults", 1, before=plain.trials).trials[1].params != defaults
    assert tuned(None, "tpe-defaults", 0).sampler is not None
