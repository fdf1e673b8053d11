"""What every arm came to on a case of a suite, beside the mappers that are known."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.experiments.curves import StudyCurve
    from studies.experiments.suite import SuiteCase

__all__ = ["CaseResult"]


@dataclass(frozen=True)
class CaseResult:
    """What the arms came to on one case. Ratios are to ``reference``.

    Attributes:
        case: The case.
        unit: Unit of the throughputs.
        known: Throughputs of the mappers that are known, by name; None where one does not run.
            Among them are ``"template's defaults"`` and, where the suite keeps it, ``"best
            known"``.
        arms: The studies of each arm, by its name, in the order of their seeds; those of seeds
            that were not begun are missing.
    """

    case: SuiteCase
    unit: str
    known: Mapping[str, float | None]
    arms: Mapping[str, Sequence[StudyCurve]]

    @property
    def reference(self) -> str | None:
        """What ratios are to: the expert's mapper where it runs, else the best that is known."""
        for name in ("expert", "best known", "default mapper"):
            if self.known.get(name):
                return name
        return None

    def ratio(self, throughput: float | None) -> float | None:
        """A throughput over the reference's; None where either is missing."""
        usual = self.known.get(self.reference) if self.reference else None
        return None if throughput is None or not usual else throughput / usual

    def ratios(self, arm: str, trials: int | None = None) -> list[float]:
        """The best of each seed of an arm, 0.0 where no mapper was valid.

        Args:
            arm: Its name.
            trials: Of how many; the seeds that have not so many are left out. None for all.
        """
        bests = (
            each.throughput if trials is None else each.best_after(trials)
            for each in self.arms.get(arm, ())
        )
        return [each for each in map(self.ratio, bests) if each is not None]

    def valid_share(self, arm: str) -> float | None:
        """The share of an arm's mappers that ran; None where there is no trial."""
        studies = self.arms.get(arm, ())
        trials = sum(each.trials for each in studies)
        return sum(each.valid for each in studies) / trials if trials else None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "case": self.case.case.name,
            "application": self.case.case.application,
            "unit": self.unit,
            "reference": self.reference,
            "known": {name: self.ratio(each) for name, each in self.known.items()},
            "found_by": self.case.found_by,
            "arms": {
                name: {
                    "ratios": (ratios := self.ratios(name)),
                    "mean": statistics.fmean(ratios) if ratios else None,
                    "deviation": statistics.stdev(ratios) if len(ratios) > 1 else None,
                    "invalid_share": None if valid is None else 1 - valid,
                    "seeds": [each.seed for each in studies],
                    "trials": [each.trials for each in studies],
                }
                for name, studies in self.arms.items()
                for valid in [self.valid_share(name)]
            },
        }
