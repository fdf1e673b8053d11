"""Estimates beside simulated runs."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.machines.flat_machine import MEMORY_CODES
from legion_bridge.simulation.estimate import Estimator
from tests.legion_bridge.simulation.test_whole_instances import WHOLE
from tests.tuners.guide.random_mappers import text_of, valid_values
from tuners import MapperProblem
from tuners.guide.case import Case

APPLICATIONS = ("circuit", "stencil", "pennant", "cannon", "johnson", "cosma")


@cache
def problem_of(name: str) -> MapperProblem:
    return MapperProblem(Application.load(name), Machine.load("p100x4"))


@cache
def runs(name: str, count: int) -> list[Case]:
    """Random valid mappers that run, and the reference mappers."""
    problem, choose = problem_of(name), random.Random(7)
    texts = list(problem.application.mappers.values())
    texts += [text_of(problem, valid_values(problem, choose)) for _ in range(count)]
    cases = [Case(problem, problem.evaluate_text(text, check=False)) for text in texts]
    return [case for case in cases if case.outcome.ok]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_estimates_are_near_the_simulated_time(name):
    for case in runs(name, 6):
        estimate = case.estimator.estimate(case.decisions).total
        assert 0.4 < estimate / case.profile.iteration < 2.5


@pytest.mark.parametrize("name", APPLICATIONS)
def test_estimates_put_mappers_in_the_right_order(name):
    cases = runs(name, 6)
    pairs = [(c.estimator.estimate(c.decisions).total, c.profile.iteration) for c in cases]
    for one, other in pairwise(pairs):
        # Only differences that are large beside the error of an estimate can be seen.
        if max(one[1], other[1]) > 2.5 * min(one[1], other[1]):
            assert (one[0] < other[0]) == (one[1] < other[1])


def test_copies_are_those_of_the_simulator():
    """Bytes by region, for a program without reductions or overlapping instances."""
    for case in runs("stencil", 4):
        moved = {}
        for each in case.estimator.estimate(case.decisions).moved:
            launch = case.estimator.program.launches[each.launch]
            region = launch.requirements[each.requirement].region
            moved[region] = moved.get(region, 0.0) + each.bytes
        for region, amount in case.profile.copies.items():
            assert moved.get(region, 0.0) == pytest.approx(amount, rel=0.3)


def test_nothing_is_estimated_for_what_legion_refuses():
    problem = problem_of("cannon")
    text = "Task * GPU; Region * * GPU FBMEM; Layout * * * SOA F_order;"
    assert Case(problem, problem.evaluate_text(text)).decisions is None


def test_copies_take_links_for_as_long_as_simulated_where_each_has_an_overhead():
    """On lassen a copy takes 29 us of the copy engine and 95 us of the network's thread."""
    problem = MapperProblem(Application.load("stencil", nodes=2), Machine.load("lassen", nodes=2))
    mapper = problem.application.mappers["expert"]
    case = Case(problem, problem.evaluate_text(mapper, check=False))
    machine = case.estimator.flat_machine
    estimated = sum(each.busy for each in case.estimator.estimate(case.decisions).moved)
    simulated = {link.name: link for link in case.profile.links}
    for name in ("copy engine of node 0", "network thread of node 0", "network thread of node 1"):
        link = machine.link_names.index(name)
        assert estimated[link] == pytest.approx(simulated[name].busy, rel=1e-6)
        by_bytes_alone = simulated[name].bytes / machine.link_bandwidth[link]
        assert estimated[link] > 1.2 * by_bytes_alone


def test_a_link_that_is_exclusive_is_held_for_as_long_as_the_slowest():
    """A copy to another rank of the node holds the sender until the slower NVLink is through."""
    lassen = Machine.load("lassen")
    slow = {
        "sender": replace(lassen.links["sender"], exclusive=True),
        "nvlink_in": replace(lassen.links["nvlink_in"], bandwidth=20e9),
    }
    machine = replace(lassen, links={**lassen.links, **slow})
    problem = MapperProblem(Application.load("johnson", ranks_per_node=4), machine)
    case = Case(problem, problem.evaluate_text(problem.application.mappers["expert"], check=False))
    machine = case.estimator.flat_machine
    estimated = sum(each.busy for each in case.estimator.estimate(case.decisions).moved)
    simulated = {link.name: link for link in case.profile.links}
    held = 0
    for link, name in enumerate(machine.link_names):
        if machine.link_exclusive[link] and name in simulated:
            assert estimated[link] == pytest.approx(simulated[name].busy, rel=1e-6)
            held += estimated[link] > 1.2 * simulated[name].bytes / machine.link_bandwidth[link]
    assert held


@pytest.mark.parametrize("name", ["cannon", "summa", "johnson"])
def test_estimates_on_several_nodes_count_limits_where_they_count(name):
    """The expert's limits hold for each launching processor, not for the machine."""
    problem = MapperProblem(Application.load(name, nodes=2), Machine.load("lassen", nodes=2))
    for mapper in problem.application.mappers.values():
        case = Case(problem, problem.evaluate_text(mapper, check=False))
        estimate = case.estimator.estimate(case.decisions).total
        assert 0.6 < estimate / case.profile.iteration < 1.7


def test_copies_lie_in_their_own_memories_where_many_layouts_are_told_apart():
    """A copy between layouts of one memory does not seem to be one between others."""
    evaluator = Evaluator(Application.load("circuit"), WHOLE)
    aligned = zip(evaluator.application.tasks, (16, 32, 64, 128, 256), strict=False)
    rules = [f"Layout {task} * * AOS Align == {align};" for task, align in aligned]
    text = "\n".join(["Task * CPU;", "Region * * * SYSMEM;", *rules])
    estimator = Estimator(evaluator.simulator)
    decisions = estimator.decide(dsl.parse(text))
    assert len(set(decisions.layout.tolist())) > 4
    moved = estimator.estimate(decisions).moved
    between = {pair[:2] for each in moved for pair in each.between}
    assert between == {(MEMORY_CODES["SYSMEM"], MEMORY_CODES["SYSMEM"])}


def test_a_slow_link_slows_the_access_in_place_that_goes_over_it():
    """Zero-copy memory on a machine whose bus is the bottleneck, not the processor's streams."""
    fast = Machine.load("p100x4")
    slow = replace(
        fast, links={name: replace(link, bandwidth=1e9) for name, link in fast.links.items()}
    )
    longest = []
    for machine in (fast, slow):
        estimator = Estimator(Evaluator(Application.load("stencil"), machine).simulator)
        decisions = estimator.decide(dsl.parse("Task * GPU; Region * * GPU ZCMEM;"))
        found = estimator.linked_access(decisions)
        longest.append(max(seconds for _, seconds in found.values()))
    assert fast.access["GPU", "ZCMEM"].bandwidth == 11e9
    assert longest[1] == pytest.approx(11 * longest[0])


@pytest.mark.parametrize("name", ["johnson", "solomonik"])
def test_what_is_folded_counts_by_its_bytes(name):
    """A byte that is folded takes longer than one that is copied, and is one byte all the same."""
    problem = problem_of(name)
    case = Case(problem, problem.evaluate_text(problem.application.mappers["expert"], check=False))
    moved = case.estimator.estimate(case.decisions).moved
    assert sum(each.bytes for each in moved) == pytest.approx(sum(case.profile.copies.values()))
    between = sum(size for each in moved for _, _, size in each.between)
    assert between == pytest.approx(sum(each.bytes for each in moved))
