"""Figures with SI prefixes, at the borders of their units."""

from __future__ import annotations

import pytest

from dsl.units import amount, percent, quantity, seconds, time_scale


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 ns"),
        (2.5e-7, "250 ns"),
        (9.996e-7, "999.600 ns"),
        (1e-6, "1.000 µs"),
        (0.0018744, "1.874 ms"),
        (0.9996, "999.600 ms"),
        (0.9999996, "1.000 s"),
        (3600.0, "3600.000 s"),
    ],
)
def test_seconds(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.25e-9, "3.25 ns"),
        (5.5e-5, "55 µs"),
        (0.9996, "1 s"),
        (0.25, "250 ms"),
    ],
)
def test_seconds_of_three_digits(value, text):
    assert seconds(value, digits=3) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (10, "10 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_900_000, "1 GB"),
        (15.7e9, "15.7 GB"),
        (2e15, "2e+03 TB"),
    ],
)
def test_amounts(value, text):
    assert amount(value) == text


def test_a_prefix_stands_once():
    assert quantity(5300, "GFLOP/s", digits=4) == "5300 GFLOP/s"
    assert quantity(5300, "FLOP/s", digits=4) == "5.3 kFLOP/s"
    assert quantity(-5300, digits=4) == "-5.3 k"


def test_shares():
    assert [percent(x) for x in (0.0, 0.0994, 0.0996, 1.0)] == ["0.0 %", "9.9 %", "10 %", "100 %"]
    assert percent(0.0042, decimals=2) == "0.42 %"


def test_the_scale_of_an_axis():
    assert [time_scale(x)[1] for x in (2.0, 0.9996, 0.5, 1e-9)] == ["s", "s", "ms", "ns"]
