from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tuners.llm.model.patience import Patience, retry_after

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("12", 12.0),
        ("0.5", 0.5),
        ("Sun, 01 Jun 2025 12:00:30 GMT", 30.0),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0.0),
        ("Sun, 01 Jun 2025 14:00:30 +0200", 30.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header, seconds):
    assert retry_after(header, NOW) == seconds


def test_waits_double_up_to_the_longest():
    patience = Patience(first=1.0, longest=10.0, random=lambda: 0.0)
    assert [patience.wait(n, None) for n in range(1, 7)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_waits_differ_by_up_to_half():
    assert Patience(random=lambda: 1.0).wait(2, None) == 3.0


def test_what_the_provider_asks_goes_before_unless_it_is_too_long():
    patience = Patience(longest=10.0)
    assert patience.wait(1, "7") == 7.0
    assert patience.wait(3, "0") == 0.0
    assert patience.wait(1, "11") is None
