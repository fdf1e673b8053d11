"""Whether a study that is called by a model is the model's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from studies.model_arm import is_of_fallback
from studies.records import StudySpec, TrialRecord, hardly_asked, model_share
from tuners.llm.settings import ModelSettings

SPEC = StudySpec("llm", 0, 3, ModelSettings(model="openai/gpt-4o", required=True))
STORE = SimpleNamespace(note=lambda key: {"finished": 3}, location="here")


def records(*proposers: tuple[str, str | None]) -> list[TrialRecord]:
    return [
        TrialRecord(number, {}, 1.0, "ok", "", 1.0, None, None, proposer=who, failure=failure)
        for number, (who, failure) in enumerate(proposers)
    ]


START, MODEL, FAILED, BY_DESIGN = (
    ("start", None), ("model", None), ("tpe", "authentication"), ("tpe", None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("proposers", "share", "of_fallback"),
    [
        ([START, MODEL, FAILED], 0.5, False),
        ([START, FAILED, BY_DESIGN], 0.0, True),  # with it, half would have been the model's
        ([START, BY_DESIGN, BY_DESIGN], 0.0, False),
        ([FAILED, FAILED, MODEL], 1 / 3, True),
    ],
)
def test_only_trials_that_were_asked_for_count(proposers, share, of_fallback) -> None:
    found = records(*proposers)
    assert model_share(found) == pytest.approx(share)
    assert hardly_asked(found) == (share < 0.5)
    assert is_of_fallback(SPEC, STORE, found) == of_fallback


def test_a_study_of_its_start_alone_is_not_marked() -> None:
    assert not hardly_asked(records(START))
    assert not is_of_fallback(SPEC, STORE, records(START))
