"""What the classical tuners reach on the nine applications, in the form of the paper's tables.

    python -m tests.benchmarks.bench_figures                        # a small run, printed
    python -m tests.benchmarks.bench_figures --trials 1000 --seeds 5 --runs DIR --report docs

Every study that is done is kept in ``--runs`` as one file, and not run again; a run that was
stopped goes on where it was. ``--report`` writes ``figures.md`` and ``figures.svg`` from what is
there. Studies are in an order that makes all tuners and applications grow alike.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import optuna

from studies.references import references as known_mappers
from studies.suite import Case
from tuners import MapperProblem, make_sampler

APPLICATIONS = (
    "circuit stencil pennant cannon summa pumma johnson solomonik cosma".split()  # noqa: SIM905
)
TUNERS = (
    "random random-valid tpe opentuner coordinate guided one-plus-one catcma".split()  # noqa: SIM905
)
MACHINE = "p100x4"
BUDGETS = (10, 100, 1000)


@dataclass(frozen=True)
class Run:
    """One study.

    Attributes:
        best: The best throughput up to each trial, over the expert's.
        valid: How many of the mappers ran.
        seconds: Processor time of all trials.
    """

    application: str
    tuner: str
    seed: int
    best: tuple[float, ...]
    valid: int
    seconds: float


@cache
def problem_of(application: str) -> MapperProblem:
    return Case(application, MACHINE).problem()


def known(problem: MapperProblem) -> dict[str, float]:
    """The throughputs of the application's own mappers."""
    return {each.name: each.outcome.throughput for each in known_mappers(problem)}


def run_study(application: str, tuner: str, seed: int, trials: int) -> Run:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = problem_of(application)
    expert = known(problem)["expert"]
    study = optuna.create_study(
        direction="maximize", sampler=make_sampler(tuner, seed=seed, problem=problem)
    )
    best, curve, valid, begun = 0.0, [], 0, time.process_time()
    for _ in range(trials):
        trial = study.ask()
        throughput = problem(trial)
        study.tell(trial, throughput)
        valid += throughput > 0
        best = max(best, throughput / expert)
        curve.append(best)
    return Run(application, tuner, seed, tuple(curve), valid, time.process_time() - begun)


# Keeping runs


def file_of(folder: Path, application: str, tuner: str, seed: int) -> Path:
    return folder / f"{application}-{tuner}-seed{seed}.json"


def read_run(path: Path) -> Run | None:
    if not path.exists():
        return None
    found = json.loads(path.read_text("utf-8"))
    return Run(**found | {"best": tuple(found["best"])})


def write_run(path: Path, run: Run) -> None:
    part = path.with_suffix(".part")
    rounded = vars(run) | {"best": [round(each, 6) for each in run.best]}
    part.write_text(json.dumps(rounded), "utf-8")
    part.replace(path)


def make_run(folder: Path, application: str, tuner: str, seed: int, trials: int) -> str:
    path = file_of(folder, application, tuner, seed)
    known = read_run(path)
    if known is None or len(known.best) < trials:
        known = run_study(application, tuner, seed, trials)
        write_run(path, known)
    return f"{path.stem}: {known.best[trials - 1]:.3f} after {trials}, {known.seconds:.0f} s"


def read_runs(folder: Path) -> list[Run]:
    return [run for path in sorted(folder.glob("*.json")) if (run := read_run(path))]


# Tables


def select(runs: Sequence[Run], tuner: str, application: str, budget: int) -> list[float]:
    """What each seed had reached after as many trials."""
    return [
        run.best[budget - 1]
        for run in runs
        if (run.tuner, run.application) == (tuner, application) and len(run.best) >= budget
    ]


def cells(values: Sequence[float]) -> list[str]:
    if not values:
        return ["-"] * 6
    deviation = statistics.stdev(values) if len(values) > 1 else math.nan
    numbers = (
        statistics.fmean(values),
        deviation,
        min(values),
        statistics.median(values),
        max(values),
    )
    return [*(f"{each:.2f}" for each in numbers), str(len(values))]


def row(*values: str) -> str:
    return "| " + " | ".join(values) + " |"


def tuner_table(runs: Sequence[Run], tuner: str, budget: int) -> Iterator[str]:
    yield row("benchmark", "mean", "sd", "worst", "median", "best", "seeds")
    yield row(*["---"] * 7)
    for application in APPLICATIONS:
        yield row(application, *cells(select(runs, tuner, application, budget)))


def overview(runs: Sequence[Run], budget: int) -> Iterator[str]:
    """The mean of every tuner on every application, and over all of them."""
    tuners = [t for t in TUNERS if any(select(runs, t, a, budget) for a in APPLICATIONS)]
    yield row("benchmark", *tuners)
    yield row(*["---"] * (1 + len(tuners)))
    columns: dict[str, list[float]] = {tuner: [] for tuner in tuners}
    for application in APPLICATIONS:
        line = [application]
        for tuner in tuners:
            values = select(runs, tuner, application, budget)
            line.append(f"{statistics.fmean(values):.2f}" if values else "-")
            columns[tuner] += [statistics.fmean(values)] if values else []
        yield row(*line)
    for name, fold in (("mean", statistics.fmean), ("worst", min)):
        whole = [c if len(c) == len(APPLICATIONS) else [] for c in columns.values()]
        yield row(f"**{name} of all**", *(f"**{fold(c):.2f}**" if c else "-" for c in whole))


