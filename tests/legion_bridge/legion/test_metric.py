"""Numbers found in what a program prints."""

from __future__ import annotations

import re

import pytest

from legion_bridge import LegionError
from legion_bridge.legion.metric import Match, Metric


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
    assert Metric(r"ELAPSED ([-0-9.e]+) s").read(output).value == value


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


@pytest.mark.parametrize(
    ("match", "value"), [("last", 2.0), ("first", 3.0), ("min", 1.0), ("max", 3.0), ("sum", 6.0)]
)
def test_of_several_matches_the_one_that_was_asked_for_counts(match: Match, value: float) -> None:
    pieces = ["T 3\n", "T 1\nT 2\n"]
    for output in ("".join(pieces), pieces):
        reading = Metric(r"T (\S+)", match=match).read(output)
        assert (reading.value, reading.count) == (value, 3)


@pytest.mark.parametrize(
    ("output", "match", "fault"),
    [
        ("T 0", "last", "it printed 0: what is 0 cannot be compared .* or run for longer"),
        ("T -3", "last", "it printed -3: what is negative cannot be compared"),
        ("T 2\nT -3", "min", r"it printed -3 \(the min of 2\): what is negative"),
        ("T nan", "last", "it printed 'nan', which is no finite number"),
        ("T 1e999", "sum", "it printed '1e999', which is no finite number"),
        ("T 1e308\nT 1e308", "sum", "numbers whose sum is inf"),
        ("T inf\nT 1", "min", "it printed 'inf', which is no finite number"),
        ("T", "last", "nothing that it printed matches"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(output: str, match: Match, fault: str) -> None:
    reading = Metric(r"T (\S+)", match=match).read(output)
    assert reading.value is None
    assert re.search(fault, reading.fault)
    assert "\n" not in reading.fault


def test_a_wrong_number_that_does_not_count_does_no_harm() -> None:
    assert Metric(r"T (\S+)").read("T nan\nT 2").value == 2.0
    assert Metric(r"T (\S+)", match="first").read("T 2\nT nan").value == 2.0


def test_an_unknown_choice_is_told() -> None:
    with pytest.raises(LegionError, match="say last, first, min, max or sum"):
        Metric(r"T (\S+)", match="median")  # type: ignore[arg-type]  # as a library user may
