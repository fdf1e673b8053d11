"""Processes that share a study and its budget, some of which are killed: for the bill's tests.

``python -m tests.tuners.llm.paying_processes STORAGE LEDGER TRIALS KILLS SEED BUDGET`` loads
everything once and forks the workers, so that a kill costs no import. LEDGER is the path of a
file, or ``storage``. BUDGET is JSON. The server is that of OPENAI_API_BASE.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import Trial, TrialState

from tuners import LLMSampler
from tuners.llm.model import Budget
from tuners.llm.model import opening as opening_module
from tuners.llm.model.litellm_module import load_litellm
from tuners.llm.model.patience import Patience
from tuners.llm.settings import ModelSettings

SPACE = {"x": FloatDistribution(0.0, 1.0), "y": FloatDistribution(0.0, 1.0)}
NAME = "paid"
PROCESSES = 3
TIMEOUT = 0.4  # seconds of a call
REPLY = 400  # tokens at most


def patience(attempts: int) -> Patience:
    return Patience(attempts, first=0.01)


def settings(ledger: str, budget: Budget) -> ModelSettings:
    return ModelSettings(
        "openai/gpt-4o",
        fallback="random",
        repairs=1,
        timeout=TIMEOUT,
        max_reply_tokens=REPLY,
        budget=budget,
        ledger=None if ledger == "storage" else Path(ledger),
    )


def open_study(storage: str, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    engine = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
    return optuna.create_study(
        study_name=NAME,
        storage=optuna.storages.RDBStorage(storage, engine_kwargs=engine),
        sampler=sampler,
        load_if_exists=True,
    )


def objective(trial: Trial) -> float:
    return float(trial.suggest_float("x", 0.0, 1.0)) + float(trial.suggest_float("y", 0.0, 1.0))


def work(storage: str, ledger: str, trials: int, budget: Budget) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("tuners").setLevel(logging.CRITICAL)
    study = open_study(storage, LLMSampler(settings=settings(ledger, budget), space=SPACE, seed=0))
    while len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])) < trials:
        study.optimize(objective, n_trials=1)


def fork(*arguments: object) -> int:
    process = os.fork()
    if process == 0:
        try:
            work(*arguments)  # type: ignore[arg-type]
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    return process


def load() -> None:
    """Has litellm import what it needs for a call, by one that nobody answers."""
    litellm = load_litellm()
    messages = [{"role": "user", "content": "hello"}]
    call = {"model": "openai/gpt-4o", "api_base": "http://127.0.0.1:9", "max_retries": 0}
    with suppress(Exception):
        asyncio.run(litellm.acompletion(messages=messages, num_retries=0, **call))


def main() -> None:
    storage, ledger, trials, kills, seed, budget = sys.argv[1:]
    opening_module.Patience = patience  # type: ignore[misc,assignment]
    warnings.simplefilter("ignore")
    load()
    chance = random.Random(int(seed))
    common = storage, ledger, int(trials), Budget(**json.loads(budget))
    workers = [fork(*common) for _ in range(PROCESSES)]
    for _ in range(int(kills)):
        time.sleep(chance.uniform(0.05, 0.6))
        victim = workers.pop(chance.randrange(len(workers)))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
        workers.append(fork(*common))
    codes = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in workers]
    sys.stdout.write(json.dumps(codes))


if __name__ == "__main__":
    main()
