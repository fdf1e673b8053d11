from __future__ import annotations

import itertools
import json
import logging
import pickle
import re

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

import dsl
from legion_bridge import Application, Machine
from tests.tuners.llm.scripted import Scripted, fenced, forever
from tuners import LLMSampler, MapperProblem, ParameterProblem, TunerError, attributes
from tuners.llm.model import BadResponse, Budget, ContextTooLong, ModelTimeout, ModelUnavailable
from tuners.llm.settings import ModelSettings

RENDERED = """\
Task a GPU;
Task b CPU;
Task c OMP;
Region a 0 GPU FBMEM;
InstanceLimit a 9;
InstanceLimit c {limit};
"""


def mapper(limit: int) -> str:
    return RENDERED.format(limit=limit)


def mappers():
    """Mappers of the toy template, each once, in fences."""
    return (fenced(mapper(limit)) for limit in itertools.cycle(range(1, 7)))


def run(problem, model, trials, **settings):
    study = optuna.create_study(
        direction="maximize", sampler=LLMSampler(problem, model=model, seed=0, **settings)
    )
    study.optimize(problem, n_trials=trials)
    return study


def noted(study, attribute):
    return [trial.user_attrs.get(attribute) for trial in study.trials]


def test_a_model_is_told_how_far_from_the_floor_its_mapper_is():
    problem = MapperProblem(Application.load("circuit"), Machine.load("p100x4"))
    model = Scripted(fenced(f"Task * {kinds};") for kinds in ("GPU,CPU", "GPU,OMP,CPU"))
    run(problem, model, 2)
    assert re.search(r"At \d+\.\d % of the floor of .*; what is left: ", model.last_turn)


# Who proposes


def test_a_trial_runs_what_the_model_wrote_and_says_at_what_cost(toy_problem):
    study = run(toy_problem, Scripted(mappers()), 3, strategy="opro")
    assert noted(study, attributes.PROPOSER) == ["model"] * 3
    assert [trial.params["limit.c"] for trial in study.trials] == [1, 2, 3]
    assert noted(study, attributes.CALLS) == [1, 1, 1]
    assert noted(study, attributes.TOKENS) == [110, 110, 110]
    assert noted(study, attributes.COST) == [0.01] * 3
    assert noted(study, attributes.REPAIRS) == [0, 0, 0]


def test_the_fallback_proposes_where_the_model_fails(toy_problem):
    model = Scripted([ModelTimeout("too slow"), fenced(mapper(1)), BadResponse("empty")])
    study = run(toy_problem, model, 3)
    assert noted(study, attributes.PROPOSER) == ["tpe", "model", "tpe"]
    assert noted(study, attributes.WHY)[0] == "timeout: too slow"
    assert noted(study, attributes.WHY)[2] == "bad-response: empty"


def test_a_model_that_is_gone_is_not_asked_again_and_is_missed_once(toy_problem, caplog):
    model = Scripted([ModelUnavailable("no key: set OPENAI_API_KEY")])
    with caplog.at_level(logging.WARNING):
        study = run(toy_problem, model, 4, fallback="random")
    assert len(model.requests) == 1
    assert noted(study, attributes.PROPOSER) == ["random"] * 4
    assert all("OPENAI_API_KEY" in why for why in noted(study, attributes.WHY))
    assert len(caplog.records) == 1
    assert "from here on random proposes" in caplog.text


def test_the_fallback_learns_from_what_the_model_tried(toy_problem):
    seen = []

    class Watching(RandomSampler):
        def infer_relative_search_space(self, study, trial):
            seen.append([each.params for each in study.get_trials(deepcopy=False)][:-1])
            return {}

    run(toy_problem, Scripted(mappers()), 2, fallback=Watching(), every=2)
    assert seen[-1][0]["limit.c"] == 1


def test_every_nth_trial_is_the_fallbacks(toy_problem):
    study = run(toy_problem, Scripted(mappers()), 6, every=3)
    assert noted(study, attributes.PROPOSER) == ["model", "model", "tpe"] * 2


