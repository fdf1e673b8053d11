"""How good the guide's first suggestion is, on random mappers of the applications.

Run as ``python -m tests.benchmarks.bench_guide [--mappers N] [--machine NAME] [--verify] [APP]``
(100 mappers of each of the nine applications of the paper on ``p100x4`` by default). Prints the
tables of ``docs/autoguide.md``: for valid mappers, in what share of the cases the first suggestion
improves the simulated throughput, and by how much; for invalid ones, how many become valid under
up to five suggestions, one after the other.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from statistics import fmean, median, quantiles
from time import process_time

from legion_bridge import Application, Machine
from tests.tuners.guide.random_mappers import any_values, is_valid, text_of, valid_values
from tuners import MapperProblem
from tuners.guide import explain

NINE = (
    *("circuit", "stencil", "pennant"),
    *("cannon", "summa", "pumma", "johnson", "solomonik", "cosma"),
)
STEPS = 5
SAME = 1e-6
"""Relative difference of throughput that counts as none."""


@dataclass
class Tally:
    """What came of the mappers of one application.

    Attributes:
        factors: Throughput after the first suggestion over that before, by mapper.
        silent: Mappers without a suggestion.
        best: Throughput after following first suggestions ``STEPS`` times, over the expert's.
        mended, invalid: Invalid mappers that became valid, and all of them.
        seconds: Processor time of the guide, by mapper.
    """

    factors: list[float] = field(default_factory=list)
    silent: int = 0
    start: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    mended: int = 0
    invalid: int = 0
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.factors + other.factors,
            self.silent + other.silent,
            self.start + other.start,
            self.best + other.best,
            self.mended + other.mended,
            self.invalid + other.invalid,
            self.seconds + other.seconds,
        )


def improvement(problem: MapperProblem, text: str, tally: Tally, *, verify: bool) -> None:
    """Follows the first suggestion, again and again, and keeps what came of it."""
    expert = problem.evaluate_text(problem.application.mappers["expert"], check=False)
    before = problem.evaluate_text(text)
    best = first = before.outcome.throughput
    for step in range(STEPS):
        start = process_time()
        guidance = explain(problem, before, verify=verify)
        tally.seconds.append(process_time() - start)
        if not guidance.suggestions:
            tally.silent += step == 0
            break
        after = problem.evaluate_text(guidance.suggestions[0].apply(before.text))
        if step == 0:
            tally.factors.append(after.outcome.throughput / first)
        best = max(best, after.outcome.throughput)
        if not after.outcome.ok:
            break
        before = after
    tally.start.append(first / expert.outcome.throughput)
    tally.best.append(best / expert.outcome.throughput)


def mending(problem: MapperProblem, text: str) -> bool:
    """Whether an invalid mapper becomes valid, and runs, under first suggestions."""
    for _ in range(STEPS):
        evaluation = problem.evaluate_text(text)
        guidance = explain(problem, evaluation)
        if not guidance.suggestions:
            return False
        text = guidance.suggestions[0].apply(text)
        if is_valid(problem, text) and problem.evaluate_text(text).outcome.ok:
            return True
    return False


def measure(problem: MapperProblem, mappers: int, *, verify: bool) -> Tally:
    """Random valid and random invalid mappers of one application."""
    tally, choose = Tally(), random.Random(0)
    for _ in range(mappers):
        text = text_of(problem, valid_values(problem, choose))
        if problem.evaluate_text(text).outcome.ok:
            improvement(problem, text, tally, verify=verify)
    for _ in range(mappers):
        text = text_of(problem, any_values(problem, choose))
        if not problem.evaluate_text(text).outcome.ok:
            tally.invalid += 1
            tally.mended += mending(problem, text)
    return tally


def row(name: str, tally: Tally) -> str:
    """One line of the table."""
    better = sum(factor > 1 + SAME for factor in tally.factors)
    worse = sum(factor < 1 - SAME for factor in tally.factors)
    count = len(tally.factors) + tally.silent
    share = better / count if count else 0.0
    positive = [max(factor, 1e-9) for factor in tally.factors] or [1.0]
    mean = exp(fmean(map(log, positive)))
    low, middle, high = quantiles(positive, n=4) if len(positive) > 1 else 3 * positive
    mended = f"{tally.mended} of {tally.invalid}" if tally.invalid else "none drawn"
    return (
        f"| {name} | {count} | {share:.0%} | {worse} | {tally.silent} | {middle:.3g} "
        f"| {low:.3g} to {high:.3g} | {mean:.3g} | {median(tally.start):.3g} "
        f"| {median(tally.best):.3g} | {mended} | {1e3 * median(tally.seconds):.0f} ms |"
    )


def main(applications: Sequence[str], machine: Machine, mappers: int, *, verify: bool) -> None:
    print(
        "| application | mappers | better | worse | silent | median factor | quartiles "
        "| geometric mean | start | after five | mended | guide |\n"
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
    )
    total = Tally()
    for name in applications:
        sizes = {"nodes": machine.nodes} if machine.nodes > 1 else {}
        problem = MapperProblem(Application.load(name, **sizes), machine)
        tally = measure(problem, mappers, verify=verify)
        print(row(name, tally), flush=True)
        total += tally
    print(row("all", total))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("applications", nargs="*", metavar="APP")
    parser.add_argument("--mappers", type=int, default=100)
    parser.add_argument("--machine", default="p100x4")
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--verify", action="store_true")
    given = parser.parse_args()
    main(
        given.applications or NINE,
        Machine.load(given.machine, nodes=given.nodes),
        given.mappers,
        verify=given.verify,
    )
