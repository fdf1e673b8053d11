"""What came of running a program under a mapper, and what an iteration consists of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from dsl.units import percent, seconds
from legion_bridge.measurement import Measurement

if TYPE_CHECKING:
    from legion_bridge.simulation.floor import Floor

__all__ = [
    "PART_WORDS",
    "SETUP_GROWTH",
    "CriticalShare",
    "Hidden",
    "MemoryPeak",
    "Objective",
    "Outcome",
    "Part",
    "Parts",
    "Profile",
    "Status",
    "TaskUse",
    "Usage",
    "floor_as_json",
    "floor_sentence",
    "left_of",
    "parts_of",
    "parts_sentence",
]

Objective: TypeAlias = Literal["timed", "whole"]
"""What a throughput is over: the time that the program's clock shows, or that of the whole run."""

Status: TypeAlias = Literal["ok", "syntax_error", "invalid", "execution_error", "timeout"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What one iteration goes to, in seconds that add up to it.

    What is overlapped by something else that takes longer is not in it.

    Attributes:
        computing: Tasks, once they have started.
        starting: The processors' own time for starting tasks.
        in_place: Tasks that wait for the links to a memory that they read and write in place.
        copies: Waiting for copies, folds of reductions, fills and collective operations.
        runtime: Waiting for the runtime's work: launches, analysis, mapping.
        limits: Waiting for a place under an instance limit, while the processor has nothing to do.
        idle: The rest: nothing to wait for, or, of a single processor, tasks that run elsewhere.
    """

    computing: float = 0.0
    starting: float = 0.0
    in_place: float = 0.0
    copies: float = 0.0
    runtime: float = 0.0
    limits: float = 0.0
    idle: float = 0.0


@dataclass(frozen=True, slots=True)
class Hidden:
    """Seconds of one iteration in which something went on behind what the iteration waited for.

    They cost nothing, and are no part of the iteration's ``Parts``.

    Attributes:
        copies: Some copy, fold, fill or collective operation was under way.
        runtime: The runtime worked on some node.
    """

    copies: float = 0.0
    runtime: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """How busy a processor or a link was.

    Attributes:
        name: Such as ``"GPU 2 of node 0"`` or ``"PCIe into GPU 1 of node 0"``.
        busy: Seconds in use during one iteration; of a processor, all but the waits in ``parts``.
        bytes: Bytes that travelled during one iteration; 0 for processors.
        fraction: Share of the iteration in which it was busy, 0 to 1.
        parts: What the iteration goes to on this processor; None for links.
    """

    name: str
    busy: float
    bytes: float
    fraction: float
    parts: Parts | None = None


@dataclass(frozen=True, slots=True)
class MemoryPeak:
    """The most that a memory held at any time, in bytes, beside what it can hold."""

    name: str
    peak: float
    capacity: float


@dataclass(frozen=True, slots=True)
class CriticalShare:
    """One ingredient of the critical path.

    Attributes:
        kind: ``"task"``, ``"start"`` (of a task), ``"in place"`` (a task's wait for the links to
            its memory), ``"copy"``, ``"fold"``, ``"fill"``, ``"collective"`` (a
            collective operation), ``"runtime"`` (launch and mapping overhead), ``"limit"`` (the
            wait for a place under an instance limit) or ``"idle"``.
        name: The task; for copies the region and the link that limits them.
        seconds: Seconds on the critical path of one iteration.
        fraction: Share of the iteration, 0 to 1.
        task: The task that it is, or on whose behalf it happens; empty where nobody knows.
        region: What is copied, folded or filled; empty for the others.
    """

    kind: str
    name: str
    seconds: float
    fraction: float
    task: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class TaskUse:
    """Where the points of one task ran in one iteration.

    Attributes:
        kind: Processor kind.
        points: Point tasks.
        processors: Processors that ran some of them.
        busy: Seconds of all of them together.
        longest: Seconds of the processor that ran them longest.
    """

    kind: str
    points: int
    processors: int
    busy: float
    longest: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of one iteration in the steady state went.

    Attributes:
        iteration: Seconds of one iteration.
        processors: Usage of each processor that ran something.
        links: Usage of each link that carried something.
        memories: Peak use of each memory that held something.
        critical_path: Ingredients of the critical path, the largest first; they add up to the
            iteration.
        parts: The same, by what they are.
        hidden: What went on behind them.
        copies: Bytes copied in one iteration while the program's clock runs, by region.
        untimed: Bytes copied in one iteration while it does not, by region.
        zero_copy: Bytes that tasks moved to and from zero-copy memory in one iteration, by
            ``"task region"``.
        carried: Bytes that each link carried in one iteration, by link and region.
        within: Bytes copied from one instance to another in the same memory in one iteration, by
            region: conversions of layout, and overlapping pieces.
        limited: Seconds that points waited for a place under an instance limit in one iteration,
            by task.
        tasks: Where the points of each task ran.
    """

    iteration: float
    processors: tuple[Usage, ...] = ()
    links: tuple[Usage, ...] = ()
    memories: tuple[MemoryPeak, ...] = ()
    critical_path: tuple[CriticalShare, ...] = ()
    parts: Parts = field(default_factory=Parts)
    hidden: Hidden = field(default_factory=Hidden)
    copies: Mapping[str, float] = field(default_factory=dict)
    untimed: Mapping[str, float] = field(default_factory=dict)
    zero_copy: Mapping[str, float] = field(default_factory=dict)
    carried: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    within: Mapping[str, float] = field(default_factory=dict)
    limited: Mapping[str, float] = field(default_factory=dict)
    tasks: Mapping[str, TaskUse] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one mapper.

    Attributes:
        status: ``"ok"``, or how it failed: ``"syntax_error"`` (does not parse), ``"invalid"``
            (rejected before running), ``"execution_error"`` (failed while loading or running),
            ``"timeout"``.
        throughput: In ``unit``, larger is better; 0.0 unless the status is ok. It is over the
            timed part, as the program says it, unless the evaluator's objective is ``"whole"``.
        unit: Such as ``"points/s"`` or ``"GFLOP/s"``.
        elapsed: Seconds of the timed part; None unless the status is ok.
        raw: What the runtime said, word for word.
        profile: Where the time went; None where nobody asked or nothing ran.
        measurement: Throughputs of the repeated runs whose median ``throughput`` is; None where
            nothing was measured, as in a simulation.
        iteration: Seconds of one iteration, as far as the program's clock runs; this and what
            follows are None where nobody knows them, as of real runs.
        floor: What no mapper can beat, worked out when it is asked for.
        setup: Seconds that the program's clock does not show.
        whole: Seconds of the whole run.
        brought: The class of the mapper that the program brings, which the mapper replaces in a
            real run, or leaves what it does not state; empty where it brings none.
        collective: How the simulated runtime adds up partial sums, and spreads what many read:
            ``"legion"`` or ``"nccl"`` (``Runtime.collective``); None for real runs.
    """

    status: Status
    throughput: float
    unit: str
    elapsed: float | None = None
    raw: str = ""
    profile: Profile | None = None
    measurement: Measurement | None = None
    iteration: float | None = None
    floor: Floor | None = field(default=None, compare=False)
    setup: float | None = None
    whole: float | None = None
    brought: str = ""
    collective: str | None = None

    def __post_init__(self) -> None:
        if self.status != "ok" and self.throughput != 0.0:
            raise ValueError(f"an outcome of status {self.status!r} has throughput 0.0")

    def with_profile(self, profile: Profile) -> Outcome:
        """The same outcome, with where the time went."""
        return replace(self, profile=profile)

    def setup_growth(self, reference: Outcome) -> float | None:
        """The setup over that of another mapper; None where there is none, or nobody knows."""
        known = self.setup is not None and reference.setup
        return self.setup / reference.setup if known else None  # type: ignore[operator]

    @property
    def of_floor(self) -> float | None:
        """The floor over the iteration, 1.0 where no mapper is faster; None if unknown."""
        if self.floor is None or not self.iteration:
            return None
        return self.floor.seconds / self.iteration or None

    @property
    def ok(self) -> bool:
        """Whether the program ran to its end."""
        return self.status == "ok"


SETUP_GROWTH = 1.2
"""How many times a reference's setup a mapper's may take before that is remarked."""


# What an iteration consists of, in seconds that add up

PART_WORDS = {
    "computing": "computing",
    "starting": "starting tasks",
    "in_place": "waiting for links to memory in place",
    "copies": "waiting for copies",
    "runtime": "waiting for the runtime",
    "limits": "waiting under instance limits",
    "idle": "idle",
}
"""What is said of the parts of an iteration; in their order."""


def parts_sentence(profile: Profile) -> str:
    """What an iteration goes to, and what is hidden behind that.

    >>> parts_sentence(Profile(2e-3, parts=Parts(1.5e-3, copies=0.5e-3), hidden=Hidden(2e-4)))
    '1.500 ms computing (75.0 %) and 500.000 µs waiting for copies (25.0 %); hidden behind that: \
200.000 µs of copies'
    """
    said = [
        f"{seconds(value)} {word} ({percent(value / profile.iteration, decimals=1)})"
        for name, word in PART_WORDS.items()
        if (value := getattr(profile.parts, name)) >= LEAST_SAID * profile.iteration
    ]
    hidden = [
        f"{seconds(value)} of {what}"
        for what, value in (
            ("copies", profile.hidden.copies),
            ("the runtime's work", profile.hidden.runtime),
        )
        if value >= LEAST_SAID * profile.iteration
    ]
    behind = f"; hidden behind that: {' and '.join(hidden)}" if hidden else ""
    return f"{', '.join(said[:-1])} and {said[-1]}{behind}" if said[1:] else said[0] + behind


LEAST_SAID = 1e-6
"""Share of an iteration from which on a part is worth a word."""


NEGLIGIBLE = 1e-9
"""Share of an iteration below which a part is rounding."""


class Part(NamedTuple):
    """One part of an iteration's critical path.

    Attributes:
        what: Such as ``"copies of A"``.
        seconds: Of one iteration.
    """

    what: str
    seconds: float


def parts_of(outcome: Outcome) -> list[Part]:
    """The critical path of an iteration by what it waits for, the largest first.

    Tasks are one part, and their starts another; copies, folds and fills are told by region. The
    parts add up to the iteration; there are none without a profile.
    """
    profile = outcome.profile
    if profile is None:
        return []
    found: dict[str, float] = defaultdict(float)
    for share in profile.critical_path:
        found[_what(share.kind, share.region)] += share.seconds
    return [Part(*each) for each in sorted(found.items(), key=lambda part: (-part[1], part[0]))]


def floor_sentence(outcome: Outcome) -> str:
    """How far a mapper is from the floor, and what the rest consists of; empty if unknown.

    It says such as "at 97.0 % of the floor of 42.000 ms an iteration; what is left: 0.900 ms
    copies of A, 0.400 ms runtime".
    """
    reached = outcome.of_floor
    if reached is None or outcome.floor is None:
        return ""
    near = percent(reached, decimals=1)
    said = f"at {near} of the floor of {seconds(outcome.floor.seconds)} an iteration"
    parts = [f"{seconds(part.seconds)} {part.what}" for part in left_of(outcome)]
    return f"{said}; what is left: {', '.join(parts)}" if parts else said


def floor_as_json(outcome: Outcome) -> dict[str, Any]:
    """The floor, how near an iteration is, and what is left, in seconds, as JSON values."""
    floor = outcome.floor
    return {
        "floor": floor and floor.seconds,
        "floor_bound": floor and floor.bounds.bound,
        "of_floor": outcome.of_floor,
        "left": [part._asdict() for part in left_of(outcome)],
    }


def left_of(outcome: Outcome) -> list[Part]:
    """What an iteration takes beyond the floor, by what its critical path waits for.

    The floor is taken off what it counts first, tasks or the runtime, then off the largest of the
    other parts. The rest adds up to the gap; there is none without a profile.
    """
    if outcome.floor is None or outcome.iteration is None:
        return []
    parts, counted = parts_of(outcome), outcome.floor.seconds
    first = ("runtime",) if outcome.floor.bounds.bound == "runtime" else ("tasks", "starts")
    left = []
    for part in sorted(parts, key=lambda part: part.what not in first):
        taken = min(counted, part.seconds)
        counted -= taken
        left.append(Part(part.what, part.seconds - taken))
    least = NEGLIGIBLE * outcome.iteration
    return sorted((part for part in left if part.seconds > least), key=lambda part: -part.seconds)


def _what(kind: str, region: str) -> str:
    verbs = {"copy": "copies", "fold": "folds", "fill": "fills", "collective": "collectives"}
    if verb := verbs.get(kind):
        return f"{verb} of {region}" if region else verb
    return WORDS.get(kind, kind)


WORDS = {
    "task": "tasks",
    "start": "starts",
    "in place": "access in place",
    "limit": "limits",
}
