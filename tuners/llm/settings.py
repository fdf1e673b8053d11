"""The settings of a language model: one record for the sampler, the commands and the requests."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from tuners.errors import TunerError
from tuners.redaction import process_redactor

if TYPE_CHECKING:
    from pathlib import Path

    from optuna.samplers import BaseSampler

    from tuners.llm.done import WhenDone
    from tuners.llm.model.exchange import Budget, Model
    from tuners.llm.model.ledger import Ledger
    from tuners.llm.prompts.trial_formatter import Decode, Feedback
    from tuners.llm.strategies.strategy import Strategy

__all__ = ["LLM_TUNERS", "ModelSettings"]

#: Names of tuners that ask a model, with the strategy that each stands for.
LLM_TUNERS: dict[str, str | None] = {
    "llm": None,
    "llm-trace": "trace",
    "llm-opro": "opro",
    "llm-iid": "iid",
    "llm-hybrid": "hybrid",
}

# They say where a model is and how far it may go: a study goes on whatever they are.
_NOT_OF_THE_STUDY = (
    "base_url",
    "api_key_env",
    "timeout",
    "budget",
    "calls_per_minute",
    "required",
    "when_done",
    "ledger",
    "transcript",
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which language model is asked, how, and within what limits.

    Attributes:
        model: Name of a model as litellm knows it, ``"replay:FILE"``, or a model that is open.
        strategy: ``"trace"``, ``"opro"``, ``"iid"``, ``"hybrid"``, or a strategy.
        fallback: Name of a tuner, or a sampler: it proposes where the model does not.
        repairs: How often a reply that does not parse, does not check or repeats a trial goes
            back before a trial is spent. With 0 every reply is a trial, as in the ICML 2025
            paper, but for repetitions.
        feedback: What is told of a trial beside its score: ``"none"``, ``"raw"``,
            ``"explained"`` or ``"suggested"``.
        candidates: How many candidates a reply shall have; those after the first are for later
            trials.
        every: Every n-th trial is the fallback's; None for none.
        history: How many trials are told of at most.
        examples: How many mappers of other programs are shown (few-shot).
        decode: ``"free"``, ``"schema"`` (JSON by a schema), or ``"grammar"`` (the model reasons
            freely, and writes the mapper by a Lark grammar in a second turn).
        temperature: The temperature of the model's sampling; None leaves it to the provider.
        max_prompt_tokens: The longest prompt; the least useful history is left out first.
        max_reply_tokens: The longest reply; None leaves it to the provider.
        base_url: Address of the model's API; None for the provider's own.
        api_key_env: Name of the environment variable that holds its key.
        timeout: Seconds until a call is given up.
        budget: What the model may use for one study, in calls, tokens and money; earlier runs and
            other processes of the study count. None for no limit.
        calls_per_minute: How many calls the study may begin within a minute; None for any number.
        when_done: What comes when the model says that nothing is left to gain: ``"stop"`` ends the
            study, ``"fallback"`` goes on without it, ``"auto"`` ends it where its best mapper is
            within 1 % of what no mapper can beat, and else goes on.
        required: Whether a model that cannot be opened, or refuses the first request for good, is
            an error; else the fallback takes its place.
        ledger: Where each call is entered before it is made: a file, or a ledger. None for the
            study's storage.
        transcript: A file to which every exchange is appended; None for none.

    Raises:
        TunerError: The fallback asks a model itself.
    """

    model: str | Model
    strategy: str | Strategy = "trace"
    fallback: str | BaseSampler = "tpe"
    repairs: int = 2
    feedback: Feedback = "suggested"
    candidates: int = 1
    every: int | None = None
    history: int = 10
    examples: int = 0
    decode: Decode = "free"
    temperature: float | None = None
    max_prompt_tokens: int = 24_000
    max_reply_tokens: int | None = 4096
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float = 60.0
    budget: Budget | None = None
    calls_per_minute: int | None = None
    when_done: WhenDone = "auto"
    required: bool = False
    ledger: Path | Ledger | None = None
    transcript: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.fallback, str) and self.fallback in LLM_TUNERS:
            raise TunerError("the fallback of a model cannot be a model: name another tuner")

    @property
    def replays(self) -> bool:
        """Whether a transcript takes the place of the model."""
        return isinstance(self.model, str) and self.model.startswith("replay:")

    def for_tuner(self, name: str) -> ModelSettings:
        """The same settings with the strategy that a tuner's name stands for."""
        strategy = LLM_TUNERS.get(name)
        return self if strategy is None else replace(self, strategy=strategy)

    def identity(self) -> dict[str, Any]:
        """The settings that a study must go on with."""
        said = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in _NOT_OF_THE_STUDY
        }
        # Whoever takes an address for a model's name must not find its password in the study.
        return {**said, "model": process_redactor().message(str(self.model))}
