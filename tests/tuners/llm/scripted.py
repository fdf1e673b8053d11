"""Models for tests: they say what a script says, and keep what they were asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from tuners.llm.model import ModelError, ModelUsage, Reply, Request


class Scripted:
    """A model that answers by a list of texts (or errors), or by a function of the request."""

    name = "scripted"

    def __init__(
        self, script: Iterable[str | ModelError] | Callable[[Request], str | ModelError]
    ) -> None:
        self._script = script if callable(script) else iter(script)
        self.requests: list[Request] = []

    @property
    def usage(self) -> ModelUsage:
        return ModelUsage(calls=len(self.requests))

    def ask(self, request: Request) -> Reply:
        self.requests.append(request)
        said = self._script(request) if callable(self._script) else next(self._script)
        if isinstance(said, ModelError):
            raise said
        return Reply(said, self.name, prompt_tokens=100, completion_tokens=10, cost=0.01)

    @property
    def last_turn(self) -> str:
        return self.requests[-1].messages[-1].content


def forever(text: str) -> Iterable[str]:
    return itertools.repeat(text)


def fenced(text: str, word: str = "mapper") -> str:
    return f"I think this is good.\n```{word}\n{text}\n```\nIt should be faster."
