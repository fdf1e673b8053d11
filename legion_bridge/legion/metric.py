"""How good a run was, by what the program prints."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from legion_bridge.errors import LegionError

__all__ = ["MATCHES", "Match", "Metric", "Reading"]

Match: TypeAlias = Literal["last", "first", "min", "max", "sum"]
MATCHES: tuple[Match, ...] = get_args(Match)
"""Which number counts where a program prints several."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric is in the output of a program.

    Attributes:
        value: The number; None where there is none that could be compared.
        count: How many numbers matched.
        fault: Why there is no value, and what to do about it; empty where there is one.
    """

    value: float | None
    count: int = 1
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number in the output of a program.

    >>> elapsed = Metric(r"ELAPSED ([0-9.]+) s")
    >>> elapsed.read("ready" + chr(10) + "ELAPSED 0.25 s").value
    0.25
    >>> elapsed.throughput(0.25, work=100.0)
    400.0

    Attributes:
        pattern: A regular expression with one group, the number. Empty for the seconds from the
            start of the process to its end.
        profiled: Whether it is the seconds from the first task to the last, as Legion's own
            profile tells; there is no pattern then. Writing it makes tiny tasks slower.
        minimize: Whether less is better, as of seconds; else more is, as of operations a second.
        match: Which of several matches counts. The last one comes after what a program says of
            its warm-up.
    """

    pattern: str = ""
    minimize: bool = True
    profiled: bool = False
    match: Match = "last"

    def __post_init__(self) -> None:
        """Checks the pattern.

        Raises:
            LegionError: It is not a regular expression, or has not one group.
        """
        if self.match not in MATCHES:
            raise LegionError(f"of several matches {self.match!r} counts: say {_listed()}")
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

    def read(self, output: str | Iterable[str]) -> Reading:
        """The number in an output, which may come in pieces of whole lines.

        It must be finite and above 0: what is compared is how many times as good a mapper is.
        """
        found = _Matches(self.match)
        for piece in [output] if isinstance(output, str) else output:
            for match in re.finditer(self.pattern, piece, re.MULTILINE):
                found.add(match[1] or "")
        if not found.count:
            return Reading(
                None,
                0,
                f"nothing that it printed matches {self.pattern!r}: see that the metric is spelt "
                "as it prints it",
            )
        if found.wrong is not None:
            return Reading(
                None,
                found.count,
                f"for the metric {self.pattern!r} it printed {found.wrong!r}, which is no finite "
                "number: put the parentheses around the number, and see that the program "
                "computes it",
            )
        if not found.value > 0:
            return Reading(None, found.count, self._not_above_zero(found))
        return Reading(found.value, found.count)

    def _not_above_zero(self, found: _Matches) -> str:
        several = f" (the {self.match} of {found.count})" if found.count > 1 else ""
        what = "0" if found.value == 0 else "negative"
        advice = (
            "let the program print it with more digits, or run for longer"
            if found.value == 0 and self.minimize
            else "let the program print a number above 0"
        )
        return (
            f"for the metric {self.pattern!r} it printed {found.value:g}{several}: what is {what} "
            f"cannot be compared by how many times as good it is; {advice}"
        )

    def throughput(self, value: float, work: float) -> float:
        """What a run achieved, larger is better.

        Args:
            value: The metric.
            work: What a run does; a metric that is maximised says that itself.
        """
        if not self.minimize:
            return value
        return work / value if value > 0 else 0.0


class _Matches:
    """The number that counts of those that come one after the other."""

    def __init__(self, match: Match) -> None:
        self.count = 0
        self.value = math.nan
        self.wrong: str | None = None
        self._match = match

    def add(self, text: str) -> None:
        self.count += 1
        if self._match == "first" and self.count > 1:
            return
        value = _number(text)
        if self._match in ("first", "last"):
            self.value, self.wrong = value, None if math.isfinite(value) else text
        elif self.wrong is not None:
            return
        elif not math.isfinite(value):
            self.wrong = text
        elif self.count == 1:
            self.value = value
        elif self._match == "sum":
            self.value += value
            if not math.isfinite(self.value):
                self.wrong = f"numbers whose sum is {self.value}"
        else:
            self.value = (min if self._match == "min" else max)(self.value, value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _listed() -> str:
    return f"{', '.join(MATCHES[:-1])} or {MATCHES[-1]}"
