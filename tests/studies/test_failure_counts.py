"""Causes of failures, counted."""

from __future__ import annotations

import pytest

from studies.failure_counts import cause_of, counted
from studies.records import TrialRecord

ABORT = "The program ended with signal 6 (SIGABRT)."


def failed(number: int, message: str) -> TrialRecord:
    return TrialRecord(
        number, {}, 0.0, "execution_error", message[:9], None, None, None, message=message
    )


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            "hello\nmappertune: error: memory: task a: no room",
            "mappertune: error: memory: task a:",
        ),
        (f"a.cc:7: f(): Assertion `x' failed.\n{ABORT}", "a.cc:7: f(): Assertion `x' failed."),
        (f"[0 - 7f] 0.6 {{5}}{{runtime}}: [error 606] LEGION ERROR: bad\n{ABORT}", "[0 - 7f] 0.6"),
        ("Traceback\nValueError: odd\nThe program ended with exit code 1.", "ValueError: odd"),
        (f"working ...\n{ABORT}", ABORT),
        ("", "it said nothing"),
    ],
)
def test_the_line_that_says_why_is_found(message: str, cause: str) -> None:
    assert cause_of(message).startswith(cause)


def test_alike_causes_are_counted_the_most_frequent_first() -> None:
    lines = [
        "x: a.cc:152: Assertion `p' failed.",
        "Segmentation",
        "x: a.cc:153: Assertion `p' failed.",
    ]
    records = [failed(n, f"{'noise ' * n}\n{line}") for n, line in enumerate([lines[1], *lines])]
    records.insert(0, failed(9, "other"))
    found = counted(records)
    assert [(each.count, each.trial) for each in found] == [(2, 0), (2, 1), (1, 9)]
    assert found[0].message == records[1].message


def test_a_cause_that_was_found_is_counted_with_its_like() -> None:
    line = "x: a.cc:152: Assertion `p' failed."
    told = f"The cause, found by 3 more runs: AOS for work argument 0 (r) fails: {line}"
    records = [failed(0, f"{told}\n{line}\n{ABORT}"), failed(1, f"{line}\n{ABORT}")]
    (found,) = counted(records)
    assert (found.count, found.cause) == (2, told)
