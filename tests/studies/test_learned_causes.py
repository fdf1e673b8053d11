"""What failures teach: the smallest set of decisions that fails, found by a few runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import optuna
import pytest

import dsl
from dsl.tables import LayoutDecision
from legion_bridge import Application
from legion_bridge.programs.application_json import read_application, write_application
from studies.learned_causes import MOST_RUNS, LearnedCauses
from studies.real_run import MeasuredProblem, RealCase, machine_of
from studies.records import TrialRecord

from .fake_program import FakeProgram

ASSERTION = "prog: main.cc:99: Assertion `acc.accessor.strides[0] == sizeof(double)' failed."
ABORT = f"{ASSERTION}\nThe program ended with signal 6 (SIGABRT)."
OWN = "Task * CPU; Region * * CPU SYSMEM; Layout * * * SOA F_order;"
# It differs from the own mapper in everything.
ALL = (
    "Task * CPU; Region * * CPU SYSMEM; Layout * * * AOS C_order Align == 64; "
    "InstanceLimit calculate_new_currents 2; InstanceLimit distribute_charge 3; "
    "CollectMemory calculate_new_currents *; m = Machine(CPU); "
    "def f(Task t) { return m[0, t.ipoint[0] % 2]; } IndexTaskMap calculate_new_currents f;"
)
TARGET = machine_of(["./circuit", "-ll:cpu", "2"])
TASK = "calculate_new_currents"


@cache
def circuit() -> Application:
    return replace(Application.load("circuit"), mappers={"own": OWN})


def fails_together(program: dsl.Program | None) -> float | str:
    """As Task Bench's program does, where the fields of any argument of a task lie together."""
    if program is None:
        return 1.0
    mapper = dsl.load(program, TARGET.shape)
    requirements = [each for each in circuit().tasks[TASK].requirements if len(each.fields) > 1]
    layouts = [mapper.layout(TASK, each.names, "SYSMEM", "CPU") for each in requirements]
    return 1.0 if all((layout or LayoutDecision()).soa for layout in layouts) else ABORT


def limited(*tasks: str) -> Callable[[dsl.Program | None], float | str]:
    """A program that fails where all of these tasks are limited."""

    def speed(program: dsl.Program | None) -> float | str:
        assert program is not None
        mapper = dsl.load(program, TARGET.shape)
        return ABORT if all(map(mapper.instance_limit, tasks)) else 1.0

    return speed


def lesson_of(
    speed: Callable[[dsl.Program | None], float | str], most: int = MOST_RUNS
) -> tuple[LearnedCauses, int, str]:
    """What is learned of a mapper that differs from the own one in everything."""
    runner = FakeProgram(speed)
    learned = LearnedCauses(circuit(), TARGET)
    program = dsl.parse(ALL)
    outcome = runner.sample(program)
    assert not outcome.ok
    lesson = learned.learn(program, dsl.parse(OWN), outcome, runner.sample, most)
    assert lesson.runs == runner.runs - 1
    return learned, lesson.runs, lesson.sentence


def test_one_decision_is_found_among_many() -> None:
    learned, runs, sentence = lesson_of(limited("distribute_charge"))
    (cause,) = learned.known
    assert [str(choice) for choice in cause.choices] == ["limit 3 for distribute_charge"]
    assert sentence == f"The cause, found by {runs} more runs: {cause.sentence}"
    assert cause.sentence == f"limit 3 for distribute_charge fails: {ASSERTION}"


def test_a_decision_that_fails_for_every_argument_is_learned_for_all() -> None:
    learned, runs, sentence = lesson_of(fails_together)
    assert runs <= MOST_RUNS
    assert f"AOS for each of {TASK} argument" in sentence
    assert all(len(cause.choices) == 1 for cause in learned.known)
    assert learned.refusal(dsl.parse(ALL)).startswith(f"As was seen before, AOS for {TASK} arg")
    assert not learned.refusal(dsl.parse(OWN))
    other = f"Task * CPU; Layout {TASK} 4 * AOS C_order; Layout * * * SOA F_order;"
    assert learned.refusal(dsl.parse(other))
    assert [each.severity for each in learned.findings(dsl.parse(other))] == ["error"]


def test_an_argument_teaches_of_the_others() -> None:
    """Though the failing mapper has all their fields apart."""
    runner = FakeProgram(fails_together)
    learned = LearnedCauses(circuit(), TARGET)
    program = dsl.parse(f"Task * CPU; Layout {TASK} rp_times * AOS F_order; {OWN}")
    outcome = runner.sample(program)
    learned.learn(program, dsl.parse(OWN), outcome, runner.sample, MOST_RUNS)
    told = sorted(str(choice) for cause in learned.known for choice in cause.choices)
    places = ("3 (rp_wires)", "4 (rp_wires)", "5 (rp_times)")
    assert told == [f"AOS for {TASK} argument {place}" for place in places]


def test_decisions_that_fail_together_only_are_learned_together() -> None:
    learned, _, _ = lesson_of(limited(TASK, "distribute_charge"))
    (cause,) = learned.known
    assert len(cause.choices) == 2
    one = f"Task * CPU; InstanceLimit {TASK} 2; Layout * * * SOA F_order;"
    assert not learned.refusal(dsl.parse(one))
    assert learned.refusal(dsl.parse(f"{one} InstanceLimit distribute_charge 3;"))


