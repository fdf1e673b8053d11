"""The log that Legion's logging wrapper writes of a mapper's decisions (``-level mapper=2``).

Each decision is a line such as ``MAP_TASK for stencil(index_point=(0,1))<42> @ stencil.rg:7``,
followed by lines with its parts, further to the right. Threads write at the same time: the lines
of one decision belong together by the thread in the line's head. Lines that are not
understood are counted by their first word, and left out.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from legion_bridge.capture.boxes import Box, Index, around, filled
from legion_bridge.errors import CaptureError

__all__ = [
    "KINDS",
    "Decision",
    "LoggedArgument",
    "MapperLog",
    "on_first_node",
    "read_mapper_log",
]

KINDS = {"LOC": "CPU", "TOC": "GPU", "IO": "IO", "PY": "PY", "OMP": "OMP"}
"""Kinds of processors as the language names them, by Realm's names, which a log has."""

_PACKED = b"\x1f\x8b"  # how files of gzip begin

_LINE = re.compile(r"(?:^(\[[^\]]*\])\s*[\d.]*\s*)?\{\d\}\{([\w-]+)\}: ?(.*)$")
_DECISION = re.compile(
    r"(?P<what>[A-Z][A-Z_]+) for (?P<task>.*?)(?:\(index_point=\((?P<point>[^)]*)\)\))?"
    r"<(?P<number>\d+)>(?:: .*?)?(?: @ (?P<place>.*))?$"
)
_ARGUMENT = re.compile(r"Requirement\[(\d+)\]\((.*)\)$")
_MEMBERS = re.compile(r"(?:^|,)(\w+)=")
_INSTANCE = re.compile(r"Instance(?:\[([^\]]*)\])?\((.*)\)$")
_OUTPUT = re.compile(r"OUTPUT\[(\d+)\]: memory=([0-9a-f]*),order=([A-Z]*)$")
_MAPPER = re.compile(r"MAPPER (\S.*?): ")
_BOX = re.compile(r"<([-\d, ]*)>\.\.<([-\d, ]*)>")
_POINT = re.compile(r"\(([-\d, ]*)\)")
_SHARD = re.compile(r"(\d+) <-(.*)$")
_SLICE = re.compile(r"(<[^>]*>\.\.<[^>]*>.*) -> ([0-9a-f]+)$")
_PROCESSOR = re.compile(r"([0-9a-f]{8,}) \((\w+)_PROC\)")
_MEMORY = re.compile(r"([0-9a-f]{8,}) \((\w+_MEM)\)")
_LEGIONS_OWN = ("Legion::Mapping::DefaultMapper", "Legion::Mapping::NullMapper")
_IGNORED = (
    "Memories on", "Processors on", "TARGET:", "SOURCES:", "CHOSEN INSTANCES", "REPLICANT",
    "MEMORY POOLS",
)  # fmt: skip


@dataclass
class LoggedArgument:
    """A requirement of a task that was mapped.

    Attributes:
        tree, space: Numbers of its logical region's tree and index space.
        boxes: The boxes that it consists of; an empty region has none.
        sparse: Whether the log says that it has holes, but not where.
        instances: Descriptions of the chosen instances.
        places: The numbers of those instances.
    """

    index: int
    privilege: str
    tree: str
    space: str
    boxes: tuple[Box, ...]
    sparse: bool
    fields: tuple[str, ...]
    instances: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def box(self) -> Box | None:
        """Its bounding box; None for an empty region."""
        return around(self.boxes) if self.boxes else None

    @property
    def virtual(self) -> bool:
        """Whether it has no instance of its own."""
        return any(instance.startswith("VIRTUAL") for instance in self.instances)


@dataclass
class Decision:
    """A decision; which members are filled depends on ``what`` it is.

    Attributes:
        task, place, number: The task, where the program launches it, and the runtime's number.
        point: Index point, None for a single task or a whole launch.
        arguments: The arguments, for ``MAP_TASK``.
        processors: Numbers of target processors.
        shards: Index points by shard, for ``SELECT_SHARDING_FUNCTOR``.
        slices: Boxes of points, for ``SLICE_TASK``.
        outputs: Memory and order of dimensions (``"YXF"``, the fastest first; empty where any
            will do) of each output, by the number of its requirement, for ``MAP_TASK``.
        inlined: Whether the launching task runs it itself, for ``SELECT_TASK_OPTIONS``.
    """

    what: str
    task: str
    place: str
    number: int
    point: Index | None
    rank: str = ""
    arguments: dict[int, LoggedArgument] = field(default_factory=dict)
    processors: list[str] = field(default_factory=list)
    shards: dict[int, list[Index]] = field(default_factory=dict)
    slices: list[Box] = field(default_factory=list)
    outputs: dict[int, tuple[str, str]] = field(default_factory=dict)
    inlined: bool = False


@dataclass
class MapperLog:
    """All decisions in the order of their first lines; kinds of processors, memories by number.

    ``mappers`` are the classes of the mappers that took them, if the recorder wrote the log.
    """

    decisions: list[Decision] = field(default_factory=list)
    mappers: list[str] = field(default_factory=list)
    processors: dict[str, str] = field(default_factory=dict)
    memories: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def brought(self) -> str:
        """The classes of the mappers that are the program's own and not Legion's."""
        return " and ".join(name for name in self.mappers if name not in _LEGIONS_OWN)


