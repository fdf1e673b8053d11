"""The options of commands that ask a language model, and what they come to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.cli.numbers import SHOWN, count, positive, seconds, temperature
from studies.errors import UsageError

if TYPE_CHECKING:
    from tuners.llm.settings import ModelSettings

__all__ = [
    "add_dialogue_options",
    "add_model_options",
    "add_prompt_options",
    "arms",
    "dialogue_settings",
    "model_settings",
    "prompt_settings",
]

STRATEGIES = ("trace", "opro", "iid", "hybrid")
FEEDBACK = ("none", "raw", "explained", "suggested")
DECODE = ("free", "schema", "grammar")
WHEN_DONE = ("auto", "stop", "fallback")


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


def add_dialogue_options(group: argparse._ArgumentGroup, *, when_done: str = "auto") -> None:
    """Adds what the replies to a prompt depend on, and what comes of them.

    Args:
        group: The group of options.
        when_done: The default of ``--when-done``.
    """
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
        "--when-done",
        choices=WHEN_DONE,
        default=when_done,
        help="where the model says that nothing is left to gain: stop the study, go on with the "
        "fallback, or stop within 1 %% of what no mapper can beat and else go on "
        f"(default: {when_done})",
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


def add_model_options(parser: argparse.ArgumentParser, *, when_done: str = "auto") -> None:
    """Adds what the tuners that ask a model take.

    Args:
        parser: The parser.
        when_done: The default of ``--when-done``.
    """
    group = add_prompt_options(parser)
    group.title = "the language model (tuner llm)"
    group.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="as litellm knows it, such as openai/gpt-4o, or replay:TRANSCRIPT; compare takes "
        "several, each by a --model of its own",
    )
    group.add_argument("--base-url", metavar="URL", help="address of an OpenAI-compatible server")
    group.add_argument(
        "--api-key-env", metavar="VARIABLE", help="environment variable that holds the key"
    )
    add_dialogue_options(group, when_done=when_done)
    group.add_argument(
        "--model-timeout",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="after which a call is given up (default: 60)",
    )
    group.add_argument(
        "--calls-per-minute",
        type=positive,
        metavar="N",
        help="calls that a study begins within a minute at most",
    )
    group.add_argument(
        "--fallback-only",
        action="store_true",
        help="go on with the fallback alone where the model cannot be asked",
    )
    group.add_argument(
        "--anew",
        action="store_true",
        help="set studies aside that a model's failures have left to the fallback, begin again",
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


def model_settings(arguments: argparse.Namespace, tuner: str) -> ModelSettings | None:
    """How the one model of a study is asked; None where the tuner asks none.

    Raises:
        UsageError: The tuner asks a model and none is named, or the other way round, or there are
            several.
    """
    ((_, settings),) = arms(arguments, [tuner])
    return settings


def arms(
    arguments: argparse.Namespace, tuners: Sequence[str]
) -> list[tuple[str, ModelSettings | None]]:
    """Names and models of what is compared: every tuner that asks a model, with every model.

    Where there are several models, an arm is called by the tuner and the model, as in
    ``llm-trace@gpt-4o``.

    Raises:
        UsageError: A tuner asks a model and none is named, or the other way round; or a name
            holds a password.
    """
    from studies.model_arm import short_names
    from tuners.llm.settings import LLM_TUNERS

    asking = [name for name in tuners if name in LLM_TUNERS]
    models = list(dict.fromkeys(arguments.model or ()))
    for model in models:
        _refuse_secret(model)
    if models and not asking:
        raise UsageError("--model is for the tuner llm, which was not asked for: name it too")
    if asking and not models:
        raise UsageError(
            f"the tuner {asking[0]} asks a language model: name one by --model, such as "
            "openai/gpt-4o, or replay:FILE"
        )
    if len(models) > 1 and len(tuners) == 1 and not hasattr(arguments, "tuners"):
        raise UsageError("tune takes one --model: compare takes several")
    if len(models) > 1 and arguments.transcript is not None:
        raise UsageError(
            "--transcript names one file, and there are several models: without it each study "
            "has its own beside itself"
        )
    found: list[tuple[str, ModelSettings | None]] = []
    for tuner in tuners:
        if tuner not in LLM_TUNERS:
            found.append((tuner, None))
        for model, short in zip(models, short_names(models), strict=True):
            if tuner in LLM_TUNERS:
                name = tuner if len(models) == 1 else f"{tuner}@{short}"
                found.append((name, _settings(arguments, model).for_tuner(tuner)))
    return found


def _refuse_secret(model: str) -> None:
    """A model's name is told, stored, and part of a file's name where there are several."""
    from tuners.redaction import redacted_url, secrets_in

    if not model.startswith("replay:") and secrets_in(model):
        raise UsageError(
            f"{redacted_url(model)!r} is no model's name: --base-url takes the address of a "
            "server, and --api-key-env the variable that holds its key"
        )


def _settings(arguments: argparse.Namespace, model: str) -> ModelSettings:
    from tuners.llm.model import Budget

    return replace(
        prompt_settings(arguments, model),
        **dialogue_settings(arguments),
        base_url=arguments.base_url,
        api_key_env=arguments.api_key_env,
        timeout=arguments.model_timeout,
        budget=Budget(arguments.budget_calls, arguments.budget_tokens, arguments.budget_usd),
        calls_per_minute=arguments.calls_per_minute,
        required=not arguments.fallback_only,
        transcript=arguments.transcript,
    )


def dialogue_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that replies depend on, and what comes of them, by name."""
    return {
        "fallback": arguments.fallback,
        "repairs": arguments.repairs,
        "when_done": arguments.when_done,
        "every": arguments.every,
        "temperature": arguments.temperature,
        "max_reply_tokens": arguments.max_reply_tokens or None,
    }


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
