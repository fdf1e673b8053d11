"""How fast the best mapper of a study was after each trial, kept beside the study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.files import write_text

if TYPE_CHECKING:
    from studies.records import StudyResult

__all__ = ["StudyCurve", "keep_curve", "kept_curve"]

ENDING = ".curve.json"


@dataclass(frozen=True)
class StudyCurve:
    """What a table needs to know of a study.

    Attributes:
        arm: Name of its arm.
        seed: Its seed.
        trials: How many it has.
        valid: How many of the mappers ran.
        steps: Each trial, counted from 1, that was faster than all before it, with its throughput.
    """

    arm: str
    seed: int
    trials: int
    valid: int
    steps: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, result: StudyResult) -> StudyCurve:
        """That of a study."""
        best, steps, valid = 0.0, [], 0
        for count, record in enumerate(result.records, 1):
            valid += record.status == "ok"
            if record.status == "ok" and record.throughput > best:
                best = record.throughput
                steps.append((count, best))
        spec = result.spec
        return cls(spec.tuner, spec.seed, len(result.records), valid, tuple(steps))

    @property
    def throughput(self) -> float:
        """The best of all; 0.0 where no mapper was valid."""
        return self.steps[-1][1] if self.steps else 0.0

    def best_after(self, trials: int) -> float | None:
        """The best of the first trials, 0.0 for none; None where there are not that many."""
        if trials > self.trials:
            return None
        return max((best for count, best in self.steps if count <= trials), default=0.0)


def keep_curve(journal: Path, curve: StudyCurve, judged: Mapping[str, Any]) -> None:
    """Keeps a curve beside its study, so that a table need not read all trials again.

    Args:
        journal: Where the study is.
        curve: Its curve.
        judged: What it is of, and how fast mappers that are known were then, as JSON values.

    Raises:
        StudyError: It cannot be written.
    """
    kept = {"study": _state(journal), "judged": dict(judged), "curve": asdict(curve)}
    write_text(_file(journal), json.dumps(kept) + "\n")


def kept_curve(journal: Path, judged: Mapping[str, Any]) -> StudyCurve | None:
    """The curve of a study; None where none is kept, or the study or its judge are others now."""
    try:
        kept = json.loads(_file(journal).read_text(encoding="utf-8"))
        if (kept["study"], kept["judged"]) != (_state(journal), judged):
            return None
        steps = tuple((int(count), float(best)) for count, best in kept["curve"]["steps"])
        return StudyCurve(**{**kept["curve"], "steps": steps})
    except (OSError, ValueError, LookupError, TypeError):
        return None  # then the study itself is read


def _file(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".journal") + ENDING)


def _state(journal: Path) -> list[int]:
    """Changes whenever the study does."""
    found = journal.stat()
    return [found.st_size, found.st_mtime_ns]
