"""The simulator beside the real Legion runtime: how well it ranks random mappers.

    python -m tests.benchmarks.bench_real_runtime --rounds 1 --mappers 10    # a small one, printed
    python -m tests.benchmarks.bench_real_runtime --runs DIR --write docs --bed BED

Needs a Legion runtime and the machine ``here`` (``mappertune calibrate``). Every measured run is
kept in ``--runs``: what was stopped goes on where it was. In a round each mapper runs once, in
another order than in the round before, so that drift strikes all alike. ``--write`` puts
``real-runtime.md`` and ``real-runtime.png`` into a folder. ``--bed`` names the folder of built
programs that others wrote (``tests.field.build``): Legion's circuit is a further program then.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import dsl
from legion_bridge import Evaluator, Machine
from legion_bridge.validation.rank_agreement import RankAgreement, rank_agreement

from .real_runtime_programs import FIELD_NAMES, NAMES, Program, program, roomy
from .real_runtime_runs import drawn, measure_round, read_runs

PAGE = Path(__file__).with_name("real_runtime_page.md")


@dataclass(frozen=True)
class Compared:
    """One program.

    Attributes:
        measured: Seconds of the runs of each mapper that ran.
        simulated: Its simulated seconds.
        failed: Mappers that did not run on the real runtime; ``refused`` of the others do not run
            in simulation.
    """

    program: Program
    measured: list[list[float]]
    simulated: list[float]
    failed: int
    refused: int

    @property
    def order_of_unlike(self) -> str:
        """Of pairs whose measured times differ by a factor of two those in the right order."""
        times = [float(np.median(runs)) for runs in self.measured]
        rows = zip(times, self.simulated, strict=True)
        pairs = [(a, b) for a, b in combinations(sorted(rows), 2) if b[0] > 2 * a[0]]
        return f"{sum(b[1] > a[1] for a, b in pairs)} of {len(pairs)}"

    @property
    def agreement(self) -> RankAgreement:
        return rank_agreement(self.measured, self.simulated)


def compare(which: Program, machine: Machine, texts: list[str], folder: Path) -> Compared:
    evaluator = Evaluator(which.application, machine)
    runs = read_runs(which.name, texts, folder)
    ran = [each for each in runs if each.seconds]
    elapsed = [evaluator.evaluate(dsl.parse(each.text)).elapsed for each in ran]
    both = [(a.seconds, b) for a, b in zip(ran, elapsed, strict=True) if b is not None]
    return Compared(
        which,
        [seconds for seconds, _ in both],
        [simulated for _, simulated in both],
        failed=sum(bool(each.failure) for each in runs),
        refused=len(ran) - len(both),
    )


HEADINGS = (
    "", "mappers", "rho", "tau", "measured s", "slowest/fastest", "noise", "error",
    "error, scaled", "order over 2x", "not simulated",
)  # fmt: skip


def cells(found: Compared) -> list[str]:
    if len(found.measured) < 2:
        missing = len(HEADINGS) - 2
        return [
            found.program.name,
            f"{len(found.measured)}, {found.failed} failed",
            *"-" * missing,
        ]
    a = found.agreement
    return [
        found.program.name,
        str(a.mappers),
        f"{a.rho:.2f}",
        f"{a.tau:.2f}",
        f"{a.fastest:.2f} to {a.slowest:.2f}",
        f"{1 + a.spread:.1f}",
        f"{a.noise:.0%}".replace("%", " %"),
        f"{a.error:.0%}".replace("%", " %"),
        f"{a.scaled_error:.0%}".replace("%", " %"),
        found.order_of_unlike,
        str(found.refused),
    ]


def markdown(all_found: list[Compared]) -> str:
    rows = [list(HEADINGS), ["---", *["---:"] * (len(HEADINGS) - 1)], *map(cells, all_found)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def draw(all_found: list[Compared], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    colours = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#000000", "#56B4E9")
    for found, colour, shape in zip(all_found, colours, "os^DvP", strict=False):
        times = [float(np.median(runs)) for runs in found.measured]
        label = f"{found.program.name}, rho {found.agreement.rho:.2f}"
        axes.plot(times, found.simulated, shape, color=colour, label=label, alpha=0.75, ms=5)
    every = [s for found in all_found for s in found.simulated]
    every += [float(np.median(runs)) for found in all_found for runs in found.measured]
    limits = (min(every) * 0.8, max(every) * 1.25)
    axes.plot(limits, limits, color="grey", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal",
             xlabel="measured seconds", ylabel="simulated seconds")  # fmt: skip
    axes.grid(visible=True, which="both", linewidth=0.3, alpha=0.5)
    axes.legend(fontsize=9)
    axes.set_title("Random mappers on the real runtime and simulated", loc="left", fontsize=10)
    figure.savefig(path, dpi=120)


def page(all_found: list[Compared], rounds: int) -> str:
    sizes = "\n".join(f"- {found.program.name}: {found.program.size}" for found in all_found)
    return PAGE.read_text("utf-8").format(table=markdown(all_found), sizes=sizes, rounds=rounds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--applications", help="these (default: all that there are)")
    parser.add_argument("--bed", type=Path, metavar="FOLDER")
    parser.add_argument("--mappers", type=int, default=44)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--machine", default="here")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    machine = roomy(Machine.load(given.machine))
    with TemporaryDirectory() as scratch:
        folder = given.runs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        every = (*NAMES, *(FIELD_NAMES if given.bed else ()))
        names = given.applications.split(",") if given.applications else every
        programs = [program(name, machine, folder, given.bed) for name in names]
        texts = {p.name: drawn(p, machine, given.mappers, folder) for p in programs}
        for number in range(1, given.rounds + 1):
            for each in programs:
                done = measure_round(each, texts[each.name], number, folder)
                sys.stderr.write(f"round {number}, {each.name}: {done} runs\n")
        found = [compare(p, machine, texts[p.name], folder) for p in programs]
        for each in filter(lambda one: one.failed, found):
            sys.stderr.write(f"{each.program.name}: {each.failed} mappers failed on the runtime\n")
    sys.stdout.write(markdown(found) + "\n")
    if given.write:
        (given.write / "real-runtime.md").write_text(page(found, given.rounds), "utf-8")
        draw([each for each in found if len(each.measured) > 1], given.write / "real-runtime.png")


if __name__ == "__main__":
    main()
