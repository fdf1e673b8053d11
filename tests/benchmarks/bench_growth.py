"""How simulation time grows with nodes and with launches.

Run as ``python -m tests.benchmarks.bench_growth [--write FOLDER]``. The stencil runs on 1 to 64
nodes and Cannon on 1 to 256 (1,024 GPUs): nodes grow; the transformer has 2 to 512 layers on one
node: launches grow. All run under their experts' mappers on Lassen, each case in a process of its
own. Measured are the CPU seconds to build the program, those of the first mapper (which prepares
the simulator), those of a mapper whose statements were seen before (the simulation alone), and the
largest memory of the process. With ``--write`` the table and a picture go into ``growth.md`` and
``growth.png`` of a folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CASES = (
    *(("stencil", nodes, {}) for nodes in (1, 2, 4, 8, 16, 32, 64)),
    *(("cannon", nodes, {}) for nodes in (1, 4, 16, 64, 256)),
    *(
        ("transformer", 1, {"layers": layers, "hidden": 256, "sequence": 128})
        for layers in (2, 8, 32, 128, 512)
    ),
)
LIMIT = 600.0
SERIES = (
    ("stencil", "o", "#0072B2"),
    ("cannon", "s", "#D55E00"),
    ("transformer", "^", "#009E73"),
)
HEADINGS = {
    "application": "",
    "nodes": "nodes",
    "gpus": "GPUs",
    "launches": "launches",
    "points": "point tasks",
    "build": "build s",
    "first": "first mapper s",
    "next": "simulation s",
    "memory": "memory MB",
}
MEASURE = """\
import json, resource, sys
from time import process_time

import dsl
from legion_bridge import Application, Evaluator, Machine

name, nodes, parameters = json.loads(sys.argv[1])
times = [process_time()]
application = Application.load(name, nodes=nodes, **parameters)
times.append(process_time())
evaluator = Evaluator(application, Machine.load("lassen", nodes=nodes))
text = application.mappers["expert"]
outcome = evaluator.evaluate_text(text)
times.append(process_time())
assert outcome.ok, outcome.raw
again = 1
while True:
    for _ in range(again):
        evaluator.evaluate_text(text)
    took = process_time() - times[-1]
    if took > 0.2:
        break
    again *= 4
    times.append(process_time())
program = evaluator.simulator.program
print(json.dumps({
    "application": name,
    "nodes": nodes,
    "gpus": 4 * nodes,
    "launches": len(program.launches) - program.setup_launches,
    "points": int((program.point_launch >= program.setup_launches).sum()),
    "build": times[1] - times[0],
    "first": times[2] - times[1],
    "next": took / again,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""
PAGE = """\
# How simulation time grows

CPU seconds of one core under the experts' mappers on the machine `lassen`, each case in a process
of its own, while other work kept both cores of the machine busy; the transformer has 2 to 512
layers. Launches and points are those of one iteration; a run simulates several, until data has
found its place and the runtime has its traces. *First mapper* also prepares what does not depend
on the mapper; *simulation* is what a tuner pays for a further mapper whose statements were seen
before.

{table}

![CPU seconds of an evaluation against point tasks of an iteration](growth.png)

Written by `python -m tests.benchmarks.bench_growth --write docs`.
"""
REPLICAS = "## Replicas"
"""Heading of what ``bench_scale`` measures, which stays as it is."""


def measure(case: tuple[str, int, dict[str, int]]) -> dict[str, Any]:
    """One case in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(case)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{value:.0f}" if key == "memory" else f"{value:.3g}" if isinstance(value, float)
        else f"{value:,}" if isinstance(value, int) else value
        for key, value in row.items()
    ]  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [list(HEADINGS.values()), ["---", *["---:"] * (len(HEADINGS) - 1)]]
    lines += [cells(row) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, shape, colour in SERIES:
        mine = [row for row in rows if row["application"] == name]
        points = [row["points"] for row in mine]
        for key, style, label in (("first", "--", "first mapper"), ("next", "-", "simulation")):
            axes.plot(
                points,
                [row[key] for row in mine],
                linestyle=style,
                marker=shape,
                color=colour,
                label=f"{name}, {label}",
            )
        for row in mine:
            axes.annotate(
                f"{row['launches'] if name == 'transformer' else row['nodes']}",
                (row["points"], row["next"]),
                textcoords="offset points",
                xytext=(4, -10),
                fontsize=7,
                color=colour,
            )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="point tasks of an iteration (at the points: nodes; launches of the transformer)",
        ylabel="CPU seconds",
    )
    axes.grid(visible=True, which="major", linewidth=0.4, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    folder = parser.parse_args().write
    rows = [measure(case) for case in CASES]
    table = Table(*HEADINGS.values())
    for row in rows:
        table.add_row(*cells(row))
    Console(width=120).print(table)
    if folder is not None:
        page = folder / "growth.md"
        _, heading, kept = (page.read_text("utf-8") if page.is_file() else "").partition(REPLICAS)
        rest = f"\n{heading}{kept}" if heading else ""
        page.write_text(PAGE.format(table=markdown(rows)) + rest, "utf-8")
        draw(rows, folder / "growth.png")


if __name__ == "__main__":
    main()
