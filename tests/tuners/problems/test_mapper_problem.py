from __future__ import annotations

import pickle
import random
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

import dsl
from legion_bridge import Application, Machine, Simulator
from studies.suite import Case
from tuners import MapperProblem, attributes

VALID = {
    "proc.a": "GPU",
    "proc.b": "CPU",
    "proc.c": "OMP",
    "mem.a": "FBMEM",
    "limit.a": 9,
    "limit.c": 4,
}


def run_fixed(problem, values):
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(values)
    study.optimize(problem, n_trials=1)
    return study.trials[0]


def test_distributions_list_every_hole_in_order(toy_problem):
    assert list(toy_problem.distributions) == list(toy_problem.template.parameters)
    assert toy_problem.distributions["proc.c"] == CategoricalDistribution(("CPU", "OMP", "GPU"))
    assert toy_problem.distributions["limit.c"] == IntDistribution(1, 6)


def test_a_hole_is_suggested_only_where_its_condition_holds(toy_problem):
    trial = run_fixed(toy_problem, VALID | {"mem.b": "ZCMEM"})
    assert trial.params == VALID  # proc.b is CPU, so mem.b is not asked for


def test_a_trial_has_the_throughput_and_says_what_came_of_it(toy_problem):
    trial = run_fixed(toy_problem, VALID)
    assert trial.value == 10 + 9 + 8 + 0 + 2
    assert trial.user_attrs[attributes.STATUS] == "ok"
    assert trial.user_attrs[attributes.ELAPSED] == pytest.approx(1 / trial.value)
    assert trial.user_attrs[attributes.NORMAL_FORM] == toy_problem.key(VALID)
    assert attributes.RAW not in trial.user_attrs
    assert trial.constraints == {attributes.CONSTRAINT: 0.0}


def test_an_invalid_mapper_is_a_complete_trial_that_violates_a_constraint(toy_problem):
    trial = run_fixed(toy_problem, VALID | {"mem.a": "SYSMEM"})
    assert trial.state == TrialState.COMPLETE
    assert trial.value == 0.0
    assert trial.constraints[attributes.CONSTRAINT] > 0
    assert trial.user_attrs[attributes.STATUS] == "execution_error"
    assert trial.user_attrs[attributes.RAW].startswith("GPU cannot see SYSMEM")
    assert len(trial.user_attrs[attributes.RAW]) == attributes.RAW_LENGTH
    assert attributes.ELAPSED not in trial.user_attrs


def test_a_mapper_with_more_errors_violates_more(toy_problem, monkeypatch):
    def check(program, application, machine, *, forecast):
        severities = ["error", "error", "warning", "error", "note"]
        return [SimpleNamespace(severity=severity) for severity in severities]

    monkeypatch.setattr("dsl.check", check)
    trial = run_fixed(toy_problem, VALID | {"mem.a": "SYSMEM"})
    assert trial.constraints[attributes.CONSTRAINT] == 3
    valid = run_fixed(toy_problem, VALID)
    assert valid.constraints[attributes.CONSTRAINT] == 0
    unparsed = toy_problem.evaluate_text("Task a GPU", check=False)
    assert toy_problem.violation(unparsed) > 100


def test_what_passes_is_what_a_check_finds_no_error_in():
    problem, rng = Case("stencil", "p100x4").problem(), random.Random(0)
    parameters = problem.template.parameters
    passed = []
    for _ in range(60):
        values = {name: parameter.default for name, parameter in parameters.items()}
        for name in rng.sample(list(values), rng.choice((1, 2, 4))):
            values[name] = rng.choice(parameters[name].choices or [values[name]])
        text = problem.render(values)
        errors = [d for d in problem.check(text) if d.severity == "error"]
        passed.append(problem.passes(text))
        assert passed[-1] == (not errors), text
    assert 10 < sum(passed) < 50


def test_what_does_not_parse_neither_passes_nor_fails(toy_problem):
    with pytest.raises(dsl.MapperSyntaxError):
        toy_problem.passes("Task * NOWHERE;")


