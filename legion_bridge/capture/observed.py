"""What any kind of log shows of a program: the step before an application.

Keys of regions, partitions and pieces are whatever the log calls them; names are those that the
program gave, None where it gave none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dsl.facts import Privilege
from legion_bridge.capture.boxes import Box, Index, around, volume_of
from legion_bridge.programs.application import ObservedCopy

__all__ = [
    "Key",
    "ObservedLaunch",
    "ObservedPartition",
    "ObservedPoint",
    "ObservedProgram",
    "ObservedRegion",
    "ObservedRequirement",
    "ObservedTask",
    "Piece",
    "with_all_below",
]

Key: TypeAlias = Hashable


@dataclass(frozen=True, slots=True)
class Piece:
    """A set of points: inclusive bounds, and the number of points in them.

    An empty piece has a volume of 0 and upper bounds below its lower ones. One with holes is made
    of several boxes, as far as a log says so.
    """

    lower: Index
    upper: Index
    volume: int
    boxes: int = 1

    @classmethod
    def of(cls, boxes: Sequence[Box], dimension: int) -> Piece:
        """The piece that is made of some boxes, none of which is empty."""
        if not boxes:
            return cls((0,) * dimension, (-1,) * dimension, 0)
        return cls(*around(boxes), sum(map(volume_of, boxes)), len(boxes))


@dataclass(frozen=True, slots=True)
class ObservedRegion:
    """The root of a region tree.

    Attributes:
        fields: Bytes by name; None where the log does not tell them.
        guessed: Whether its bounds are those of the pieces that were seen.
        boxes: Of how many it is made.
    """

    name: str | None
    lower: Index
    upper: Index
    fields: Mapping[str, int | None]
    guessed: bool = False
    boxes: int = 1


@dataclass(frozen=True, slots=True)
class ObservedPartition:
    """A partition, its pieces in the order of their colours."""

    name: str | None
    region: Key
    pieces: Mapping[Key, Piece]


@dataclass(frozen=True, slots=True)
class ObservedRequirement:
    """A region requirement.

    Attributes:
        partition: None where all points take all of the region.
        collective: Whether points of a launch that write the same data each have an instance.
    """

    region: Key
    partition: Key | None
    privilege: Privilege
    fields: tuple[str, ...]
    reduction: str | None = None
    virtual: bool = False
    collective: bool = False


@dataclass(slots=True)
class ObservedPoint:
    """A point task.

    Attributes:
        pieces: Key of the piece that it takes, for each requirement; None for all of a region.
        kind: Processor kind that it ran on, if that was observed.
        seconds: How long it ran without waits, if that was observed.
        children: The launches that it made, in order.
    """

    pieces: tuple[Key | None, ...]
    kind: str | None = None
    seconds: float | None = None
    children: list[ObservedLaunch] = field(default_factory=list)


@dataclass(slots=True)
class ObservedLaunch:
    """A launch.

    Attributes:
        lower, upper: Inclusive bounds of the launch domain; None for a single task.
        points: The point tasks by index point, in row-major order; a single task's key is ``()``.
        number: Its number in the log.
        uses: Numbers of the launches whose futures it takes.
        blocking: Whether the launching task waited for it.
        inlined: Whether the launching task ran it itself.
        predicated: Whether it runs only if a predicate is true; ``ran`` tells whether that was so.
    """

    task: str
    lower: Index | None
    upper: Index | None
    requirements: tuple[ObservedRequirement, ...]
    points: dict[Index, ObservedPoint]
    number: int = 0
    uses: frozenset[int] = frozenset()
    blocking: bool = False
    inlined: bool = False
    predicated: bool = False
    ran: bool = True

    @property
    def children(self) -> list[ObservedLaunch]:
        """The launches that its points made, in order."""
        return [child for point in self.points.values() for child in point.children]


def with_all_below(launches: Iterable[ObservedLaunch]) -> Iterator[ObservedLaunch]:
    """Launches, each followed by those that its points made, and so on."""
    for launch in launches:
        yield launch
        yield from with_all_below(launch.children)


@dataclass(frozen=True, slots=True)
class ObservedTask:
    """A task: the processor kinds of its variants, and whether it only launches others."""

    variants: tuple[str, ...]
    inner: bool = False


@dataclass(slots=True)
class ObservedProgram:
    """All that was observed.

    Attributes:
        launches: The launches of the top-level task, in program order.
        skipped: What was observed but has no place in an application, in words, and how often.
        unknown: What could not be observed: its place in the document, and why.
    """

    tasks: dict[str, ObservedTask]
    regions: dict[Key, ObservedRegion]
    partitions: dict[Key, ObservedPartition]
    launches: list[ObservedLaunch]
    traced: bool = False
    copies: tuple[ObservedCopy, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def skip(self, what: str, times: int = 1) -> None:
        """Counts something that is left out."""
        self.skipped[what] = self.skipped.get(what, 0) + times
