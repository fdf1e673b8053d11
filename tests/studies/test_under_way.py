"""What is known of a study that other processes run."""

from __future__ import annotations

import pytest

from studies import StopRules, StudySpec, under_way
from studies.under_way import StudyUnderWay


def test_its_time_begins_with_its_first_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(under_way.time, "monotonic", lambda: clock[0])
    study = StudyUnderWay(StudySpec("random", 0, 5))
    rules = StopRules(patience=7)
    assert study.rules_now(rules, None, 2, 0, 1) == rules
    assert study.rules_now(rules, 160.0, 2, 0, 1) == StopRules(seconds=30.0, patience=7)
    clock[0] += 20.0  # and its process has died
    assert study.rules_now(rules, 160.0, 2, 0, 1).seconds == 10.0
    clock[0] += 20.0
    assert study.rules_now(rules, 160.0, 2, 0, 1).seconds == 0.0
