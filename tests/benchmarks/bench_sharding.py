"""How well simulated training steps agree with the published ones of ``tests/data``.

Run as ``python -m tests.benchmarks.bench_sharding [--most POINTS] [--write FOLDER]``. Rows whose
step has more point tasks than ``--most`` are left out, and told. With ``--write`` the page and its
pictures go into ``sharding.md`` and ``sharding-*.png`` of a folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dsl
from legion_bridge import Application, Machine, Validation, validate
from legion_bridge.simulation.simulator import Simulator
from legion_bridge.traces.gantt import plot_gantt
from legion_bridge.validation import Agreement, ValidatedRow
from legion_bridge.validation.scatter import plot_agreement
from tests.benchmarks.bench_validation import decimals, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA = Path(__file__).parent.parent / "data"
MEASURED = DATA / "measured_training.json"
MACHINE = "a100x8-nccl"
MOST = 200_000
PAGE = Path(__file__).with_name("sharding_page.md")
TIMELINE = {
    "layers": 16,
    "hidden": 4096,
    "heads": 32,
    "sequence": 2048,
    "vocabulary": 51_200,
    "stages": 4,
    "tensor_pieces": 2,
    "batch": 8,
    "recompute": 2,
    "steps": 1,
    "prune": 0,
}
"""The model of the timeline and its plan, on one node."""


def points_of(row: dict[str, Any]) -> int:
    """Point tasks of a step, about."""
    micros = row["batch"] // (row["batch_pieces"] * row["micro_batch"])
    launches = 4 * row["stages"] * row["chunks"] * row["blocks"] * micros
    return int(launches * row["tensor_pieces"] * row["batch_pieces"])


def validated(rows: Sequence[dict[str, Any]]) -> Validation:
    """The rows, simulated."""
    document = json.loads(MEASURED.read_text("utf-8"))
    with TemporaryDirectory() as folder:
        for mapper in DATA.glob("*.map"):
            shutil.copy(mapper, folder)
        file = Path(folder) / "rows.json"
        file.write_text(json.dumps(document | {"rows": rows}))
        return validate(file, MACHINE, report=_progress)


def _progress(done: int, count: int) -> None:
    sys.stderr.write(f"\r{done} of {count} rows")


def row_line(said: dict[str, Any], row: ValidatedRow) -> list[str]:
    """A line of the table: teraFLOP/s a GPU where they were published, else seconds."""
    plan = (said["tensor_pieces"], said["stages"], said["gpus"])
    tensor, stages, gpus = plan
    pieces = f"{tensor}, {stages}, {gpus // tensor // stages}"
    notes = [
        *([f"{said['chunks']} chunks"] if said["chunks"] > 1 else []),
        *({0: ["keeps all"], 1: ["selective"], 2: []}[said["recompute"]]),
        *(["ZeRO-3"] if "mapper" in said else []),
    ]
    simulated = row.simulated_seconds
    measured, unit = row.measured_seconds, "s"
    if "tflops" in said and measured is not None:
        unit = "TFLOP/s"
        simulated = None if simulated is None else said["tflops"] * measured / simulated
        measured = said["tflops"]
    elif "sequences_per_second" in said:
        unit = "seq/s"
        simulated = None if simulated is None else said["batch"] / simulated
        measured = said["sequences_per_second"]
    memory = "out of memory"
    ratio = simulated / measured if simulated and measured else None
    return [
        said["source"].removeprefix("arXiv "),
        f"{said['layers']} x {said['hidden']}",
        pieces,
        f"{said['batch'] * (gpus // 8) // said['nodes']}, {said['micro_batch']}",
        ", ".join(notes),
        f"{memory if measured is None else f'{measured:.4g} {unit}'}",
        f"{memory if simulated is None else f'{simulated:.4g} {unit}'}",
        "" if ratio is None else f"{ratio:.2f}",
        said["role"],
    ]


HEAD = [
    "source", "model", "t, p, d", "batch, micro", "plan", "measured", "simulated", "ratio", "role",
]  # fmt: skip


def agreement_line(name: str, found: Agreement) -> list[str]:
    memory = found.out_of_memory, found.out_of_memory_found, found.out_of_memory_false
    return [
        name,
        str(found.rows),
        share(found.median_error),
        share(found.p90_error),
        decimals(found.tau),
        share(found.order),
        str(found.pairs),
        ", ".join(map(str, memory)),
    ]


AGREEMENT_HEAD = [
    "", "runs", "median error", "90th percentile", "tau", "order", "pairs", "out of memory",
]  # fmt: skip


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def draw_timeline(path: Path) -> None:
    """One step of a pipeline of four stages, each on two GPUs."""
    application = Application.load("gpt", **TIMELINE)
    simulator = Simulator(application, Machine.load(MACHINE))
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), simulator.machine.shape)
    decisions = simulator.decide(mapper)
    if hasattr(decisions, "raw"):
        raise SystemExit(decisions.raw)
    _, trace = simulator.trace(decisions)
    if trace is None:
        raise SystemExit("the step of the timeline fails")
    plot_gantt(trace, path)


STAGE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def draw_plan(path: Path) -> None:
    """Which GPU has what under the expert's mapper: t = 4, p = 4, d = 2 on four nodes."""
    from matplotlib.figure import Figure

    nodes, per_node = 4, 8
    application = Application.load(
        "gpt", layers=4, tensor_pieces=4, stages=4, batch_pieces=2, batch=2, steps=1, prune=0
    )
    shape = Machine.load(MACHINE, nodes=nodes).shape
    mapper = dsl.load(dsl.parse(application.mappers["expert"]), shape)
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for launch in application.loop:
        if launch.task != "forward":
            continue
        stage = launch.lower[0]
        places = mapper.index_map("forward", "GPU", launch.domain, lower=launch.lower)
        for batch in range(2):
            for tensor in range(4):
                node, gpu = places[0, 0, batch, tensor].tolist()
                _draw_gpu(axes, (gpu, node), stage, f"d{batch} t{tensor}")
    axes.set(xlim=(-0.1, per_node), ylim=(nodes, -0.1), xlabel="GPU of the node", ylabel="node")
    axes.set_xticks([i + 0.45 for i in range(per_node)], map(str, range(per_node)))
    axes.set_yticks([i + 0.45 for i in range(nodes)], map(str, range(nodes)))
    axes.set_title(
        "colour: pipeline stage 0 to 3; d: batch piece; t: tensor piece", loc="left", fontsize=10
    )
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=150)


