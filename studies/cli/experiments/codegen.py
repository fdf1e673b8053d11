"""``mappertune study codegen``: from words to mappers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from studies.cli.console import first_sentence, print_json, say
from studies.cli.experiments.output import print_table
from studies.cli.model_options import model_settings
from studies.errors import UsageError

if TYPE_CHECKING:
    from studies.experiments.codegen import Attempt

__all__ = ["run"]

TURNS = 10


def run(arguments: argparse.Namespace) -> int:
    """Has a model write each strategy, and says how many pass; 1 where a model cannot be asked."""
    from studies.experiments.codegen import exercise, run_strategy
    from studies.files import make_folder
    from tuners.llm.model import FileLedger, Request, open_model

    llm = model_settings(arguments, "llm")
    assert llm is not None  # noqa: S101  (the tuner asks one)
    assert isinstance(llm.model, str)  # noqa: S101  (the option is a name)
    if arguments.application is not None:
        raise UsageError("codegen is over circuit, and takes no application")
    folder = arguments.output / "codegen"
    make_folder(folder)
    transcript = llm.transcript or (None if llm.replays else folder / "codegen.transcript.jsonl")
    model = open_model(
        llm.model,
        base_url=llm.base_url,
        api_key_env=llm.api_key_env,
        timeout=llm.timeout,
        budget=llm.budget,
        calls_per_minute=llm.calls_per_minute,
        ledger=FileLedger(folder / "codegen.ledger.jsonl"),
        transcript=transcript,
    )
    task, turns = exercise(), arguments.trials or TURNS
    attempts = []
    for number, strategy in enumerate(task.strategies):
        first = Request((), llm.temperature, llm.max_reply_tokens, seed=0, trial=number)
        attempts.append(run_strategy(model, task, strategy, turns=turns, first=first))
    if arguments.json:
        print_json({"turns": turns, "strategies": [each.as_json() for each in attempts]})
    else:
        _print(attempts, turns, arguments.format)
    return 1 if all(each.failure and not each.turns for each in attempts) else 0


def _print(attempts: list[Attempt], turns: int, form: str) -> None:
    rows = []
    for each in attempts:
        passed = each.passed_after
        last = each.failure or (each.turns[-1] if each.turns else "")
        rows.append(
            [
                each.strategy.name,
                "yes" if passed == 1 else "no",
                f"after {passed}" if passed else "no",
                f"{each.usage.tokens:,}",
                first_sentence(last)[:80] if not passed else "",
            ]
        )
    first = sum(each.passed_after == 1 for each in attempts)
    ever = sum(each.passed_after is not None for each in attempts)
    print_table(["strategy", "first reply", f"of {turns}", "tokens", "last complaint"], rows, form)
    if form == "text":
        say(
            f"by the first reply {first} of {len(attempts)}, within {turns} {ever}; the paper's "
            "model: 8 and 10 of 10"
        )
