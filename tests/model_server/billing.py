"""A server that keeps the true bill: what each call that reached it costs, whatever it answers."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.model_server.answers import (
    HTML_PAGE,
    Answer,
    Cut,
    Hang,
    Raw,
    Redirect,
    Say,
    rate_limited,
    refusal,
)
from tests.model_server.wire import Call, Usage

# US dollars of a token of openai/gpt-4o, prompt and reply, as litellm's price list has them.
PROMPT_USD, REPLY_USD = 2.5e-6, 10e-6

# What the server does with a call, and whether it bills it.
MODES = {
    "good": True,
    "no mapper": True,
    "empty": True,
    "exhausted": True,
    "no usage": True,
    "silent": True,
    "cut": True,
    "torn": True,
    "html": False,
    "html 502": True,
    "error in 200": True,
    "error 500": False,
    "rate limit": False,
    "rate limit of a day": False,
    "redirect": False,
    "refused": False,
}


@dataclass
class Bill:
    """What the server is owed."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    modes: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def usd(self) -> float:
        return self.prompt_tokens * PROMPT_USD + self.completion_tokens * REPLY_USD


class BillingModel:
    """Answers in one of the modes, chosen at random, and writes the bill before it answers.

    Args:
        replies: What it says where it says something; each reply once, then from the beginning.
        modes: Those that it knows.
        seed: Of the choice; None to take the modes in turn.
        silence: Seconds for which it says nothing where it is silent.
    """

    def __init__(
        self,
        replies: Sequence[str],
        modes: Sequence[str] = tuple(MODES),
        seed: int | None = 0,
        silence: float = 1.0,
    ) -> None:
        self.bill = Bill()
        self._replies = replies
        self._modes = modes
        self._random = None if seed is None else random.Random(seed)
        self._silence = silence
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Answer:
        with self._lock:
            count = self.bill.calls
            mode = self._modes[count % len(self._modes)]
            if self._random is not None:
                mode = self._random.choice(self._modes)
            text = self._replies[count % len(self._replies)]
            prompt = sum(len(message["content"]) for message in call.messages) // 4
            most = int(call.body.get("max_tokens", 1000))
            said = most if mode == "exhausted" else min(most, 20 + len(text) // 4)
            self.bill.calls += 1
            self.bill.modes[mode] += 1
            if MODES[mode]:
                self.bill.prompt_tokens += prompt
                self.bill.completion_tokens += said
        return self._answer(mode, text, Usage(prompt, said))

    def _answer(self, mode: str, text: str, usage: Usage) -> Answer:
        in_place_of_a_reply = {"error": {"message": "no provider", "code": 502}}
        return {
            "good": Say(text, usage),
            "no mapper": Say("I would rather not.", usage),
            "empty": Say("", usage),
            "exhausted": Say("", usage, finish_reason="length"),
            "no usage": Say(text, None),
            "silent": Hang(self._silence),
            "cut": Cut(),
            "torn": Raw(b'{"choices": [{"message'),
            "html": Raw(HTML_PAGE, content_type="text/html"),
            "html 502": Raw(HTML_PAGE, 502, content_type="text/html"),
            "error in 200": Raw(json.dumps(in_place_of_a_reply).encode()),
            "error 500": refusal(500),
            "rate limit": rate_limited("0"),
            "rate limit of a day": rate_limited("86400"),
            "redirect": Redirect(),
            "refused": refusal(400, "not today", "invalid_request_error"),
        }[mode]
