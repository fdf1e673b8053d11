"""How good a run was, by what the program prints."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from legion_bridge.errors import LegionError

__all__ = ["Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number in the output of a program.

    >>> elapsed = Metric(r"ELAPSED ([0-9.]+) s")
    >>> elapsed.read("ready" + chr(10) + "ELAPSED 0.25 s")
    0.25
    >>> elapsed.throughput(0.25, work=100.0)
    400.0

    Attributes:
        pattern: A regular expression with one group, the number. Of several matches the last one
            counts: it comes after what a program says of its warm-up. Empty for the seconds from
            the start of the process to its end.
        profiled: Whether it is the seconds from the first task to the last, as Legion's own
            profile tells; there is no pattern then. Writing it makes tiny tasks slower.
        minimize: Whether less is better, as of seconds; else more is, as of operations a second.
    """

    pattern: str = ""
    minimize: bool = True
    profiled: bool = False

    def __post_init__(self) -> None:
        """Checks the pattern.

        Raises:
            LegionError: It is not a regular expression, or has not one group.
        """
        if not self.pattern:
            return
        try:
            groups = re.compile(self.pattern).groups
        except re.error as error:
            raise LegionError(
                f"the metric {self.pattern!r} is not a regular expression: {error}"
            ) from None
        if groups != 1:
            raise LegionError(
                f"the metric {self.pattern!r} has {groups} groups: put one pair of parentheses "
                "around the number, as in 'ELAPSED ([0-9.]+) s'"
            )

    def read(self, output: str) -> float | None:
        """The number in the output; None where it is not there, or is not a finite number."""
        try:
            value = float(self._last(output) or math.nan)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def why_not(self, output: str) -> str:
        """Why there is no number in the output, and what to do about it."""
        found = self._last(output)
        if found is None:
            return (
                f"nothing that it printed matches {self.pattern!r}: see that the metric is spelt "
                "as it prints it"
            )
        return (
            f"for the metric {self.pattern!r} it printed {found!r}, which is no finite number: "
            "put the parentheses around the number, and see that the program computes it"
        )

    def _last(self, output: str) -> str | None:
        found = None
        for match in re.finditer(self.pattern, output, re.MULTILINE):
            found = match[1]
        return found

    def throughput(self, value: float, work: float) -> float:
        """What a run achieved, larger is better.

        Args:
            value: The metric.
            work: What a run does; a metric that is maximised says that itself.
        """
        if not self.minimize:
            return value
        return work / value if value > 0 else 0.0
