"""What optuna-dashboard shows of a trial beside its values: a note in Markdown, and a file.

A note is kept as ``optuna_dashboard.save_note`` keeps it: with the study, for all of its trials,
in pieces. Whoever reads a study reads them all, and so does Optuna after each trial that it runs,
so that the first trials have notes, and of later ones those that were the best. The dashboard
itself need not be installed.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.plain_text import plain
from tuners import attributes

if TYPE_CHECKING:
    from optuna import Study
    from optuna.artifacts._protocol import ArtifactStore
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

__all__ = ["MOST_NOTES", "attach", "leave_note", "note_attributes", "noted_trial", "trial_note"]

MOST_NOTES = 500  # trials that have one in any case
PIECE = 2_045  # characters of an attribute, as the dashboard writes it
LONGEST_TEXT = 4_000  # characters of a candidate
LONGEST_FEEDBACK = 2_000
WIDTH = 100  # characters of a line of feedback
LONGEST_NOTE = 4 * PIECE


def trial_note(
    noted: Mapping[str, Any],
    *,
    score: str,
    candidate: str = "",
    feedback: str = "",
    remark: str = "",
) -> str:
    """A trial in Markdown: how good it is, who proposed it and why, the feedback, its candidate.

    Args:
        noted: The trial's attributes.
        score: Its score, or that it failed, in words.
        candidate: The text that was evaluated; empty where its parameters say it all.
        feedback: What came of it; by default what its evaluation said.
        remark: What is to be said of it beside its score, such as that it is the best so far.
    """
    feedback = (feedback or str(noted.get(attributes.RAW, ""))).strip()
    parts = [
        f"**{_inline(score)}**" + (f" ({remark})" if remark else ""),
        _proposed(noted),
        *(f"- {_inline(str(each))}" for each in noted.get(attributes.MENDED, ())),
        _fenced(_wrapped(feedback), LONGEST_FEEDBACK),
        _fenced(candidate, LONGEST_TEXT),
        _used(noted),
    ]
    return "\n\n".join(filter(None, parts))[:LONGEST_NOTE]


def note_attributes(trial_id: int | None, body: str) -> dict[str, Any]:
    """The system attributes of a study that hold a note.

    Args:
        trial_id: Of the trial in its storage; None for a note of the study itself.
        body: The note, in Markdown.
    """
    prefix = _prefix(trial_id)
    pieces = [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
    return {
        f"{prefix}note_ver": 1,
        **{f"{prefix}note_str:{number}": piece for number, piece in enumerate(pieces)},
    }


def noted_trial(key: str) -> int | None:
    """The id of the trial of whose note a study's attribute is a part; None where it is of none.

    >>> noted_trial("dashboard:17:note_str:0"), noted_trial("dashboard:note_ver")
    (17, None)
    """
    found = re.match(r"dashboard:(\d+):note_", key)
    return int(found[1]) if found else None


def leave_note(storage: BaseStorage, study_id: int, trial_id: int | None, body: str) -> None:
    """Leaves a note with a trial or with a study, unless somebody has left one already."""
    if f"{_prefix(trial_id)}note_ver" in storage.get_study_system_attrs(study_id):
        return
    for key, value in note_attributes(trial_id, body).items():
        storage.set_study_system_attr(study_id, key, value)


def attach(
    artifacts: ArtifactStore, study: Study, trial: Trial | FrozenTrial, name: str, text: str
) -> None:
    """Attaches a file to a trial.

    Args:
        artifacts: Where its content goes.
        study: Of the trial.
        trial: The trial, which is still running.
        name: Of the file.
        text: Its content.
    """
    from optuna.artifacts import upload_artifact  # noqa: PLC0415  (0.1 s, where files are wanted)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        upload_artifact(
            artifact_store=artifacts,
            file_path=str(path),
            study_or_trial=trial,
            storage=study._storage,  # noqa: SLF001  (a finished or frozen trial does not tell it)
            mimetype="text/plain",
        )


def _prefix(trial_id: int | None) -> str:
    return "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"


def _proposed(noted: Mapping[str, Any]) -> str:
    """Who proposed a trial and why, where anybody has noted it."""
    proposer, why = noted.get(attributes.PROPOSER), noted.get(attributes.WHY)
    if proposer == attributes.START:
        return "what the study begins with"
    parts = [f"proposed by {_inline(str(proposer))}"] if proposer else []
    parts += [_inline(str(why))] if why and why != attributes.OWN_PROPOSAL else []
    base = noted.get(attributes.BASE)
    parts += [f"a revision of trial {base}"] if base is not None else []
    return "; ".join(parts)


def _used(noted: Mapping[str, Any]) -> str:
    """What asking a model for a trial has used."""
    calls = noted.get(attributes.CALLS)
    if not calls:
        return ""
    cost = noted.get(attributes.COST)
    told = "of unknown cost" if cost is None else f"${cost:.4f}"
    tokens = int(noted.get(attributes.TOKENS) or 0)
    repairs = noted.get(attributes.REPAIRS) or 0
    return f"{calls} call{'s' * (calls != 1)}, {repairs} for repairs, {tokens:,} tokens, {told}"


def _fenced(text: str, longest: int) -> str:
    """A text as it is, whatever it holds: it is data, and no Markdown."""
    text = plain(text).strip("\n")
    if not text:
        return ""
    if len(text) > longest:
        text = f"{text[:longest]}\n... and {len(text) - longest:,} characters more"
    longest_run = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return f"{fence}text\n{text}\n{fence}"


def _wrapped(text: str) -> str:
    """A text in lines that a page of the dashboard has room for; shorter ones as they are."""
    lines = [
        wrapped
        for line in text.splitlines()
        for wrapped in textwrap.wrap(line, WIDTH, drop_whitespace=False, subsequent_indent="  ")
        or [""]
    ]
    return "\n".join(lines)


def _inline(text: str) -> str:
    """A text within a line, in which Markdown sees nothing of its own."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(plain(text).split()))
