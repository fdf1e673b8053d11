"""Studies that are called by a model: by which name, and whether they are the model's at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.errors import UsageError
from studies.records import HALF, asked_for, model_share

if TYPE_CHECKING:
    from studies.records import StudySpec, TrialRecord
    from studies.stored_study import StoredStudy

__all__ = [
    "check_arm",
    "is_of_fallback",
    "leave_arm_note",
    "ledger_file",
    "set_files_aside",
    "short_names",
]

NOTE = "mappertune:model"
FALLBACK_ONLY = "--fallback-only goes on as it is"


def check_arm(spec: StudySpec, store: StoredStudy, records: Sequence[TrialRecord]) -> None:
    """Refuses to go on with a model where the fallback has made the study.

    Raises:
        UsageError: The model did not propose half of the trials because it failed, and the study
            was finished so, or was to go on so.
    """
    if is_of_fallback(spec, store, records):
        share, count = model_share(records), len(asked_for(records))
        raise UsageError(
            f"the model proposed {share:.0%} of the {count} trials of the "
            f"study in {store.location}, because it could not be asked: --anew sets the study "
            f"aside and begins again, {FALLBACK_ONLY}"
        )


def is_of_fallback(spec: StudySpec, store: StoredStudy, records: Sequence[TrialRecord]) -> bool:
    """Whether a model's failures have made a study the fallback's, and this run wants a model."""
    if spec.llm is None or not spec.llm.required or spec.llm.replays or not records:
        return False
    note = store.note(NOTE) or {}
    finished = note.get("finished", spec.trials) <= len(records)
    asked = asked_for(records)
    if not asked:
        return False
    share = model_share(records)
    failed = sum(
        record.proposer != "model" and record.failure not in (None, "budget") for record in asked
    )
    by_failure = share < HALF <= share + failed / len(asked)
    return by_failure and (finished or bool(note.get("fallback_only")))


def leave_arm_note(spec: StudySpec, store: StoredStudy, finished: int | None = None) -> None:
    """Notes whether a study may do without its model, and with how many trials it was done."""
    if spec.llm is None:
        return
    note = {
        "fallback_only": not spec.llm.required,
        **({} if finished is None else {"finished": finished}),
    }
    if store.note(NOTE) != note:
        store.leave_note(NOTE, note)


def short_names(models: Sequence[str]) -> list[str]:
    """Names of models that are short, fit for a file, and different.

    >>> short_names(["openai/gpt-4o", "azure/o3", "openai/o3", "replay:runs/a.transcript.jsonl"])
    ['gpt-4o', 'azure-o3', 'openai-o3', 'a.transcript']
    """
    last = [re.sub(r"\.jsonl$", "", re.split("[/:]", name)[-1]) for name in models]
    return [
        re.sub(r"[^\w.=-]+", "-", name if last.count(short) > 1 else short)
        for name, short in zip(models, last, strict=True)
    ]


def ledger_file(journal: Path) -> Path:
    """Where the account of the calls of a journal's study lies."""
    return journal.with_name(journal.name.removesuffix(".journal") + ".ledger.jsonl")


def set_files_aside(journal: Path) -> Path:
    """Renames a study's files, so that it can begin again; returns where the journal lies now."""
    stem = journal.name.removesuffix(".journal")
    number = 1
    while journal.with_name(f"{stem}.aside{number}.journal").exists():
        number += 1
    for file in sorted(journal.parent.glob(f"{stem}.*")):
        rest = file.name.removeprefix(stem)
        if not rest.startswith(".aside") and not rest.endswith(".lock"):
            file.rename(file.with_name(f"{stem}.aside{number}{rest}"))
    return journal.with_name(f"{stem}.aside{number}.journal")
