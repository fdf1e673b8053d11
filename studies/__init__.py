"""Studies: tuners run and compared, tracked and told; the command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from studies.errors import StorageError, StudyError, UsageError

if TYPE_CHECKING:
    from studies.compare import Comparison, RankTest, TunerSummary, compare_studies
    from studies.records import StudyResult, StudySpec, TrialRecord
    from studies.references import Reference, best_reference, references
    from studies.run import run_study
    from studies.stop_rules import StopRules
    from studies.storage import StudyStore
    from studies.suite import Case
    from studies.tracking import Tracker

__all__ = [
    "Case",
    "Comparison",
    "RankTest",
    "Reference",
    "StopRules",
    "StorageError",
    "StudyError",
    "StudyResult",
    "StudySpec",
    "StudyStore",
    "Tracker",
    "TrialRecord",
    "TunerSummary",
    "UsageError",
    "best_reference",
    "compare_studies",
    "references",
    "run_study",
]

# These load Optuna; the command line, which this module is part of, must answer before that.
_LAZY_EXPORTS = {
    "Case": "suite",
    "Comparison": "compare",
    "RankTest": "compare",
    "Reference": "references",
    "StopRules": "stop_rules",
    "StudyResult": "records",
    "StudySpec": "records",
    "StudyStore": "storage",
    "Tracker": "tracking",
    "TrialRecord": "records",
    "TunerSummary": "compare",
    "compare_studies": "compare",
    "best_reference": "references",
    "references": "references",
    "run_study": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"studies.{_LAZY_EXPORTS[name]}"), name)
