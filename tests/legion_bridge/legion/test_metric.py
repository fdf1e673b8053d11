"""Numbers found in what a program prints."""

from __future__ import annotations

import pytest

from legion_bridge import LegionError
from legion_bridge.legion.metric import Metric


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("ELAPSED 0.5 s", 0.5),
        ("noise\n  ELAPSED 3 s\nmore", 3.0),
        ("ELAPSED 9 s (warm-up)\nELAPSED 2e-3 s", 2e-3),
        ("ELAPSED", None),
        ("", None),
        ("ELAPSED e-e s", None),
        ("ELAPSED 1e999 s", None),
    ],
)
def test_the_last_number_counts(output: str, value: float | None) -> None:
    assert Metric(r"ELAPSED ([-0-9.e]+) s").read(output) == value


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("ELAPSED (", "is not a regular expression"),
        ("ELAPSED [0-9]+", "has 0 groups"),
        ("(ELAPSED) ([0-9]+)", "has 2 groups"),
    ],
)
def test_a_pattern_without_one_group_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(LegionError, match=said):
        Metric(pattern)


def test_less_is_better_or_more_is() -> None:
    assert Metric("t=(.*)").throughput(0.5, work=10.0) == 20.0
    assert Metric("t=(.*)").throughput(0.0, work=10.0) == 0.0
    assert Metric("gflops=(.*)", minimize=False).throughput(0.5, work=10.0) == 0.5