def references() -> Iterator[str]:
    yield row("benchmark", "parameters", "points", "default mapper", "template's defaults")
    yield row(*["---"] * 5)
    for application in APPLICATIONS:
        problem = problem_of(application)
        throughputs = known(problem)
        expert = throughputs["expert"]
        ours = problem.evaluate_text(problem.render(problem.template.defaults()), check=False)
        yield row(
            application,
            str(len(problem.distributions)),
            f"{problem.template.size:.0e}",
            f"{throughputs['default mapper'] / expert:.2f}",
            f"{ours.outcome.throughput / expert:.2f}",
        )


def valid_table(runs: Sequence[Run]) -> Iterator[str]:
    tuners = [t for t in TUNERS if any(run.tuner == t for run in runs)]
    yield row("benchmark", *tuners)
    yield row(*["---"] * (1 + len(tuners)))
    for application in APPLICATIONS:
        line = [application]
        for tuner in tuners:
            found = [r for r in runs if (r.tuner, r.application) == (tuner, application)]
            tried = sum(len(run.best) for run in found)
            line.append(f"{sum(run.valid for run in found) / tried:.0%}" if tried else "-")
        yield row(*line)


def report(runs: Sequence[Run], introduction: str) -> str:
    parts = [introduction.strip(), "", "## Where they start", "", *references()]
    for budget in BUDGETS:
        if any(len(run.best) >= budget for run in runs):
            parts += ["", f"## Means after {budget:,} trials", "", *overview(runs, budget)]
    parts += ["", "## Share of valid mappers", "", *valid_table(runs)]
    for tuner, budget in product(TUNERS, BUDGETS):
        if any(run.tuner == tuner and len(run.best) >= budget for run in runs):
            parts += ["", f"## {tuner}, {budget:,} trials", "", *tuner_table(runs, tuner, budget)]
    return "\n".join(parts) + "\n"


# The picture


def plot(runs: Sequence[Run], path: Path) -> None:
    """The mean over seeds of the best so far, an application a panel."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "mappertune"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 3, figsize=(12, 9), sharex=True, layout="constrained")
    for axis, application in zip(axes.flat, APPLICATIONS, strict=True):
        axis.axhline(1.0, color="0.6", linewidth=0.8, linestyle="--")
        for number, tuner in enumerate(TUNERS):
            curves = [r.best for r in runs if (r.tuner, r.application) == (tuner, application)]
            longest = max(map(len, curves), default=0)
            # Of the seeds that have as many trials.
            mean = [
                statistics.fmean(curve[at] for curve in curves if at < len(curve))
                for at in range(longest)
            ]
            corners = [
                at for at in range(longest) if mean[at] != mean[at - 1] or at + 1 == longest
            ]
            if mean:
                axis.plot(
                    [at + 1 for at in dict.fromkeys([0, *corners])],
                    [mean[at] for at in dict.fromkeys([0, *corners])],
                    label=tuner,
                    color=f"C{number}",
                    linewidth=1.4,
                    drawstyle="steps-post",
                )
        axis.set(title=application, xscale="log", ylim=(0, None))
    figure.supxlabel("trials")
    figure.supylabel("best throughput so far over the expert's, mean over seeds")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(TUNERS), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


# The command


def arguments_of(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--applications", default="circuit,stencil")
    parser.add_argument("--tuners", default="tpe,coordinate")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, help="folder that keeps the studies")
    parser.add_argument("--report", type=Path, help="folder to write figures.md and .svg into")
    parser.add_argument("--jobs", type=int, default=1, help="studies at a time")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after these")
    return parser.parse_args(words)


def all_runs(arguments: argparse.Namespace, folder: Path) -> None:
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    applications, tuners = arguments.applications.split(","), arguments.tuners.split(",")
    wanted = [
        (folder, a, t, s, arguments.trials) for s in seeds for t in tuners for a in applications
    ]
    until = time.monotonic() + 60 * arguments.minutes
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for done in pool.map(_unless_late, [until] * len(wanted), wanted):
            if done:
                print(done, flush=True)  # noqa: T201  (progress of hours)


def _unless_late(until: float, wanted: tuple[Any, ...]) -> str:
    return make_run(*wanted) if time.monotonic() < until else ""


def main(words: Sequence[str] | None = None) -> int:
    arguments = arguments_of(words)
    if arguments.runs is None:
        for application in arguments.applications.split(","):
            for tuner in arguments.tuners.split(","):
                run = run_study(application, tuner, arguments.first_seed, arguments.trials)
                print(  # noqa: T201  (a benchmark prints)
                    f"{application} {tuner}: {run.best[-1]:.3f} x expert after {len(run.best)} "
                    f"trials, {1e3 * run.seconds / len(run.best):.1f} ms each"
                )
        return 0
    arguments.runs.mkdir(parents=True, exist_ok=True)
    if arguments.trials:
        all_runs(arguments, arguments.runs)
    if arguments.report:
        runs = read_runs(arguments.runs)
        introduction = Path(__file__).with_name("figures_introduction.md").read_text("utf-8")
        (arguments.report / "figures.md").write_text(report(runs, introduction), "utf-8")
        plot(runs, arguments.report / "figures.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