def _draw_gpu(axes: Axes, at: tuple[int, int], stage: int, label: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(at, 0.9, 0.9, color=STAGE_COLOURS[stage]))
    axes.text(
        at[0] + 0.45,
        at[1] + 0.45,
        f"stage {stage}\n{label}",
        ha="center",
        va="center",
        fontsize=8,
        color="black" if stage == 1 else "white",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=MOST, metavar="POINTS")
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    rows = json.loads(MEASURED.read_text("utf-8"))["rows"]
    chosen = [row for row in rows if points_of(row) <= arguments.most]
    found = validated(chosen)
    lines = [row_line(said, row) for said, row in zip(chosen, found.rows, strict=True)]
    summary = [agreement_line(n.split(", ")[1], a) for n, a in found.by_application.items()]
    summary.append(agreement_line("all", found.overall))
    sys.stdout.write(f"{table(HEAD, lines)}\n\n{table(AGREEMENT_HEAD, summary)}\n")
    if arguments.write is not None:
        left = [row for row in rows if row not in chosen]
        text = PAGE.read_text("utf-8").format(
            rows=table(HEAD, lines),
            agreement=table(AGREEMENT_HEAD, summary),
            left=len(left),
            most=f"{arguments.most:,}",
        )
        (arguments.write / "sharding.md").write_text(text, "utf-8")
        plot_agreement(found, arguments.write / "sharding-agreement.png")
        draw_timeline(arguments.write / "sharding-timeline.png")
        draw_plan(arguments.write / "sharding-plan.png")


if __name__ == "__main__":
    main()
