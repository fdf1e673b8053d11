"""Transcripts: every exchange with a model, a line of JSON each.

A line is ``{"schema": 1, "time", "model", "settings", "request": {...}, "failures": [...],
"reply": {...} or "error": {...}}``. The settings are the connection's. The request holds
the messages and the parameters. The failures are the calls that failed before the outcome, each
with its latency and the wait after it. The reply holds all that ``Reply`` does, the error its
kind, sentence, attempts and usage. Keys are taken out before anything is written.
"""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from dsl.plain_text import plain
from legion_bridge.shapes import (
    Shape,
    ShapeError,
    a_flag,
    a_number_from,
    a_text,
    a_whole_number,
    at,
)
from tuners.llm.model.accounts import usage_of
from tuners.llm.model.errors import ModelError, TranscriptError
from tuners.llm.model.exchange import Message, Reply, Request
from tuners.redaction import Redactor

__all__ = ["Exchange", "Transcript", "read_transcript"]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of a transcript.

    Attributes:
        line: The number of the line, from 1.
        model: Name of the model that was asked.
        request: What the model was asked.
        reply: What it said; None where it failed.
        error: The failure's ``kind``, ``sentence``, ``attempts`` and ``usage``; None where it did
            not fail.
        time: When it had ended; None where the line does not tell.
    """

    line: int
    model: str
    request: Request
    reply: Reply | None
    error: dict[str, Any] | None
    time: datetime | None = None


class Transcript:
    """Appends exchanges to a file, each flushed before ``record`` returns.

    Args:
        path: The file; its folder is made where it is missing.
        redactor: Takes keys out.
        settings: What is noted with every exchange, such as the address and the time limit.

    Raises:
        TranscriptError: The file cannot be written.
    """

    def __init__(
        self, path: Path, redactor: Redactor, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.path = path
        self._redactor = redactor
        self._settings = dict(settings or {})
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _end_torn_line(path)
        except OSError as error:
            raise TranscriptError(_cannot("write", path, error)) from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def record(
        self,
        model: str,
        request: Request,
        outcome: Reply | ModelError,
        failures: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Appends one exchange.

        Raises:
            TranscriptError: The file cannot be written.
        """
        entry: dict[str, Any] = {
            "schema": SCHEMA,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "model": model,
            "settings": self._settings,
            "request": asdict(request),
            "failures": [dict(each) for each in failures],
        }
        if isinstance(outcome, Reply):
            entry["reply"] = asdict(outcome)
        else:
            entry["error"] = {
                "kind": outcome.kind,
                "sentence": outcome.sentence,
                "attempts": outcome.attempts,
                "usage": outcome.usage and asdict(outcome.usage),
            }
        data = (json.dumps(self._redactor.value(entry)) + "\n").encode("ascii")
        with self._lock:
            try:
                with self.path.open("ab") as file, _locked(file):
                    file.write(data)
                    file.flush()
            except OSError as error:
                raise TranscriptError(_cannot("write", self.path, error)) from None


def read_transcript(path: Path) -> list[Exchange]:
    """All exchanges of a transcript; a torn last line is left out.

    Raises:
        TranscriptError: It cannot be read, or a line is not one of a transcript.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(_cannot("read", path, error)) from None
    found = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(_exchange(number, json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if number == len(lines):
                break  # the process was killed while it wrote this line
            why = f" ({error})" if isinstance(error, ShapeError) else ""
            raise TranscriptError(
                f"{path}:{number}: not a line of a transcript{why}; take the file that "
                "--transcript wrote"
            ) from None
    return found


def _exchange(number: int, entry: dict[str, Any]) -> Exchange:
    if entry["schema"] != SCHEMA:
        raise ValueError("another version")
    request = dict(entry["request"])
    messages = tuple(Message(m["role"], a_text(m["content"])) for m in request.pop("messages"))
    reply = entry.get("reply")
    error = entry.get("error")
    if (reply is None) == (error is None):
        raise ValueError("neither a reply nor an error, or both")
    for name, part in (("request", entry["request"]), ("reply", reply), ("error", error)):
        _check(name, part or {})
    return Exchange(
        number,
        entry["model"],
        Request(messages, **request),
        None if reply is None else _reply(reply),
        None if error is None else {**error, "sentence": plain(error.get("sentence") or "")},
        datetime.fromisoformat(entry["time"]) if "time" in entry else None,
    )


def _reply(said: dict[str, Any]) -> Reply:
    spent = said.get("spent")
    said = {**said, "text": plain(said["text"]), "model": plain(said["model"])}
    return Reply(**{**said, "spent": None if spent is None else usage_of(spent)})


def _check(name: str, part: Mapping[str, Any]) -> None:
    """Raises ShapeError where a member is not what is written; a later version may have more."""
    for key, shape in _SHAPES.items():
        if part.get(key) is not None:
            at(name, partial(at, key, shape), part[key])


_AMOUNT, _COUNT = a_number_from(0.0), a_whole_number(0)
_SHAPES: Mapping[str, Shape[Any]] = {
    **dict.fromkeys(("text", "model", "grammar", "constrained", "kind", "sentence"), a_text),
    **dict.fromkeys(("replayed", "complete"), a_flag),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "attempts", "max_tokens"), _COUNT),
    **dict.fromkeys(("seed", "trial"), a_whole_number()),
    **dict.fromkeys(("cost", "latency", "temperature"), _AMOUNT),
}


def _end_torn_line(path: Path) -> None:
    """Cuts off what a killed process left unfinished."""
    path.touch()
    with path.open("rb+") as file, _locked(file):
        data = file.read()
        if not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)


@contextmanager
def _locked(file: IO[bytes]) -> Iterator[None]:
    """Keeps out other processes that append to the same transcript."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _cannot(do: str, path: Path, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"cannot {do} the transcript {path}: {reason}"
