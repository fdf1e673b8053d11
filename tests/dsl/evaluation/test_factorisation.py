"""Ways to write a size as a product (section 6)."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest

from dsl.evaluation.factorisation import auto_split, balance_split, greedy_split
from dsl.evaluation.faults import Fault
from dsl.limits import MAX_SPLIT_EXTENT


@pytest.mark.parametrize(
    ("n", "k", "factors"),
    [
        (1, 2, (1, 1)),
        (12, 2, (6, 2)),
        (30, 2, (10, 3)),
        (48, 2, (12, 4)),
        (60, 2, (10, 6)),
        (24, 3, (6, 2, 2)),
        (60, 3, (10, 3, 2)),
        (17, 1, (17,)),
        (16, 4, (2, 2, 2, 2)),
    ],
)
def test_balance_split(n: int, k: int, factors: tuple[int, ...]) -> None:
    assert balance_split(n, k) == factors


@pytest.mark.parametrize("n", [0, -4, 19, 38])
def test_balance_split_refuses(n: int) -> None:
    with pytest.raises(Fault, match="balance_split"):
        balance_split(n, 2)


@pytest.mark.parametrize(
    ("n", "extents", "factors"),
    [
        (0, (3, 4), (1, 1)),
        (1, (0, 4), (1, 1)),
        (24, (5, 7, 11), (2, 2, 6)),
        (12, (0, 1), (1, 12)),
        (7, (7, 7), (7, 1)),
    ],
)
def test_greedy_split(n: int, extents: tuple[int, ...], factors: tuple[int, ...]) -> None:
    assert greedy_split(n, extents) == factors


@pytest.mark.parametrize(
    ("n", "extents", "factors"),
    [
        (0, (3, 4), (1, 1)),
        (1, (0, 4), (1, 1)),
        (4, (4, 2, 4), (2, 1, 2)),
        (8, (4, 2, 4), (4, 1, 2)),
        (24, (5, 7, 11), (2, 3, 4)),
        (16, (3, 5), (4, 4)),
        (16, (1, 1, 1), (4, 2, 2)),
        (24, (1, 1, 1), (3, 4, 2)),
        (12, (1, 1), (3, 4)),
        (6, (6, 6), (3, 2)),
        (12, (10**9, 10**9), greedy_split(12, (10**9, 10**9))),
        (MAX_SPLIT_EXTENT, (2, 2), (131, 131)),
    ],
)
def test_auto_split(n: int, extents: tuple[int, ...], factors: tuple[int, ...]) -> None:
    assert auto_split(n, extents) == factors


def test_auto_split_finds_the_least_cost() -> None:
    for n, a, b in product((4, 6, 12, 30, 64), range(1, 12), range(1, 12)):
        found = auto_split(n, (a, b))
        costs = [i / a + n // i / b for i in range(1, n + 1) if n % i == 0]
        assert prod(found) == n
        assert np.isclose(found[0] / a + found[1] / b, min(costs))


@pytest.mark.parametrize(
    ("split", "n", "extents", "code"),
    [
        (auto_split, 4, (0, 4), "auto-split-zero-extent"),
        (auto_split, MAX_SPLIT_EXTENT + 1, (2, 2), "split-extent"),
        (greedy_split, MAX_SPLIT_EXTENT + 1, (2, 2), "split-extent"),
        (auto_split, -2, (2, 2), "split-extent"),
        (auto_split, 2**14, (2,) * 64, "too-large"),
    ],
)
def test_splits_refuse(split, n: int, extents: tuple[int, ...], code: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Fault) as caught:
        split(n, extents)
    assert caught.value.code == code
