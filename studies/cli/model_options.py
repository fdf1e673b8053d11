"""The options of commands that ask a language model, and what they come to."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.numbers import SHOWN, count, positive, seconds, temperature
from studies.errors import UsageError

if TYPE_CHECKING:
    from tuners.llm.settings import ModelSettings

__all__ = ["add_model_options", "add_prompt_options", "model_settings", "prompt_settings"]

STRATEGIES = ("trace", "opro", "iid", "hybrid")
FEEDBACK = ("none", "raw", "explained", "suggested")
DECODE = ("free", "schema", "grammar")


def add_prompt_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds what a prompt depends on."""
    group = parser.add_argument_group("the language model's prompt")
    group.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="trace",
        help="how the model is asked (default: trace)",
    )
    group.add_argument(
        "--feedback",
        choices=FEEDBACK,
        default="suggested",
        help="what it is told of a mapper beside its throughput (default: suggested)",
    )
    group.add_argument(
        "--candidates", type=positive, default=1, metavar="N", help="mappers a reply (default: 1)"
    )
    group.add_argument(
        "--history",
        type=count,
        default=10,
        metavar="N",
        help="trials that it is told of at most (default: 10)",
    )
    group.add_argument(
        "--examples",
        type=count,
        default=0,
        metavar="N",
        help="mappers of other programs that it is shown (default: 0)",
    )
    group.add_argument(
        "--decode",
        choices=DECODE,
        default="free",
        help="hold the reply to a JSON schema or to the language's grammar (default: free)",
    )
    group.add_argument(
        "--max-prompt-tokens",
        type=positive,
        default=24_000,
        metavar="N",
        help="the longest prompt (default: 24000)",
    )
    return group


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds what the tuners that ask a model take."""
    group = add_prompt_options(parser)
    group.title = "the language model (tuner llm)"
    group.add_argument(
        "--model",
        metavar="NAME",
        help="as litellm knows it, such as openai/gpt-4o, or replay:TRANSCRIPT",
    )
    group.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    group.add_argument(
        "--api-key-env", metavar="VARIABLE", help="environment variable that holds the key"
    )
    group.add_argument(
        "--fallback",
        default="tpe",
        metavar="TUNER",
        help="tuner that proposes where the model does not (default: tpe)",
    )
    group.add_argument(
        "--every", type=positive, metavar="N", help="every n-th trial is the fallback's"
    )
    group.add_argument(
        "--repairs",
        type=count,
        default=2,
        metavar="N",
        help="how often a faulty reply goes back before a trial is spent (default: 2)",
    )
    group.add_argument(
        "--temperature", type=temperature, metavar="T", help="temperature of the model's sampling"
    )
    group.add_argument(
        "--max-reply-tokens",
        type=count,
        default=4096,
        metavar="N",
        help="the longest reply; 0 leaves it to the provider (default: 4096)",
    )
    group.add_argument(
        "--model-timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="after which a call is given up (default: 60)",
    )
    group.add_argument("--budget-calls", type=count, metavar="N", help="calls a study at most")
    group.add_argument("--budget-tokens", type=count, metavar="N", help="tokens a study at most")
    group.add_argument("--budget-usd", type=_money, metavar="USD", help="money a study at most")
    group.add_argument(
        "--transcript",
        type=Path,
        metavar="FILE",
        help="where every exchange is written (default: beside the study)",
    )


def model_settings(arguments: argparse.Namespace, *tuners: str) -> ModelSettings | None:
    """How the model is asked; None where no tuner asks one.

    Raises:
        UsageError: A tuner asks a model and none is named, or the other way round.
    """
    from tuners.llm.model import Budget
    from tuners.llm.settings import LLM_TUNERS

    asking = [name for name in tuners if name in LLM_TUNERS]
    if not asking:
        if arguments.model is not None:
            raise UsageError("--model is for the tuner llm, which was not asked for: name it too")
        return None
    if arguments.model is None:
        raise UsageError(
            f"the tuner {asking[0]} asks a language model: name one by --model, such as "
            "openai/gpt-4o, or replay:FILE"
        )
    return replace(
        prompt_settings(arguments, arguments.model),
        fallback=arguments.fallback,
        repairs=arguments.repairs,
        every=arguments.every,
        temperature=arguments.temperature,
        max_reply_tokens=arguments.max_reply_tokens or None,
        base_url=arguments.base_url,
        api_key_env=arguments.api_key_env,
        timeout=arguments.model_timeout,
        budget=Budget(arguments.budget_calls, arguments.budget_tokens, arguments.budget_usd),
        transcript=arguments.transcript,
    )


def prompt_settings(arguments: argparse.Namespace, model: str = "none") -> ModelSettings:
    """The settings that a prompt depends on."""
    from tuners.llm.settings import ModelSettings

    return ModelSettings(
        model,
        strategy=arguments.strategy,
        feedback=arguments.feedback,
        candidates=arguments.candidates,
        history=arguments.history,
        examples=arguments.examples,
        decode=arguments.decode,
        max_prompt_tokens=arguments.max_prompt_tokens,
    )


def _money(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
        raise argparse.ArgumentTypeError(f"{shown!r} is no amount of US dollars, such as 0.50")
    return amount
