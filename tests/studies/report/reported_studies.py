"""Studies for reports, made of trials that nobody has run."""

from __future__ import annotations

from datetime import datetime, timedelta

from studies.finished import FinishedStudy
from studies.records import ModelUse, StudySpec, TrialRecord
from studies.report.contents import ReportContents, reported

BEGIN = datetime(2026, 1, 2, 3, 4, 5)
LIMIT = "Default mapper failed allocation of size 8 bytes for region requirement 0 of task t"
IDENTITY = {
    "application": "nowhere",
    "parameters": {},
    "machine": "p100x4",
    "nodes": 1,
    "template": "0",
    "start": "default",
}


def record(number, throughput, **given):
    """A trial that took a second; it failed where it has no throughput."""
    ok = throughput > 0
    begun = BEGIN + timedelta(seconds=2 * number)
    usual = {
        "raw": "" if ok else LIMIT,
        "message": "" if ok else LIMIT,
        "begun": begun,
        "finished": begun + timedelta(seconds=1),
        "text": "Task * GPU;\n",
    }
    given = {**usual, **given}
    status = "ok" if ok else "execution_error"
    return TrialRecord(
        number, {}, throughput, status, given.pop("raw"), 1.0 if ok else None, f"{number:016x}",
        given.pop("finished"), **given,
    )  # fmt: skip


def model_trial(number, throughput, tokens, cost=0.5, proposer="model", **given):
    """A trial for which a model was asked."""
    use = ModelUse(1, 0, tokens, cost or 0.0, 0 if cost is not None else 1)
    return record(number, throughput, proposer=proposer, model_use=use, **given)


def study(tuner, seed, records, *, case="nowhere-p100x4", location=None, llm=None, **identity):
    """A study of an application that is not here, unless the identity tells another one."""
    spec = StudySpec(tuner, seed, len(records), llm)
    location = location or f"runs/{case}/{tuner}-seed{seed}.journal"
    return FinishedStudy(location, "runs", case, IDENTITY | identity, spec, tuple(records), None)


def contents(*cases, unread=()):
    """What a report of such studies tells."""
    return ReportContents(("runs",), tuple(map(reported, cases)), tuple(unread))
