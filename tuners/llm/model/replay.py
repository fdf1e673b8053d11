"""A transcript in the place of a model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuners.llm.model import errors
from tuners.llm.model.accounts import usage_of
from tuners.llm.model.errors import ModelError, ReplayExhausted, ReplayMismatch, ReplaySkipped
from tuners.llm.model.exchange import Message, ModelUsage, Reply, Request
from tuners.llm.model.transcript import Exchange, read_transcript
from tuners.redaction import Redactor

__all__ = ["ReplayModel"]

AROUND = 30


class ReplayModel:
    """Gives the replies of a transcript, and fails where the model failed.

    A request for a trial gets the exchange that was recorded for that trial with the same
    messages: so a study may be replayed at once or in parts, however it was recorded, and its
    workers may ask in whatever order. Where a trial was asked about twice, because the first
    process was killed before it kept the trial, the later exchange counts. A request for no
    trial gets the first exchange with the same messages that was not yet played.

    Args:
        path: The transcript.
        redactor: Keeps keys out of transcripts: prompts are compared without them.

    Raises:
        TranscriptError: It cannot be read.
    """

    def __init__(self, path: Path, redactor: Redactor | None = None) -> None:
        self.name = f"replay:{path}"
        self._path = path
        self._redactor = redactor or Redactor(())
        self._exchanges = read_transcript(path)
        self._played: set[int] = set()
        self._usage = ModelUsage()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ReplayModel({str(self._path)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def usage(self) -> ModelUsage:
        """What the recorded calls used."""
        return self._usage

    def ask(self, request: Request) -> Reply:
        """The reply that was recorded for this request.

        Raises:
            ReplayMismatch: The prompt differs from the recorded one.
            ReplayExhausted: Nothing more was recorded.
            ModelError: The failure that was recorded.
        """
        messages = tuple(
            replace(each, content=self._redactor.text(each.content)) for each in request.messages
        )
        with self._lock:
            waiting = [each for each in self._exchanges if each.line not in self._played]
            asked = [each for each in waiting if _is_for(each, request.trial)]
            alike = [each for each in asked if each.request.messages == messages]
            if alike:
                exchange = _latest(alike, request)
                self._played.add(exchange.line)
                return self._answer(exchange, waiting)
        raise self._nothing_for(request.trial, waiting, asked, messages)

    def _nothing_for(
        self,
        trial: int | None,
        waiting: list[Exchange],
        asked: list[Exchange],
        messages: tuple[Message, ...],
    ) -> ModelError:
        if asked:
            return ReplayMismatch(_mismatch(self._path, asked[0], messages))
        if any(_is_later(each, trial) for each in waiting):
            return ReplaySkipped(f"{self._path} holds no exchange for trial {trial}")
        return ReplayExhausted(
            f"{self._path} holds {len(self._exchanges)} exchanges, and one more is asked "
            "for: run as many trials, with the same seed and options, as were recorded"
        )

    def _answer(self, exchange: Exchange, waiting: list[Exchange]) -> Reply:
        reply = exchange.reply
        if reply is None:
            error = _error_of(exchange)
            if any(_is_later(each, exchange.request.trial) for each in waiting):
                error.permanent = False  # somebody has mended it, and gone on
            self._usage += error.usage or ModelUsage(
                calls=error.attempts, failed_calls=error.attempts
            )
            raise error
        self._usage += reply.usage(exchange.request)
        return replace(reply, replayed=True)


def _is_for(exchange: Exchange, trial: int | None) -> bool:
    """Whether an exchange may be a trial's; transcripts need not say whose it is."""
    return trial is None or exchange.request.trial in (None, trial)


def _is_later(exchange: Exchange, trial: int | None) -> bool:
    of = exchange.request.trial
    return trial is not None and of is not None and of > trial


def _latest(alike: list[Exchange], request: Request) -> Exchange:
    if request.trial is None or alike[0].request.trial is None:
        return alike[0]
    return ([each for each in alike if each.request.seed == request.seed] or alike)[-1]


def _error_of(exchange: Exchange) -> ModelError:
    recorded = exchange.error or {}
    kinds = {
        each.kind: each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, ModelError)
    }
    kind = kinds.get(str(recorded.get("kind")), ModelError)
    error = kind(str(recorded.get("sentence", "")), attempts=int(recorded.get("attempts", 0)))
    used = recorded.get("usage")
    error.usage = None if used is None else usage_of(used)
    return error


def _mismatch(path: Path, exchange: Exchange, here: tuple[Message, ...]) -> str:
    """The sentence that tells the first difference from an exchange."""
    there = exchange.request.messages
    for number, (old, new) in enumerate(zip(there, here, strict=False), start=1):
        if old != new:
            return _difference(path, exchange.line, number, old, new)
    return (
        f"{path}:{exchange.line}: the prompt no longer matches the transcript: {len(there)} "
        f"messages were recorded and {len(here)} are sent now; replay with the program, options "
        "and seed of the recording"
    )


def _difference(path: Path, line: int, number: int, old: Message, new: Message) -> str:
    if old.role != new.role:
        what = f"is the {new.role}'s, not the {old.role}'s"
    else:
        pairs = zip(old.content, new.content, strict=False)
        at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        if at is None:
            at = min(len(old.content), len(new.content))
        begin = max(0, at - AROUND)
        what = (
            f"differs from character {at + 1} on: recorded "
            f"{old.content[begin : at + AROUND]!r}, now {new.content[begin : at + AROUND]!r}"
        )
    return (
        f"{path}:{line}: the prompt no longer matches the transcript: message {number} {what}; "
        "replay with the program, options and seed of the recording"
    )
