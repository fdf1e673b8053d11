"""Whether the guide's first suggestions help, and save what they promise.

Run as ``python -m tests.benchmarks.bench_suggestions [--random N] [--near N] [--estimates] [APP]``
on N random valid mappers of each application, and on N that are near the best mapper that the
guide leads to (from the expert's, with up to two decisions drawn anew, at 0.8 of its throughput
or more). Prints a table: mappers, how many get a suggestion, the share of suggestions that help,
and the ratio of the promised to the real saving, its median and quartiles. With ``--estimates``
nothing is tried before it is told.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from statistics import quantiles

from legion_bridge import Application, Machine, application_names
from tests.tuners.guide.random_mappers import text_of, valid_values
from tuners import MapperProblem
from tuners.guide import explain

NEAR = 0.8
STEPS = 8
DRAWN = 40
"""Draws for one mapper near the best; applications of which fewer fit have fewer."""


def random_mappers(problem: MapperProblem, count: int) -> Iterator[str]:
    """Random valid mappers of the paper's space that run."""
    choose = random.Random(0)
    for _ in range(count):
        text = text_of(problem, valid_values(problem, choose))
        if problem.evaluate_text(text).outcome.ok:
            yield text


def near_mappers(problem: MapperProblem, count: int) -> Iterator[str]:
    """Mappers near the best one that suggestions lead to."""
    choose, text = random.Random(1), problem.application.mappers["expert"]
    for _ in range(STEPS):
        found = explain(problem, problem.evaluate_text(text), most=1).suggestions
        if not found:
            break
        text = found[0].apply(text)
    best = problem.evaluate_text(text).outcome.throughput
    start = dict(problem.project(text).values)
    for _ in range(count):
        for _draw in range(DRAWN):
            values = dict(start)
            for name in choose.sample(sorted(start), min(2, len(start))):
                hole = problem.template.parameters[name]
                values[name] = choose.choice(hole.choices or range(hole.low, hole.high + 1))
            near = problem.render(values)
            if problem.evaluate_text(near, check=False).outcome.throughput >= NEAR * best:
                yield near
                break


def judged(problem: MapperProblem, text: str, verify: bool | None) -> tuple[float, float] | None:
    """The promised and the real saving of a first suggestion, as shares; None without one."""
    before = problem.evaluate_text(text)
    found = explain(problem, before, verify=verify, most=1).suggestions
    if not found:
        return None
    after = problem.evaluate_text(found[0].apply(text)).outcome
    real = 1.0 - before.outcome.throughput / after.throughput if after.ok else -1.0
    return found[0].share or 0.0, real


def row(name: str, results: list[tuple[float, float] | None]) -> str:
    """A line of the table."""
    told = [each for each in results if each is not None]
    helping = [each for each in told if each[1] > 0]
    ratios = [promised / real for promised, real in helping]
    spread = "- | -"
    if ratios:
        low, middle, high = quantiles(ratios, n=4) if len(ratios) > 1 else 3 * ratios
        spread = f"{middle:.2f} | {low:.2f} to {high:.2f}"
    share = f"{len(helping) / len(told):.0%}" if told else "-"
    return f"| {name} | {len(results)} | {len(told)} | {share} | {spread} |"


def main(
    applications: Sequence[str], count: int, near: int, machine: Machine, verify: bool | None
) -> None:
    print("| mappers | tried | with a suggestion | of these help | promised / real | quartiles |")
    print("| --- | --: | --: | --: | --: | --: |")
    everything: dict[str, list[tuple[float, float] | None]] = {"random": [], "near": []}
    for name in applications:
        problem = MapperProblem(Application.load(name), machine)
        kinds = {"random": random_mappers(problem, count), "near": near_mappers(problem, near)}
        for kind, texts in kinds.items():
            results = [judged(problem, text, verify) for text in texts]
            everything[kind] += results
            print(row(f"{name}, {kind}", results), flush=True)
    for kind, results in everything.items():
        print(row(f"all, {kind}", results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("applications", nargs="*", metavar="APP")
    parser.add_argument("--random", type=int, default=30)
    parser.add_argument("--near", type=int, default=10)
    parser.add_argument("--machine", default="p100x4")
    parser.add_argument("--estimates", action="store_true")
    given = parser.parse_args()
    main(
        given.applications or application_names(),
        given.random,
        given.near,
        Machine.load(given.machine),
        False if given.estimates else None,
    )
