"""Ranks of simulated and measured times."""

from __future__ import annotations

import pytest

from legion_bridge.validation.rank_agreement import rank_agreement


def test_the_same_order_is_full_agreement() -> None:
    found = rank_agreement([[1.0, 1.0, 1.2], [3.0], [2.0, 2.0]], [10.0, 30.0, 20.0])
    assert (found.rho, found.tau) == pytest.approx((1.0, 1.0))
    assert found.error == pytest.approx(9.0)
    assert found.scaled_error == pytest.approx(0.0)
    assert found.spread == pytest.approx(2.0)
    assert found.noise == pytest.approx(0.1)


def test_the_other_order_is_none() -> None:
    assert rank_agreement([[1.0], [2.0], [3.0]], [3.0, 2.0, 1.0]).rho == pytest.approx(-1.0)


def test_what_tells_no_mapper_from_another_ranks_none() -> None:
    assert rank_agreement([[1.0], [2.0]], [1.0, 1.0]).rho == 0.0


def test_times_of_other_mappers_are_refused() -> None:
    with pytest.raises(ValueError, match="same mappers"):
        rank_agreement([[1.0], [2.0]], [1.0])
