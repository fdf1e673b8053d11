"""Reads Legion's own profile: a binary file whose head describes its records.

The file (``-lg:prof_logfile``) begins with lines of text: its version, Legion's version, and one
line per kind of record with the names, types and sizes of its members. After an empty line come
the records, each preceded by the number of its kind.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from legion_bridge.errors import CaptureError

__all__ = ["ARRIVALS_FLAG", "Record", "read_profile"]

ARRIVALS_FLAG = "-lg:prof_all_critical_arrivals"
"""What Legion asks for, by this name, where a program cannot be profiled without."""

Record: TypeAlias = Mapping[str, Any]
_Reader: TypeAlias = Callable[[dict[str, Any]], Any]

_VERSIONS = (1011,)
_HEAD = re.compile(rb"FileType: BinaryLegionProf v: (\d+)")
_KIND = re.compile(r"(\w+) \{id:(\d+)(?:, (.*))?\}")
_NUMBERS = {1: "<B", 4: "<I", 8: "<Q"}
_SIGNED = {"long long": "<q"}
_REDUCES = 4  # the mode of a usage of an instance that is followed by its reduction


def read_profile(path: Path, *kinds: str) -> dict[str, list[Record]]:
    """The records of some kinds, in the order of the file.

    Args:
        path: The file.
        kinds: Names of kinds, such as ``"TaskInfo"``; each gets a list, which may be empty.

    Raises:
        CaptureError: The file cannot be read, is no such file, of a version that is not known, or
            breaks off.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from None
    if not data:
        raise CaptureError(
            f"{path}: the profile is empty: the program ended before it was written"
        )
    found = _HEAD.match(data)
    if not found:
        raise CaptureError(f"{path}: this is no profile of Legion (-lg:prof_logfile)")
    if int(found[1]) not in _VERSIONS:
        raise CaptureError(
            f"{path}: it is a profile of version {int(found[1])}, and mappertune reads "
            f"{', '.join(map(str, _VERSIONS))}: use a program with that Legion"
        )
    end = data.find(b"\n\n")
    if end < 0:
        raise CaptureError(f"{path}: the profile breaks off in its head")
    records: dict[str, list[Record]] = {kind: [] for kind in kinds}
    for name, record in _Records(data, end + 2, data[:end].decode("utf-8", "replace"), path):
        if name in records:
            records[name].append(record)
    return records


@dataclass
class _Member:
    name: str
    type: str
    size: int


class _Records:
    """Iterates over the records after the head."""

    def __init__(self, data: bytes, start: int, head: str, path: Path) -> None:
        self._data = data
        self._at = start
        self._path = path
        self._max_dim = 0
        self._kinds: dict[int, tuple[str, list[tuple[str, _Reader]]]] = {}
        for name, number, members in _KIND.findall(head):
            readers = [(m.name, self._reader(name, m)) for m in _members(members)]
            self._kinds[int(number)] = name, readers

    def __iter__(self) -> Iterator[tuple[str, Record]]:
        try:
            while self._at < len(self._data):
                number = self._number("<I", {})
                if number not in self._kinds:
                    raise CaptureError(
                        f"{self._path}: the profile holds a record {number} that its head does "
                        "not describe"
                    )
                name, readers = self._kinds[number]
                record: dict[str, Any] = {}
                for member, read in readers:
                    record[member] = read(record)
                self._max_dim = record.get("max_dim", self._max_dim)
                yield name, record
        except (struct.error, ValueError):
            raise CaptureError(
                f"{self._path}: the profile breaks off: the program did not end well"
            ) from None

    def _reader(self, kind: str, member: _Member) -> _Reader:
        if member.type == "string":
            return self._string
        if member.type in {"point", "array"}:
            times = 2 if member.type == "array" else 1
            return lambda _: self._numbers(times * self._max_dim)
        if member.type == "uuid":
            return lambda record: self._bytes(record["uuid_size"])
        if member.size not in _NUMBERS:
            raise CaptureError(
                f"{self._path}: records {kind} of the profile have a member of the unknown type "
                f"{member.type!r}"
            )
        read = partial(self._number, _SIGNED.get(member.type, _NUMBERS[member.size]))
        if (kind, member.name) == ("PhysicalInstanceUsage", "redop"):
            return lambda record: read(record) if record["mode"] == _REDUCES else 0
        return read

    def _number(self, form: str, _: dict[str, Any]) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        number: int = value
        return number

    def _numbers(self, count: int) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{count}q", self._data, self._at)
        self._at += 8 * count
        return values

    def _string(self, _: dict[str, Any]) -> str:
        end = self._data.index(b"\0", self._at)
        text = self._data[self._at : end].decode("utf-8", "replace")
        self._at = end + 1
        return text

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]


def _members(text: str) -> list[_Member]:
    """``name:type:size`` each, with commas between."""
    found = []
    for part in filter(None, text.split(", ")):
        name, kind, size = part.split(":")
        found.append(_Member(name, kind, int(size)))
    return found