def refusals(text: str, application: Application) -> list[str]:
    found = dsl.check(dsl.parse(text), application, TARGET)
    return [each.sentence for each in found if each.code == "layout-refused"]


def test_what_is_learned_becomes_a_need_of_the_task(tmp_path: Path) -> None:
    learned, _, _ = lesson_of(fails_together)
    path = tmp_path / "application.json"
    write_application(learned.taught(circuit()), path)
    again = read_application(path)
    found = refusals(ALL, again)
    assert f"{TASK} needs SOA in " in found[0]
    assert ASSERTION in found[0]
    template = dsl.template_for(again, TARGET)
    assert not refusals(template.render(template.defaults()), again)
    assert not refusals(ALL, circuit())


def test_another_failure_on_the_way_is_not_taken_for_the_cause() -> None:
    crash = "another\nThe program ended with signal 11 (SIGSEGV)."

    def two(program: dsl.Program | None) -> float | str:
        found = fails_together(program)
        if found == 1.0 and limited(TASK)(program) == ABORT:
            return crash
        return found

    learned, _, _ = lesson_of(two)
    assert learned.known
    assert all(choice.aspect == "fields" for cause in learned.known for choice in cause.choices)


@pytest.mark.parametrize("raw", ["mappertune: error: memory: task a region 0: none", ABORT])
def test_nothing_is_run_where_the_cause_is_told_or_no_run_is_left(raw: str) -> None:
    most = 1 if raw == ABORT else MOST_RUNS
    learned, runs, sentence = lesson_of(lambda _: raw, most=most)
    assert (learned.known, runs, sentence) == ([], 0, "")


SPACE = (
    "Task * CPU;\nRegion * * CPU SYSMEM;\nLayout * * * ${fields: SOA | AOS} ${order: F_order | "
    f"C_order}};\nInstanceLimit {TASK} ${{limit: 0 | 1 | 2 | 3}};\n"
)


def problem_of(runner: FakeProgram) -> MeasuredProblem:
    return RealCase(("./circuit",), circuit(), TARGET, runner, template=SPACE).problem()


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_same_cause_costs_one_trial(repeats: int) -> None:
    runner = FakeProgram(fails_together, repeats=repeats)
    problem = problem_of(runner)
    problem.runs.evaluate_own()
    problem.runs.ahead = 14
    sampler = optuna.samplers.RandomSampler(seed=4)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({"fields": "SOA", "order": "F_order", "limit": "0"})
    for order in ("F_order", "C_order"):
        for limit in "0123":
            study.enqueue_trial({"fields": "AOS", "order": order, "limit": limit})
    study.optimize(problem, n_trials=14)
    records = [TrialRecord.of(trial) for trial in study.trials]
    assert [record.number for record in records if record.status != "ok"] == [1]
    assert records[1].raw.startswith("The cause, ")
    mappers = [dsl.parse(record.mapper(problem)) for record in records[2:]]
    assert {fails_together(mapper) for mapper in mappers} == {1.0}
    assert runner.runs <= repeats * (14 + 1) + 9
    again = problem_of(FakeProgram(fails_together, repeats=repeats))
    again.recall(records)
    assert again.learned.known == problem.learned.known
    assert again.runs.spare == problem.runs.spare
    assert not again.passes(again.render({"fields": "AOS", "order": "F_order", "limit": "0"}))


def test_another_study_knows_what_one_has_learned() -> None:
    learned, _, _ = lesson_of(fails_together)
    runner = FakeProgram(fails_together)
    problem = problem_of(runner)
    for _ in range(2):
        problem.learned.recall(json.loads(json.dumps(learned.as_json())))
    assert problem.learned.known == learned.known
    problem.runs.evaluate_own()
    runner.runs = 0
    failing = problem.render({"fields": "AOS", "order": "F_order", "limit": "1"})
    mended = problem.runs.mended(failing)
    assert mended is not None
    assert problem.evaluate_text(mended).outcome.ok
    assert not problem.evaluate_text(failing).outcome.ok
    assert runner.runs <= 1 + runner.repeats


def test_a_start_that_fails_is_held_against_a_mapper_that_decides_nothing() -> None:
    runner = FakeProgram(fails_together)
    problem = problem_of(runner)
    problem.runs.evaluate_own()
    own = problem.render({"fields": "AOS", "order": "C_order", "limit": "2"})
    outcome = problem.evaluate_text(own).outcome
    assert f"AOS for each of {TASK} argument" in outcome.raw or f"AOS for {TASK}" in outcome.raw
    assert problem.runs.mended(own) is not None


def test_where_nothing_runs_that_is_tried_once() -> None:
    runner = FakeProgram(lambda program: 1.0 if program is None else ABORT)
    problem = problem_of(runner)
    problem.runs.evaluate_own()
    for limit in "0123":
        text = problem.render({"fields": "SOA", "order": "C_order", "limit": limit})
        assert problem.evaluate_text(text).outcome.raw == ABORT
    assert runner.runs == 3 + 4 + 1
