"""A model whose replies are told from outside, one at a time: an agent's, or a person's."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from dsl.plain_text import plain
from tuners.llm.model.exchange import ModelUsage, Reply, Request
from tuners.llm.model.transcript import Exchange, Transcript, read_transcript
from tuners.redaction import Redactor, keys_of_environment

__all__ = ["ReplyAwaited", "ToldModel"]

NAME = "agent"


class ReplyAwaited(BaseException):
    """A model's request is open: the study stands still until somebody tells the reply.

    It is no ``Exception``: a sampler that meets it must not let its fallback propose.

    Attributes:
        request: What is asked.
    """

    def __init__(self, request: Request) -> None:
        super().__init__("a request waits for its reply")
        self.request = request


class ToldModel:
    """Answers with what was told for the same request before, then with the one new reply.

    Every reply is kept in a transcript, so that a process can begin where another one stopped:
    the trial that was under way asks again for what it was told already.

    Args:
        path: The transcript; it is made with the first reply.
        reply: The new reply; None where there is none yet.

    Attributes:
        taken: Whether the new reply was asked for.

    Raises:
        TranscriptError: The transcript cannot be read.
    """

    def __init__(self, path: Path, reply: str | None = None) -> None:
        self.name = NAME
        self.taken = False
        self._path = path
        self._reply = reply
        self._redactor = Redactor(keys_of_environment())
        self._told = read_transcript(path) if path.exists() else []
        self._usage = ModelUsage()
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return self.name

    @property
    def usage(self) -> ModelUsage:
        """What the replies of this process used, by an estimate."""
        return self._usage

    def ask(self, request: Request) -> Reply:
        """The reply that was told for this request.

        Raises:
            ReplyAwaited: None was told yet.
            TranscriptError: The new reply cannot be kept.
        """
        with self._lock:
            reply = self._answer(request)
            self._usage += reply.usage(request)
            return reply

    def _answer(self, request: Request) -> Reply:
        known = [each for each in self._told if self._is_for(each, request)]
        if known and known[-1].reply is not None:
            return known[-1].reply
        if self._reply is None or self.taken:
            raise ReplyAwaited(request)
        reply = Reply(plain(self._reply), self.name)
        Transcript(self._path, self._redactor).record(self.name, request, reply)
        self.taken = True
        return reply

    def _is_for(self, exchange: Exchange, request: Request) -> bool:
        messages = tuple(
            replace(each, content=self._redactor.text(each.content)) for each in request.messages
        )
        return (exchange.request.trial, exchange.request.messages) == (request.trial, messages)