@pytest.mark.parametrize(
    ("budget", "unit"), [(Budget(calls=2), "calls"), (Budget(tokens=200), "tokens"),
                         (Budget(usd=0.015), "US dollars")]
)  # fmt: skip
def test_a_budget_counts_the_trials_of_earlier_runs(toy_problem, budget, unit):
    first = run(toy_problem, Scripted(mappers()), 2)
    model = Scripted(fenced(mapper(limit)) for limit in (3, 4, 5))
    sampler = LLMSampler(toy_problem, model=model, seed=0, budget=budget)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(first.trials)
    study.optimize(toy_problem, n_trials=2)
    assert model.requests == []
    assert noted(study, attributes.PROPOSER) == ["model", "model", "tpe", "tpe"]
    assert f"{unit} is spent" in noted(study, attributes.WHY)[-1]


def test_an_enqueued_trial_costs_no_call(toy_problem):
    model = Scripted(mappers())
    study = optuna.create_study(
        direction="maximize", sampler=LLMSampler(toy_problem, model=model, seed=0)
    )
    study.enqueue_trial({"proc.a": "GPU", "mem.a": "ZCMEM"})
    study.optimize(toy_problem, n_trials=1)
    assert study.trials[0].params["mem.a"] == "ZCMEM"
    assert model.requests == []
    assert noted(study, attributes.PROPOSER) == ["enqueued"]
    assert attributes.TEXT not in study.trials[0].user_attrs


def test_no_exception_leaves_a_trial_that_runs_for_ever(toy_problem, monkeypatch, caplog):
    monkeypatch.setattr("tuners.llm.proposer.Dialogue.run", lambda *_: 1 / 0)
    study = run(toy_problem, Scripted(mappers()), 2)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert "ZeroDivisionError" in noted(study, attributes.WHY)[0]


def test_an_unknown_strategy_or_fallback_names_the_nearest(toy_problem):
    with pytest.raises(TunerError, match="did you mean trace"):
        LLMSampler(toy_problem, model="none", strategy="trac")
    with pytest.raises(TunerError, match="did you mean random"):
        LLMSampler(toy_problem, model="none", fallback="randm")


# Settings


