"""Problems that the tests of the model's path share."""

from __future__ import annotations

import pytest

from legion_bridge import Application, Machine
from tuners import MapperProblem


@pytest.fixture(scope="module")
def circuit_problem() -> MapperProblem:
    return MapperProblem(Application.load("circuit"), Machine.load("p100x4"))


@pytest.fixture(scope="module")
def shared_toy_problem(request: pytest.FixtureRequest) -> MapperProblem:
    """One for many examples: it is never changed."""
    from tests.conftest import _toy_problem

    return _toy_problem()
