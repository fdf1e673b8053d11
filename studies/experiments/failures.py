"""What failed, by kind, in studies that lie in folders."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.sentences import first_line

if TYPE_CHECKING:
    from studies.finished import FinishedStudy
    from studies.records import TrialRecord

__all__ = ["FailureKind", "failure_kinds", "kind_of"]

EXAMPLES = 3
SHOWN = 200  # characters of an example
# Kinds of what a runtime or a check says, in the order in which they are looked for.
_KINDS: tuple[tuple[str, str], ...] = (
    (r"failed allocation of size|out of memory", "data does not fit"),
    (r"stride|illegal value|cannot be aligned", "a layout that the task cannot use"),
    (r"event\.exists", "instance limits that clash"),
    (r"index out of bound", "an index beyond the machine"),
    (r"any valid variants", "no variant for the processor"),
    (r"virtual mapped region", "data that is not there"),
    (r"single task map", "a single task that leaves its node"),
    (r"metric|printed", "no metric printed"),
    (r"(?i)exit code|signal|abort|assert", "the program died"),
)


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One kind of failure.

    Attributes:
        kind: In words.
        counts: How many trials of each arm failed so.
        examples: Some of them: study, number of the trial, and what was said.
    """

    kind: str
    counts: dict[str, int]
    examples: tuple[tuple[str, int, str], ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        shown = [
            {"study": study, "trial": number, "said": said}
            for study, number, said in self.examples
        ]
        return {"kind": self.kind, "counts": self.counts, "examples": shown}


def failure_kinds(studies: Iterable[FinishedStudy]) -> tuple[list[FailureKind], dict[str, int]]:
    """The failures of studies by kind, the most frequent first, and all trials of each arm.

    Replies that went back and trials that a fallback proposed because the model failed count as
    kinds of their own: both cost what a study has.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    trials: Counter[str] = Counter()
    for study in studies:
        arm = study.spec.tuner
        for record in study.records:
            trials[arm] += 1
            for kind, count, said in _faults(record):
                counts[kind][arm] += count
                if len(examples[kind]) < EXAMPLES:
                    examples[kind].append((study.location, record.number, said))
    found = [
        FailureKind(kind, dict(by_arm), tuple(examples[kind])) for kind, by_arm in counts.items()
    ]
    found.sort(key=lambda each: (-sum(each.counts.values()), each.kind))
    return found, dict(trials)


def _faults(record: TrialRecord) -> Sequence[tuple[str, int, str]]:
    """The kinds of failures of a trial, how often each, and what was said."""
    found = []
    if record.status != "ok":
        found.append((kind_of(record.status, record.raw), 1, first_line(record.raw)[:SHOWN]))
    if record.model_use is not None and record.model_use.repairs:
        found.append(("replies that went back", record.model_use.repairs, record.why))
    if record.failure is not None:
        found.append((f"the model failed: {record.failure}", 1, record.why))
    return found


def kind_of(status: str, said: str) -> str:
    """The kind of a failure, by its status and what was said.

    >>> kind_of("execution_error", "Default mapper failed allocation of size 8 bytes for ...")
    'data does not fit'
    >>> kind_of("syntax_error", "line 3: expected ;")
    'does not parse'
    """
    if status == "syntax_error":
        return "does not parse"
    if status == "timeout":
        return "took too long"
    for pattern, kind in _KINDS:
        if re.search(pattern, said):
            return kind
    return "an index map that fails" if status == "invalid" else f"other: {status}"
