"""From words to mappers: the judge compares decisions."""

from __future__ import annotations

import itertools

import pytest

from studies.experiments.codegen import exercise, run_strategy
from tuners.llm.model import ModelUnavailable, ModelUsage, Reply, Request


@pytest.fixture(scope="module")
def task():
    return exercise()


class Said:
    """A model that says one thing after the other."""

    name = "said"
    usage = ModelUsage()

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    def ask(self, request):
        self.asked.append(request)
        if not self.replies:
            raise ModelUnavailable("nobody answers")
        return Reply(self.replies.pop(0), self.name)


def fenced(text):
    return f"```mapper\n{text}```"


def test_there_are_ten_strategies_that_all_differ_from_each_other_and_from_the_start(task):
    assert len(task.strategies) == 10
    for strategy in task.strategies:
        assert task.differs(strategy.mapper, strategy) == ""
        assert task.differs(task.start, strategy)
    for one, other in itertools.permutations(task.strategies, 2):
        assert task.differs(one.mapper, other)


def test_another_text_with_the_same_decisions_passes(task):
    (linearise,) = (each for each in task.strategies if each.name == "linearise")
    other = task.start + (
        "def b(Task task) {\n  all = mgpu.merge(0, 1).split(0, mgpu.size[0]);\n"
        "  n = mgpu.size[0] * mgpu.size[1];\n  i = task.ipoint[0] * n / task.ispace[0];\n"
        "  return mgpu[i / mgpu.size[1], i % mgpu.size[1]];\n}\n"
        "IndexTaskMap calculate_new_currents b;\nIndexTaskMap distribute_charge b;\n"
        "IndexTaskMap update_voltages b;\n"
    )
    assert task.differs(other, linearise) == ""


def test_what_is_wrong_names_the_decision(task):
    by_name = {each.name: each for each in task.strategies}
    assert "memory of region argument" in task.differs(task.start, by_name["shared-zero-copy"])
    assert "instance limit of calculate_new_currents" in task.differs(task.start, by_name["limit"])
    assert "processor kind of calculate_new_currents" in task.differs(
        task.start, by_name["on-cpus"]
    )
    assert "go to other processors" in task.differs(task.start, by_name["cyclic"])
    assert "';'" in task.differs("Task * GPU", by_name["cyclic"])


def test_a_reply_that_fails_goes_back_with_the_reason_until_one_passes(task):
    strategy = task.strategies[2]
    model = Said("I think.", fenced(task.start), fenced("Task * GPU\n"), fenced(strategy.mapper))
    done = run_strategy(model, task, strategy, turns=10, first=Request((), seed=0))
    assert done.passed_after == 4
    assert done.turns[0] == "there is no mapper in the reply"
    assert "layout of region argument" in done.turns[1]
    assert done.turns[1] in model.asked[2].messages[-1].content
    assert strategy.words in model.asked[0].messages[1].content
    assert done.usage.calls == 4


def test_turns_and_failures_of_the_model_end_an_attempt(task):
    strategy = task.strategies[0]
    short = run_strategy(
        Said(fenced(task.start), "x"), task, strategy, turns=1, first=Request((), seed=0)
    )
    assert (len(short.turns), short.passed_after) == (1, None)
    gone = run_strategy(Said(), task, strategy, turns=3, first=Request((), seed=0))
    assert (gone.turns, gone.failure) == ((), "nobody answers")
