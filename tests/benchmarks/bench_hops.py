"""Files that one request runs through: how far a reader has to follow it.

    python -m tests.benchmarks.bench_hops [--files] [REQUEST ...]

Counted are the files of ``dsl``, ``legion_bridge``, ``tuners`` and ``studies`` of which a function
runs; the top level of a module or class is none. Each request is made twice in a process and the
second one counts, so that imports and what is made once are left out. All requests are for circuit
on p100x4: ``eval`` is the command, with the expert's mapper; ``check`` parses and checks that
mapper; a trial is asked for, run and told in a study that has some already, of a model by the
rules of ``tests.model_server.scripted`` and with the guide's feedback; ``tune`` is the command
that adds one trial to a study of TPE's, without MLflow.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
from optuna.samplers import BaseSampler

import dsl
import studies.cli
import tuners
from legion_bridge import Application, Machine
from tests.model_server.scripted import ScriptedModel
from tuners import attributes
from tuners.llm.model import ModelUsage, Reply, Request

ROOT = Path(dsl.__file__).parent.parent
FLOORS = tuple(f"{ROOT / name}/" for name in ("dsl", "legion_bridge", "tuners", "studies"))
APPLICATION, MACHINE = "circuit", "p100x4"


def files_of(request: Callable[[], object]) -> list[str]:
    """The files whose functions a request runs, in any thread, in the order of their calls."""
    seen: dict[str, None] = {}

    def called(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        is_function = code.co_flags & inspect.CO_OPTIMIZED  # and no module or class
        if event == "call" and is_function and code.co_filename.startswith(FLOORS):
            seen.setdefault(code.co_filename)

    threading.setprofile(called)
    sys.setprofile(called)
    try:
        request()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [str(Path(name).relative_to(ROOT)) for name in seen]


def run_command(*words: str) -> None:
    """Runs a command; what it prints goes nowhere."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = studies.cli.main([*words, "--machine", MACHINE])
    assert code == 0, output.getvalue()


def of_eval() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "expert.mapper")
        path.write_text(Application.load(APPLICATION).mappers["expert"], encoding="utf-8")
        run_command("eval", str(path), "--app", APPLICATION)
        return files_of(lambda: run_command("eval", str(path), "--app", APPLICATION))


def of_check() -> list[str]:
    application, machine = Application.load(APPLICATION), Machine.load(MACHINE)

    def check() -> None:
        dsl.check(dsl.parse(application.mappers["expert"]), application, machine)

    check()
    return files_of(check)


def of_tune() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:

        def tune(trials: int) -> None:
            options = ("--tuner", "tpe", "--trials", str(trials), "--output", folder)
            run_command("tune", APPLICATION, *options, "--no-mlflow")

        tune(12)
        return files_of(lambda: tune(13))


def of_trial(
    make_sampler: Callable[[tuners.MapperProblem], BaseSampler], trials_before: int
) -> list[str]:
    problem = tuners.MapperProblem(Application.load(APPLICATION), Machine.load(MACHINE))
    sampler = make_sampler(problem)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=trials_before)
    found = files_of(lambda: study.optimize(problem, n_trials=1))
    if isinstance(sampler, tuners.LLMSampler):
        why = study.trials[-1].user_attrs[attributes.WHY]
        assert why == "the model's proposal", why
    return found


class Scripted:
    """Stands in for a model: the rules that follow the feedback, without a server."""

    name = "scripted"
    usage = ModelUsage()

    def __init__(self) -> None:
        self._rules = ScriptedModel()

    def ask(self, request: Request) -> Reply:
        said = self._rules.reply([message.content for message in request.messages])
        return Reply(said, self.name, prompt_tokens=100, completion_tokens=10, cost=0.0)


def of_tpe_trial() -> list[str]:
    return of_trial(lambda problem: tuners.make_sampler("tpe", seed=0, problem=problem), 12)


def of_llm_trial() -> list[str]:
    return of_trial(lambda problem: tuners.LLMSampler(problem, model=Scripted(), seed=0), 2)


REQUESTS: dict[str, Callable[[], list[str]]] = {
    "eval": of_eval,
    "check": of_check,
    "tpe-trial": of_tpe_trial,
    "llm-trial": of_llm_trial,
    "tune": of_tune,
}


def main(names: list[str], *, list_files: bool) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in names or REQUESTS:
        found = REQUESTS[name]()
        print(f"{name:10} {len(found):4} files", flush=True)
        for file in found if list_files else ():
            print(f"  {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Counts the files that a request runs through.")
    parser.add_argument("requests", nargs="*", metavar="REQUEST", help=f"of {', '.join(REQUESTS)}")
    parser.add_argument("--files", action="store_true", help="list them, the first called first")
    options = parser.parse_args()
    if unknown := [name for name in options.requests if name not in REQUESTS]:
        parser.error(f"unknown request {unknown[0]}")
    main(options.requests, list_files=options.files)
