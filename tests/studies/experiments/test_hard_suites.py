"""The suites in which tuners can be told apart: what needs no search is far from the best."""

from __future__ import annotations

import pytest

from studies.experiments.suite import load_suite

FAR = 0.9
ENOUGH = 7  # of the nine cases of a suite


def known_ratios(case):
    """The mappers that need no search, over the best that is known, and that over the floor."""
    problem = case.case.problem()

    def run(text):
        return problem.evaluate_text(text, check=False).outcome

    best = run(case.best_known)
    assert best.ok, case.case.name
    assert best.of_floor <= 1.0 + 1e-6  # times are whole multiples of a clock
    texts = [
        *problem.application.mappers.values(),
        problem.render(problem.template.defaults()),
    ]
    return [run(text).throughput / best.throughput for text in texts]


@pytest.mark.parametrize(("suite", "number"), [("nodes", 6), ("tight", 8)])
def test_a_case_is_not_won_without_a_search(suite, number):
    assert max(known_ratios(load_suite(suite).cases[number])) < FAR


@pytest.mark.long
@pytest.mark.parametrize("suite", ["nodes", "tight"])
def test_most_cases_are_not_won_without_a_search(suite):
    cases = load_suite(suite).cases
    assert len(cases) == 9
    assert sum(max(known_ratios(each)) < FAR for each in cases) >= ENOUGH
    assert all(each.found_by for each in cases)
