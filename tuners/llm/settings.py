"""What a study needs to know to ask a model: the settings of LLMSampler as plain values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuners.errors import TunerError

if TYPE_CHECKING:
    from tuners.llm.sampler import LLMSampler
    from tuners.problems.problem import TextProblem

__all__ = ["LLM_TUNERS", "LLMSettings"]

#: Names of tuners that ask a model, with the strategy that each stands for.
LLM_TUNERS: dict[str, str | None] = {
    "llm": None,
    "llm-trace": "trace",
    "llm-opro": "opro",
    "llm-iid": "iid",
    "llm-hybrid": "hybrid",
}

# Changing these does not make another study of it: they say where and how far, not what.
_ELSEWHERE = ("base_url", "api_key_env", "timeout", "calls", "tokens", "usd", "transcript")


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """The settings of an `LLMSampler`; its documentation says what they mean.

    Attributes:
        calls, tokens, usd: The budget of a study; None for none.
        transcript: A file for every exchange; None for the study's own.
    """

    model: str
    strategy: str = "trace"
    fallback: str = "tpe"
    repairs: int = 2
    feedback: str = "suggested"
    candidates: int = 1
    every: int | None = None
    history: int = 10
    examples: int = 0
    decode: str = "free"
    temperature: float | None = None
    max_prompt_tokens: int = 24_000
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float = 60.0
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    transcript: Path | None = None

    def for_tuner(self, name: str) -> LLMSettings:
        """With the strategy that a tuner's name stands for."""
        strategy = LLM_TUNERS.get(name)
        return self if strategy is None else replace(self, strategy=strategy)

    def identity(self) -> dict[str, Any]:
        """What a study must go on with."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in _ELSEWHERE
        }

    def sampler(self, problem: TextProblem, seed: int) -> LLMSampler:
        """The sampler of one study.

        Raises:
            TunerError: There is no such strategy or fallback.
        """
        from tuners.llm.model import Budget  # noqa: PLC0415
        from tuners.llm.sampler import LLMSampler  # noqa: PLC0415  (only where a model is asked)

        if self.fallback in LLM_TUNERS:
            raise TunerError("the fallback of a model cannot be a model: name another tuner")
        return LLMSampler(
            problem,
            **self.identity(),
            seed=seed,
            budget=Budget(self.calls, self.tokens, self.usd),
            transcript=self.transcript,
            base_url=self.base_url,
            api_key_env=self.api_key_env,
            timeout=self.timeout,
        )
