r"""The lines of a journal: what each record holds, and how it is known to be whole.

A line is a JSON object that ends with a check sum of the rest, in the order of their numbers::

    {"n":0,"journal":2,"crc":"…"}                                       the format's version
    {"n":1,"study":0,"name":"stencil-p100x4-tpe-seed0","crc":"…"}       a study begins
    {"n":2,"study":0,"note":"key","value":…,"crc":"…"}                  a note is left with it
    {"n":3,"parameters":{"0":["proc.a","{…}"],…},"crc":"…"}             parameters, by number
    {"n":4,"study":0,"trial":{"at":[1,0,…],"value":4165.5,…},"crc":"…"} a trial has finished

A trial's values stand in the order of the parameters' numbers, as Optuna represents them; where
it did not ask for all of them in this order, they stand by number. So a trial takes some hundred
bytes, where its distributions alone would take ten thousand.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["FORMAT", "HEADER", "DamagedRecordError", "parse_json", "read_line", "write_line"]

FORMAT = 2
HEADER = b'{"n":0,"journal":'
_TAIL = len(b',"crc":"01234567"}')


class DamagedRecordError(ValueError):
    """A record is not what was written; the message says in a few words how."""


def write_line(number: int, record: Mapping[str, Any]) -> bytes:
    """The line of a record.

    >>> read_line(write_line(3, {"study": 0, "name": "s"}))
    (3, {'study': 0, 'name': 's'})
    """
    try:
        text = _dump({"n": number, **record}, allow_nan=False)
    except ValueError:  # a note of a trial that JSON has no number for
        text = _dump({"n": number, **_finite(record)}, allow_nan=False)
    body = text[:-1].encode()
    return b'%s,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def read_line(line: bytes) -> tuple[int, dict[str, Any]]:
    """The number and the record of a line.

    Raises:
        DamagedRecordError: It is no whole record.
    """
    if not line.strip():
        raise DamagedRecordError("it is empty")
    if not line.endswith(b"\n"):
        raise DamagedRecordError("it has no end")
    body, tail = line[: -_TAIL - 1], line[-_TAIL - 1 : -1]
    record = parse_json(line)
    if tail != b',"crc":"%08x"}' % zlib.crc32(body):
        raise DamagedRecordError("its check sum is wrong")
    number = record.pop("n", None)
    record.pop("crc")
    if not isinstance(number, int):
        raise DamagedRecordError("it has no number")
    return number, record


def parse_json(line: bytes) -> dict[str, Any]:
    """The JSON object of a line, all of whose numbers are finite.

    Raises:
        DamagedRecordError: There is none.
    """
    try:
        record = json.loads(line, parse_constant=_refuse, parse_float=_finite_number)
    except DamagedRecordError:
        raise
    except RecursionError:
        raise DamagedRecordError("it is nested too deeply") from None
    except ValueError:
        raise DamagedRecordError("it is no JSON") from None
    if not isinstance(record, dict):
        raise DamagedRecordError("it is no JSON object")
    return record


def _refuse(name: str) -> NoReturn:
    raise DamagedRecordError(f"it holds {name}")


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DamagedRecordError("it holds a number that is too large")
    return number


def _dump(value: Any, *, allow_nan: bool) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=allow_nan)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
