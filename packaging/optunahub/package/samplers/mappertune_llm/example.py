"""A loss with one conditional parameter, by a language model: ``python example.py``.

The model is the one that the environment names: ``MODEL`` (by default ``openai/gpt-4o-mini``)
with its key in ``OPENAI_API_KEY``, or any server that speaks OpenAI's API at ``BASE_URL``. Without
a key it says so once, and TPE, the fallback, proposes every trial.
"""

from __future__ import annotations

import os
from collections import Counter

import optuna
import optunahub

LLMSampler = optunahub.load_module("samplers/mappertune_llm").LLMSampler


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    depth = trial.suggest_int("depth", 1, 12)
    booster = trial.suggest_categorical("booster", ["tree", "linear"])
    dropped = trial.suggest_float("dropped", 0.0, 0.5) if booster == "tree" else 0.3
    return (rate - 0.01) ** 2 + abs(depth - 6) + (dropped - 0.1) ** 2


if __name__ == "__main__":
    sampler = LLMSampler(
        model=os.environ.get("MODEL", "openai/gpt-4o-mini"),
        base_url=os.environ.get("BASE_URL"),
        api_key_env=None if "BASE_URL" in os.environ else "OPENAI_API_KEY",
        description="Validation loss of boosted models on a small table; less is better.",
        seed=0,
    )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    study.optimize(objective, n_trials=10)
    proposers = Counter(each.user_attrs["mappertune:proposer"] for each in study.trials)
    print(f"best {study.best_value:.4g} with {study.best_params}")
    print("proposed by", ", ".join(f"{name}: {count}" for name, count in proposers.items()))