def read_mapper_log(paths: Iterable[Path], *, silent: bool = False) -> MapperLog:
    """Reads the logs of one run, one per rank, plain or compressed by gzip.

    Args:
        paths: The files.
        silent: Whether there may be no decision in them.

    Raises:
        CaptureError: A file cannot be read or is empty, or no line of it is a mapper's.
    """
    log = MapperLog()
    for path in paths:
        text = _text_of(path)
        if not text.strip():
            raise CaptureError(f"{path}: the log is empty: run the program with -level mapper=2")
        before = len(log.decisions)
        _Reader(log, str(path)).read(text.splitlines())
        if len(log.decisions) == before and not silent:
            raise CaptureError(
                f"{path}: the log tells of no decision of a mapper: run the program with Legion's "
                "logging wrapper around its mapper, and with -level mapper=2"
            )
    return log


def _text_of(path: Path) -> str:
    """The text of a file, which may be packed by gzip."""
    try:
        data = path.read_bytes()
        if data.startswith(_PACKED):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CaptureError(f"{path}: the file is packed, but damaged: pack it again") from None
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None
    return data.decode("utf-8", "replace")


class _Reader:
    def __init__(self, log: MapperLog, rank: str) -> None:
        self._log = log
        self._rank = rank
        self._open: dict[str, Decision | None] = {}  # by thread
        self._argument: dict[str, LoggedArgument | None] = {}

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if not line.strip():
                continue
            found = _LINE.search(line)
            if found is None:
                self._log.skipped["lines of the program itself"] += 1
            elif found[2] != "mapper":
                self._log.skipped[f"lines of {found[2]}"] += 1
            elif text := found[3].strip():
                self._take(found[1] or "", text)

    def _take(self, thread: str, text: str) -> None:
        if decision := _DECISION.match(text):
            self._begin(thread, decision)
        elif argument := _ARGUMENT.match(text):
            self._take_argument(thread, int(argument[1]), argument[2])
        elif instance := _INSTANCE.match(text):
            last = self._argument.get(thread)
            if last is not None:
                last.places.append(instance[1] or "")
                last.instances.append(instance[2])
        elif mapper := _MAPPER.match(text):
            if mapper[1] not in self._log.mappers:
                self._log.mappers.append(mapper[1])
        elif not self._take_detail(thread, text) and not text.startswith(_IGNORED):
            self._take_machine(text)

    def _begin(self, thread: str, found: re.Match[str]) -> None:
        point = found["point"]
        decision = Decision(
            what=found["what"],
            task=found["task"],
            place=found["place"] or "",
            number=int(found["number"]),
            point=None if point is None else _index(point),
            rank=self._rank,
            inlined="inline_task=true" in found.string[found.end("number") :],
        )
        self._open[thread], self._argument[thread] = decision, None
        self._log.decisions.append(decision)

    def _take_argument(self, thread: str, index: int, text: str) -> None:
        decision = self._open.get(thread)
        self._argument[thread] = None
        if decision is None or decision.what != "MAP_TASK":
            return  # of a copy: it repeats what its task has
        members = _members_of(text)
        tree, space = _region(members.get("region", ""))
        domain = members.get("domain", "")
        argument = LoggedArgument(
            index=index,
            privilege=members.get("privilege", ""),
            tree=tree,
            space=space,
            boxes=_boxes(domain),
            sparse="sparse" in domain,
            fields=tuple(filter(None, members.get("fields", "").split("+"))),
        )
        decision.arguments[index] = self._argument[thread] = argument

    def _take_detail(self, thread: str, text: str) -> bool:
        """A part of the open decision; whether it is one."""
        decision = self._open.get(thread)
        if decision is None:
            return False
        if text.startswith("TARGET PROCS:"):
            decision.processors += text.partition(":")[2].split()
        elif shard := _SHARD.match(text):
            points = [_index(point) for point in _POINT.findall(shard[2])]
            decision.shards.setdefault(int(shard[1]), []).extend(points)
        elif cut := _SLICE.match(text):
            decision.slices += [(_index(a), _index(b)) for a, b in _BOX.findall(cut[1])]
        elif output := _OUTPUT.match(text):
            decision.outputs[int(output[1])] = output[2], output[3]
        else:
            return False
        return True

    def _take_machine(self, text: str) -> None:
        if processor := _PROCESSOR.match(text):
            self._log.processors[processor[1]] = processor[2]
        elif memory := _MEMORY.match(text):
            self._log.memories[memory[1]] = memory[2]
        elif not re.match(r"[0-9a-f]{8,} ", text):
            self._log.skipped[f"lines {text.split(maxsplit=1)[0]} ..."] += 1


@lru_cache(maxsize=4096)
def _boxes(domain: str) -> tuple[Box, ...]:
    """Its boxes that hold a point; the launches of a loop have the same domains again."""
    boxes = ((_index(a), _index(b)) for a, b in _BOX.findall(domain))
    return tuple(filled(box for box in boxes if len(box[0]) == len(box[1])))


def on_first_node(processor: str) -> str:
    """The number of the processor of node 0 that has the same place: logs list the kinds of it."""
    return f"{processor[:2]}{'0' * max(0, len(processor) - 10)}{processor[-8:]}"


def _members_of(text: str) -> dict[str, str]:
    """``name=value`` each, with commas between, where values may hold commas."""
    starts = list(_MEMBERS.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {s[1]: text[s.end() : end] for s, end in zip(starts, ends, strict=True)}


def _region(text: str) -> tuple[str, str]:
    """Numbers of the region tree and the index space of ``(tree,(space,type),fields)``."""
    numbers = re.findall(r"\d+", text)
    return (numbers[0], numbers[1]) if len(numbers) > 1 else (text, text)


def _index(text: str) -> Index:
    return tuple(int(part) for part in text.replace(" ", "").split(",") if part)
