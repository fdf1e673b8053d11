"""A sampler for any Optuna study loads what it needs, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What no study of somebody's own objective has a use for.
KERNEL = "legion_bridge._kernel"
UNWANTED = {
    "mlflow", "litellm", "opentuner", "dask", "matplotlib", "pandas", "rich",
    KERNEL, "legion_bridge.simulation.simulator", "legion_bridge.evaluator",
    "legion_bridge.machines.machine", "legion_bridge.programs.application",
}  # fmt: skip
STUDY = """
import optuna
from tests.tuners.llm.scripted import Scripted, forever
from tuners import LLMSampler
optuna.logging.set_verbosity(optuna.logging.ERROR)
def objective(trial):
    return trial.suggest_int("x", 0, 9) + trial.suggest_int("y", 0, 9)
sampler = LLMSampler(model=Scripted(forever('{"x": 3, "y": 4}')), seed=0)
study = optuna.create_study(sampler=sampler)
study.optimize(objective, n_trials=4)
assert any(each.user_attrs["mappertune:proposer"] == "model" for each in study.trials)
"""


@pytest.mark.parametrize(
    "script",
    [
        "import tuners.llm; from tuners import LLMSampler; LLMSampler(model='openai/any', seed=0)",
        f"sys.modules[{KERNEL!r}] = None{STUDY}del sys.modules[{KERNEL!r}]",
    ],
    ids=["sampler", "study without the kernel"],
)
def test_a_sampler_loads_neither_trackers_nor_the_simulator(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}\nprint({UNWANTED} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
