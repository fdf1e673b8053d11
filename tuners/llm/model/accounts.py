"""What calls of a model have used, are using, and may yet use."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dsl.owners import has_died
from tuners.llm.model.exchange import ModelUsage

__all__ = ["Account", "Accounts", "OpenCall", "usage_of"]

MINUTE = 60.0
# Seconds beyond its time limit after which an open call is nobody's any more: clocks of machines
# differ, and a busy one completes an entry late.
LATE = 30.0


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that was begun, and whose end is not known.

    Attributes:
        most: The most that it can use.
        begun: When, in seconds since 1970.
        seconds: Its time limit.
        owner: The process that makes it, by the name of `dsl.owners`.
    """

    most: ModelUsage
    begun: float
    seconds: float
    owner: str

    def is_lost(self, now: float) -> bool:
        """Whether nobody will complete it: its process is gone, or its time long over."""
        return now > self.begun + self.seconds + LATE or has_died(self.owner)


@dataclass(frozen=True, slots=True)
class Account:
    """All calls of a study as they stand.

    Attributes:
        used: By the calls that ended, and at most by those that were lost.
        under_way: What each call under way may use at most.
        recent: When the calls of the last minute were begun, the earliest first.
    """

    used: ModelUsage = field(default_factory=ModelUsage)
    under_way: tuple[ModelUsage, ...] = ()
    recent: tuple[float, ...] = ()

    @classmethod
    def of(cls, books: Iterable[Accounts], but: str | None = None) -> Account:
        """What several books come to, without the call ``but``."""
        now = time.time()
        used, under_way, recent = ModelUsage(), [], []
        for book in books:
            used += book.used
            for key, call in book.open.items():
                if key == but:
                    continue
                if call.is_lost(now):
                    used += call.most
                else:
                    under_way.append(call.most)
            recent += [at for key, at in book.begun.items() if key != but and at > now - MINUTE]
        return cls(used, tuple(under_way), tuple(sorted(recent)))


@dataclass
class Accounts:
    """The book that a ledger keeps.

    Attributes:
        used: By the calls that ended.
        open: The others, by their keys.
        begun: When the calls of about the last minute were begun.
    """

    used: ModelUsage = field(default_factory=ModelUsage)
    open: dict[str, OpenCall] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)

    def begin(self, key: str, call: OpenCall) -> None:
        """Enters a call, or enters it anew with less."""
        self.open[key] = call
        self.begun[key] = call.begun
        for old in [key for key, at in self.begun.items() if at < call.begun - MINUTE]:
            del self.begun[old]

    def complete(self, key: str, used: ModelUsage) -> None:
        """Enters what a call has used."""
        self.open.pop(key, None)
        self.used += used

    def withdraw(self, key: str) -> None:
        """Strikes a call that was not made."""
        self.open.pop(key, None)
        self.begun.pop(key, None)

    def as_json(self) -> dict[str, Any]:
        """The book as JSON values."""
        return {
            "used": asdict(self.used),
            "open": {key: asdict(call) for key, call in self.open.items()},
            "begun": self.begun,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Accounts:
        """The book that ``as_json`` has written."""
        return cls(
            usage_of(value["used"]),
            {key: open_call_of(call) for key, call in value["open"].items()},
            dict(value["begun"]),
        )


def open_call_of(value: Mapping[str, Any]) -> OpenCall:
    """An open call from JSON values.

    Raises:
        ValueError, TypeError, KeyError: It is none.
    """
    begun, seconds = float(value["begun"]), float(value["seconds"])
    return OpenCall(usage_of(value["most"]), begun, seconds, str(value["owner"]))


def usage_of(value: Mapping[str, Any]) -> ModelUsage:
    """Usage from JSON values; a number that is missing is 0.

    Raises:
        ValueError, TypeError: It is none.
    """
    usage = ModelUsage(**value)
    for name, number in asdict(usage).items():
        whole = name != "cost"
        if not isinstance(number, int if whole else int | float) or not 0 <= number < 1e18:
            raise ValueError(f"{name} is no amount")
    return usage