def test_a_text_that_does_not_parse_is_an_outcome_and_no_exception(toy_problem):
    evaluation = toy_problem.evaluate_text("Task a GPU")
    assert evaluation.outcome.status == "syntax_error"
    assert evaluation.outcome.throughput == 0.0
    assert evaluation.outcome.raw.startswith("mapper:")
    assert evaluation.program is None
    assert evaluation.normal_form is None
    assert toy_problem.evaluator.calls == 0


def test_equal_mappers_run_once(toy_problem):
    text = toy_problem.render(VALID)
    first = toy_problem.evaluate_text(text, check=False)
    second = toy_problem.evaluate_text("# the same\n" + text.replace(";\n", " ;"), check=False)
    assert (first.cached, second.cached) == (False, True)
    assert first.outcome == second.outcome
    assert first.normal_form == second.normal_form
    assert toy_problem.evaluator.calls == 1


def test_keys_tell_mappers_apart(toy_problem):
    assert toy_problem.key(VALID) == toy_problem.key(VALID | {"mem.b": "ZCMEM"})
    assert toy_problem.key(VALID) != toy_problem.key(VALID | {"limit.c": 5})


def test_the_description_names_program_machine_and_space(toy_problem):
    text = toy_problem.describe()
    assert "moves toys about" in text
    assert "GPU" in text
    assert "ZCMEM | FBMEM: mem.b" in toy_problem.space()
    assert "1..9: limit.a" in toy_problem.space()


def test_threads_share_a_problem(toy_problem):
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(toy_problem, n_trials=40, n_jobs=4)
    for trial in study.trials:
        again = toy_problem.evaluate_text(toy_problem.render(trial.params), check=False)
        assert again.cached
        assert again.outcome.throughput == trial.value


def test_a_problem_travels_between_processes(toy_problem):
    toy_problem.evaluate_text(toy_problem.render(VALID), check=False)
    cache = pickle.loads(pickle.dumps(toy_problem._outcomes))  # noqa: S301  (our own bytes)
    assert len(cache) == 0
    assert cache.get_or_make("a", lambda: 1) == (1, False)


@pytest.fixture
def prepared(monkeypatch):
    """The simulators that are made from here on."""
    made = []
    whole = Simulator.__init__

    def prepare(self, *what):
        made.append(self)
        whole(self, *what)

    monkeypatch.setattr(Simulator, "__init__", prepare)
    return made


@pytest.mark.parametrize(("name", "ranks"), [("stencil", 1), ("johnson", 4), ("cosma", 4)])
def test_checks_runs_and_guidance_share_one_simulator(name, ranks, prepared):
    sizes = {"ranks_per_node": ranks} if ranks > 1 else {}
    problem = MapperProblem(Application.load(name, **sizes), Machine.load("p100x4"))
    for text in problem.application.mappers.values():
        assert problem.check(text) == []
        assert problem.explain(problem.evaluate_text(text)).raw.startswith("ELAPSED TIME")
    problem.check("Task * GPU; Region * * GPU ZCMEM;")
    assert len(prepared) == 1


def test_a_problem_that_is_measured_has_one_simulator_beside_it(toy_problem, prepared):
    evaluation = toy_problem.evaluate_text(toy_problem.render(VALID))
    toy_problem.explain(evaluation)
    toy_problem.check(evaluation.text)
    assert toy_problem.simulation is not toy_problem.evaluator
    assert len(prepared) == 1


def test_a_problem_writes_its_template_when_it_is_asked_for(monkeypatch, prepared):
    def refuse(application, machine):
        raise AssertionError("nobody needs it")

    with monkeypatch.context() as patched:
        patched.setattr("dsl.template_for", refuse)
        problem = MapperProblem(Application.load("stencil"), Machine.load("p100x4"))
        assert not prepared
        text = problem.application.mappers["expert"]
        assert problem.evaluate_text(text).outcome.ok
        assert problem.passes(text)
    assert problem.template is problem.template
    assert problem.distributions