def test_settings_stand_for_options(toy_problem, make_toy_problem):
    options = {"strategy": "opro", "temperature": 0.5, "max_reply_tokens": 77, "every": 2}
    models = [Scripted(mappers()), Scripted(mappers())]
    run(toy_problem, models[0], 3, **options)
    sampler = LLMSampler(make_toy_problem(), ModelSettings(models[1], **options), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(toy_problem, n_trials=3)
    assert models[0].requests == models[1].requests
    request = models[0].requests[0]
    assert (request.temperature, request.max_tokens) == (0.5, 77)


def test_an_option_goes_before_the_settings(toy_problem):
    settings = ModelSettings("openai/gpt-4o", strategy="opro")
    assert str(LLMSampler(toy_problem, settings, strategy="iid")).startswith("LLMSampler(iid")


def test_an_unknown_option_is_refused(toy_problem):
    with pytest.raises(TypeError, match="max_reply_token'"):
        LLMSampler(toy_problem, model="openai/gpt-4o", max_reply_token=77)


def test_the_fallback_of_a_model_is_no_model(toy_problem):
    with pytest.raises(TunerError, match="cannot be a model"):
        LLMSampler(toy_problem, model="openai/gpt-4o", fallback="llm-iid")


# Repairs and repetitions


def test_a_faulty_reply_goes_back_with_its_diagnostics(toy_problem):
    model = Scripted(["no idea", fenced("Task a GPU"), fenced(mapper(2))])
    study = run(toy_problem, model, 1)
    assert noted(study, attributes.REPAIRS) == [2]
    assert noted(study, attributes.CALLS) == [3]
    assert noted(study, attributes.PROPOSER) == ["model"]
    assert "There is no candidate in your reply" in model.requests[1].messages[-1].content
    assert "mapper:1:11" in model.requests[2].messages[-1].content
    assert model.requests[2].messages[-2].content == fenced("Task a GPU")


def test_without_repairs_a_faulty_mapper_is_a_trial(toy_problem):
    study = run(toy_problem, Scripted([fenced("Task a GPU")]), 1, repairs=0)
    (trial,) = study.trials
    assert trial.value == 0.0
    assert trial.user_attrs[attributes.STATUS] == "syntax_error"
    assert trial.user_attrs[attributes.TEXT] == "Task a GPU"
    assert trial.constraints[attributes.CONSTRAINT] > 0


def test_what_is_faulty_after_all_repairs_is_tried_nevertheless(toy_problem):
    study = run(toy_problem, Scripted(forever(fenced("Task a GPU"))), 1, repairs=1)
    assert noted(study, attributes.WHY) == ["the model's proposal, faulty after 1 repairs"]
    assert noted(study, attributes.STATUS) == ["syntax_error"]


def test_a_repetition_is_told_to_be_one_and_asked_anew(toy_problem):
    again = mapper(1).replace("Task a GPU;\n", "") + "# the same\nTask a GPU;\n"
    model = Scripted([fenced(mapper(1)), fenced(again), fenced(mapper(2))])
    study = run(toy_problem, model, 2)
    assert "decides the same as trial 0 (26 toys/s)" in " ".join(model.last_turn.split())
    assert [trial.params["limit.c"] for trial in study.trials] == [1, 2]


@pytest.mark.parametrize("repairs", [0, 1])
def test_a_model_that_repeats_itself_gives_way_to_the_fallback(toy_problem, repairs):
    study = run(toy_problem, Scripted(forever(fenced(mapper(1)))), 12, repairs=repairs)
    assert noted(study, attributes.PROPOSER) == ["model"] + ["tpe"] * 11
    assert "repeats trial 0" in noted(study, attributes.WHY)[1]
    assert len(set(noted(study, attributes.NORMAL_FORM))) == 12


# Candidates


def test_further_candidates_are_for_later_trials(toy_problem):
    replies = ["".join(fenced(mapper(limit)) for limit in limits) for limits in [(1, 2, 3), (4,)]]
    model = Scripted(replies)
    study = run(toy_problem, model, 4, candidates=3)
    assert len(model.requests) == 2
    assert sorted(trial.params["limit.c"] for trial in study.trials) == [1, 2, 3, 4]
    assert noted(study, attributes.PROPOSER) == ["model"] * 4
    assert noted(study, attributes.CALLS) == [1, None, None, 1]


# Mappers beside the template


OFF = "Task * GPU;\nRegion * * GPU FBMEM;\nInstanceLimit a 8;\nInstanceLimit c 4;\n" + "\n".join(
    f"Task {task} GPU;\nRegion {task} 0 GPU FBMEM;\nCollectMemory {task} *;" for task in "abc"
)


def test_a_mapper_beside_the_template_is_run_as_it_was_written(toy_problem):
    study = run(toy_problem, Scripted([fenced(OFF)]), 1)
    (trial,) = study.trials
    assert trial.user_attrs[attributes.TEXT] == OFF
    assert trial.user_attrs[attributes.PROJECTION] == "nearest"
    assert trial.params["limit.a"] == 8
    assert trial.user_attrs[attributes.NORMAL_FORM] == toy_problem.identity(OFF)
    assert trial.value == toy_problem.evaluate_text(OFF).outcome.throughput
    assert toy_problem.text_of(optuna.trial.FixedTrial(trial.params)) != OFF


@pytest.mark.parametrize("strategy", ["trace", "opro"])
def test_a_region_collected_by_index_is_judged_by_name_and_told_so(circuit_problem, strategy):
    index = "CollectMemory update_voltages 1;"
    expert = circuit_problem.application.mappers["expert"]
    model = Scripted([fenced(f"{expert}\n{index}"), fenced("Task * GPU,CPU;")])
    study = run(circuit_problem, model, 2, strategy=strategy, repairs=0)
    first = study.trials[0]
    assert first.user_attrs[attributes.STATUS] == "ok"
    assert index not in first.user_attrs[attributes.TEXT]
    assert first.user_attrs[attributes.MENDED][0].startswith(f"{index} was read as ")
    assert f"({index} was read as CollectMemory update_voltages " in model.last_turn


# What is told


def test_every_request_stands_by_itself(toy_problem):
    model = Scripted(mappers())
    run(toy_problem, model, 4)
    for request in model.requests:
        assert [message.role for message in request.messages] == ["system", "user"]
    first, *_, last = (request.messages[-1].content for request in model.requests)
    assert "What was tried" not in first
    assert all(f"Trial {number}: " in last for number in (0, 1, 2))
    assert last.count("```mapper") == 2  # the best, and the one of the explanation how to answer


def test_too_long_a_prompt_is_shortened(toy_problem):
    model = Scripted([ContextTooLong("at most 8192 tokens"), *mappers_list(2)])
    study = run(toy_problem, model, 3)
    assert noted(study, attributes.PROPOSER) == ["tpe", "model", "model"]


def mappers_list(count):
    return list(itertools.islice(mappers(), count))


def test_a_prompt_stays_under_its_limit_and_keeps_the_best(toy_problem):
    from tuners.llm.model import estimated_tokens

    study = run(toy_problem, Scripted([]), 0)
    study.sampler = RandomSampler(seed=3)
    study.optimize(toy_problem, n_trials=60)
    model = Scripted(mappers())
    study.sampler = LLMSampler(
        toy_problem, model=model, seed=0, history=60, max_prompt_tokens=6000, strategy="opro"
    )
    study.optimize(toy_problem, n_trials=1)
    contents = [message.content for message in model.requests[0].messages]
    assert estimated_tokens(*contents) <= 6000
    best = max(study.trials[:60], key=lambda trial: trial.value)
    assert f"Trial {best.number}: {best.value:.6g} toys/s\n```mapper" in contents[-1]
    assert "failed: GPU cannot see SYSMEM" in contents[-1]
    assert contents[-1].count("Trial ") < 60


def test_repairs_stay_under_the_limit_too(toy_problem):
    from tuners.llm.model import estimated_tokens

    long = fenced("Task a GPU" + "# because\n" * 500)
    model = Scripted(forever(long))
    study = run(toy_problem, model, 2, max_prompt_tokens=7000, repairs=8)
    for request in model.requests:
        assert estimated_tokens(*(message.content for message in request.messages)) <= 7000
    assert noted(study, attributes.REPAIRS)[0] == 8
    model = Scripted(forever(long))
    study = run(toy_problem, model, 1, max_prompt_tokens=5000, repairs=8)
    assert noted(study, attributes.REPAIRS) == [0]  # no room for even one


def test_a_prompt_that_cannot_fit_says_what_to_do(toy_problem, caplog):
    study = run(toy_problem, Scripted(mappers()), 1, max_prompt_tokens=100)
    assert "raise max_prompt_tokens" in noted(study, attributes.WHY)[0]


def test_equal_seeds_ask_alike(toy_problem, make_toy_problem):
    models = [Scripted(mappers()), Scripted(mappers())]
    for problem, model in zip([toy_problem, make_toy_problem()], models, strict=True):
        run(problem, model, 5, every=2)
    assert models[0].requests == models[1].requests


def test_a_resumed_study_goes_on(toy_problem, make_toy_problem):
    storage = InMemoryStorage()
    for problem, limits in [(toy_problem, (1, 2)), (make_toy_problem(), (3, 4))]:
        model = Scripted(fenced(mapper(limit)) for limit in limits)
        study = optuna.create_study(
            study_name="one",
            storage=storage,
            load_if_exists=True,
            direction="maximize",
            sampler=LLMSampler(problem, model=model, seed=0),
        )
        study.optimize(problem, n_trials=2)
    assert [trial.params["limit.c"] for trial in study.trials] == [1, 2, 3, 4]
    assert "Trial 1" in model.requests[0].messages[-1].content


def test_workers_do_not_try_the_same(toy_problem):
    study = optuna.create_study(
        direction="maximize",
        sampler=LLMSampler(toy_problem, model=Scripted(forever(fenced(mapper(1)))), seed=0),
    )
    study.optimize(toy_problem, n_trials=12, n_jobs=3)
    assert len(study.trials) == 12
    assert noted(study, attributes.PROPOSER).count("model") == 1


def test_it_can_be_pickled(toy_problem):
    sampler = pickle.loads(pickle.dumps(LLMSampler(toy_problem, model="replay:x", seed=1)))  # noqa: S301  (our own)
    assert sampler.first_prompt() == LLMSampler(toy_problem, model="other").first_prompt()


# Strategies


def test_iid_tells_of_nothing(toy_problem):
    model = Scripted(mappers())
    run(toy_problem, model, 3, strategy="iid")
    assert len({request.messages for request in model.requests}) == 1


def test_opro_shows_the_best_last(toy_problem):
    model = Scripted(mappers())
    run(toy_problem, model, 5, strategy="opro")
    told = model.last_turn
    order = [told.index(f"Trial {number}: ") for number in (0, 1, 2, 3)]
    assert order == sorted(order)  # limits from 1 to 4 are faster and faster
    assert "conversation" not in told
    assert len(model.requests[-1].messages) == 2


def test_trace_shows_blocks_and_takes_them_back(circuit_problem):
    expert = circuit_problem.application.mappers["expert"]
    block = "Region * rp_ghost GPU ZCMEM;\nRegion * * GPU FBMEM;\nRegion * * CPU SYSMEM;"
    model = Scripted([fenced(expert), fenced(block), "never asked"])
    study = run(circuit_problem, model, 2)
    assert "Feedback on the region block: " in model.last_turn
    assert "the feedback blames the region block" in model.last_turn
    text = study.trials[1].user_attrs[attributes.TEXT]
    assert "Region * rp_shared" not in text
    assert "IndexTaskMap GPU block_gpu;" in text
    assert study.trials[1].value > study.trials[0].value


@pytest.mark.parametrize("feedback", ["none", "raw", "explained", "suggested"])
def test_feedback_has_levels(circuit_problem, feedback):
    expert = circuit_problem.application.mappers["expert"]
    model = Scripted([fenced(expert), fenced("Task * GPU;\nTask get_elapsed CPU;")])
    run(circuit_problem, model, 2, feedback=feedback)
    told = model.last_turn
    assert ("ELAPSED TIME" in told) == (feedback == "raw")
    assert ("An iteration takes" in told) == (feedback in ("explained", "suggested"))
    assert ("Feedback on the " in told) == (feedback == "suggested")


def test_examples_are_of_other_programs(circuit_problem):
    sampler = LLMSampler(circuit_problem, model="none", examples=2)
    system = sampler.first_prompt()[0].content
    assert system.count("A mapper of ") == 2
    assert "A mapper of circuit" not in system


def test_hybrid_asks_first_and_on_a_stall(toy_problem):
    from tuners.llm.strategies import Hybrid

    replies = [fenced(mapper(limit)) for limit in (1, 2)]
    odd = [fenced(mapper(4) + f"CollectMemory a {region};") for region in ("*", "0", "1", "2")]
    model = Scripted([*replies, *odd])
    strategy = Hybrid(warm=2, patience=4, turns=2)
    study = run(toy_problem, model, 14, strategy=strategy, fallback=Worst())
    proposers = noted(study, attributes.PROPOSER)
    assert proposers[:6] == ["model", "model", *["Worst"] * 4]
    assert proposers[6:8] == ["model", "model"]
    assert proposers[8:12] == ["Worst"] * 4
    assert "has not got better for" in model.requests[2].messages[-1].content


class Worst(RandomSampler):
    """Keeps to the slowest corner of the toy space."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        if isinstance(param_distribution, CategoricalDistribution):
            return param_distribution.choices[0]
        return param_distribution.low + 1


# Decoding


def test_a_schema_asks_for_json(toy_problem):
    reply = json.dumps({"reasoning": "why not", "candidates": [mapper(5)]})
    model = Scripted([reply])
    study = run(toy_problem, model, 1, decode="schema")
    assert study.trials[0].params["limit.c"] == 5
    assert model.requests[0].schema["properties"]["candidates"]["items"] == {"type": "string"}


def test_a_grammar_comes_after_the_reasons(toy_problem):
    model = Scripted(["GPUs are fast.", mapper(5)])
    study = run(toy_problem, model, 1, decode="grammar")
    free, constrained = model.requests
    assert free.grammar is None
    assert constrained.grammar == dsl.grammar_for(toy_problem.application, toy_problem.machine)
    assert constrained.messages[-2].content == "GPUs are fast."
    assert study.trials[0].params["limit.c"] == 5
    assert noted(study, attributes.CALLS) == [2]


# Any objective

PLAIN = {
    "x": FloatDistribution(-5, 5),
    "n": IntDistribution(1, 64, log=True),
    "kind": CategoricalDistribution(("linear", "rbf")),
}


def plain(trial):
    x = trial.suggest_float("x", -5, 5)
    n = trial.suggest_int("n", 1, 64, log=True)
    return x**2 + abs(n - 8) + (trial.suggest_categorical("kind", ("linear", "rbf")) == "rbf")


def test_a_plain_objective_is_minimised_with_values():
    replies = [{"x": 2.0, "n": 4, "kind": "rbf"}, {"x": 0.5, "n": "8", "kind": "linear"}]
    model = Scripted(fenced(json.dumps(each), "json") for each in replies)
    study = optuna.create_study(
        sampler=LLMSampler(model=model, seed=0, space=PLAIN, description="A test function.")
    )
    study.optimize(plain, n_trials=2)
    assert study.best_params == {"x": 0.5, "n": 8, "kind": "linear"}
    assert noted(study, attributes.PROPOSER) == ["model", "model"]
    system = model.requests[0].messages[0].content
    assert "smallest objective" in system
    assert "- n: integer from 1 to 64, on a logarithmic scale" in system
    assert "A test function." in system
    assert 'Trial 0: 9 with {"x": 2.0' in model.last_turn


def test_without_a_space_it_learns_it_from_the_first_trial():
    model = Scripted(forever(fenced('{"x": 1.5, "n": 3, "kind": "rbf"}', "json")))
    study = optuna.create_study(sampler=LLMSampler(model=model, seed=0))
    study.optimize(plain, n_trials=3)
    assert noted(study, attributes.PROPOSER) == ["tpe", "model", "tpe"]
    assert study.trials[1].params == {"x": 1.5, "n": 3, "kind": "rbf"}


def test_values_out_of_range_go_back():
    model = Scripted(fenced(json.dumps({"x": x, "n": 3, "kind": "rbf"}), "json") for x in (50, 5))
    study = optuna.create_study(sampler=LLMSampler(model=model, seed=0, space=PLAIN))
    study.optimize(plain, n_trials=1)
    assert study.trials[0].params["x"] == 5.0
    assert "50 is no value of x" in model.last_turn


def test_a_small_plain_space_is_searched_without_repetition():
    space = {"a": IntDistribution(0, 3), "b": CategoricalDistribution("xyz")}
    model = Scripted(forever(fenced('{"a": 1, "b": "x"}', "json")))
    study = optuna.create_study(sampler=LLMSampler(model=model, seed=0, space=space))
    study.optimize(
        lambda trial: trial.suggest_int("a", 0, 3) + len(trial.suggest_categorical("b", "xyz")),
        n_trials=12,
    )
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 12


def test_several_objectives_are_left_to_the_fallback():
    model = Scripted(forever("never asked"))
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=LLMSampler(model=model, seed=0, space=PLAIN)
    )
    study.optimize(lambda trial: (plain(trial), 1.0), n_trials=3)
    assert model.requests == []


class Flags(ParameterProblem):
    unit = "runs/s"
    distributions = {  # noqa: RUF012  (as in the documentation)
        "level": CategoricalDistribution(("-O1", "-O2", "-O3")),
        "unroll": IntDistribution(1, 8),
    }

    def describe(self) -> str:
        return "Flags of a C compiler for a small matrix product; loops are short."

    def score(self, values):
        if values["level"] == "-O3" and values["unroll"] > 6:
            raise ValueError("the compiler ran out of registers: unroll less")
        return float(values["level"][2:]) * values["unroll"]


def test_another_domain_has_feedback_too():
    replies = [{"level": "-O3", "unroll": 8}, {"level": "-O3", "unroll": 6}]
    model = Scripted(fenced(json.dumps(each), "json") for each in replies)
    study = run(Flags(), model, 2)
    assert study.best_value == 18.0
    assert "ran out of registers" in model.last_turn
    assert "short" in model.requests[0].messages[0].content
    assert study.trials[0].constraints[attributes.CONSTRAINT] > 0


class Curve(ParameterProblem):
    distributions = {  # noqa: RUF012  (likewise)
        "x": FloatDistribution(0.001, 10.0, log=True),
        "n": IntDistribution(2, 64, log=True),
    }

    def describe(self) -> str:
        return "A smooth curve."

    def score(self, values):
        return 10 - abs(values["x"] - 1) - abs(values["n"] - 8)


@pytest.mark.parametrize("tuner", ["tpe", "random", "one-plus-one"])
def test_a_domain_of_real_numbers_suits_every_tuner(tuner):
    import tuners

    sampler = tuners.make_sampler(tuner, seed=0, problem=Curve())
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(Curve(), n_trials=15)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    study.sampler = LLMSampler(
        Curve(), model=Scripted([fenced('{"x": 1, "n": 8}', "json")]), seed=0
    )
    study.optimize(Curve(), n_trials=1)
    assert study.best_value == 10.0


@pytest.mark.parametrize("tuner", ["tpe", "random"])
def test_another_domain_suits_every_tuner(tuner):
    import tuners

    sampler = tuners.make_sampler(tuner, seed=0, problem=Flags())
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(Flags(), n_trials=24)
    assert study.best_value == 18.0
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 24
