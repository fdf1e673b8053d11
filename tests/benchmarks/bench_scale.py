"""How long the training of a trillion parameters on 3,072 GPUs takes to simulate.

Run as ``python -m tests.benchmarks.bench_scale [BATCH_PIECES ...]``. The model has 128 layers of
width 25,600 on 64 stages of 8 tensor pieces, with 512 micro-batches for each batch piece (arXiv
2104.04473, table 1, has 6 of them). One iteration is simulated under the expert's mapper on
``a100x8-nccl``, each case in a process of its own; seconds are of CPU, memory is the largest of
the process. One of the batch pieces stands for all (``legion_bridge/simulation/replicas.py``).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from time import process_time

from rich.console import Console
from rich.table import Table

STAGES, TENSOR, MICROS = 64, 8, 512


def measure(pieces: int) -> list[str]:
    """One case, in this process."""
    import dsl
    from legion_bridge import Application, Machine
    from legion_bridge.simulation.replicas import simulate_replicas
    from legion_bridge.simulation.simulator import Simulator

    nodes = pieces * STAGES * TENSOR // 8
    application = Application.load(
        "gpt", nodes=nodes, layers=128, hidden=25600, heads=160, sequence=2048, vocabulary=51200,
        batch=MICROS * pieces, stages=STAGES, tensor_pieces=TENSOR, batch_pieces=pieces,
        recompute=2, steps=1, prune=0,
    )  # fmt: skip
    built = process_time()
    machine = Machine.load("a100x8-nccl", nodes=nodes)
    program = dsl.parse(application.mappers["expert"])
    outcome = simulate_replicas(application, machine, program)
    if outcome is None:
        simulator = Simulator(application, machine)
        outcome = simulator.run(dsl.load(program, simulator.machine.shape))
    total = process_time()
    points = sum(launch.volume for launch in application.loop)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        str(pieces), f"{nodes * 8:,}", f"{len(application.loop):,}", f"{points:,}", f"{built:.1f}",
        f"{total - built:.1f}", f"{memory:.2f}", f"{outcome.iteration:.2f}",
    ]  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(json.dumps(measure(int(sys.argv[2]))))
        return
    table = Table("batch pieces")
    for heading in ("GPUs", "launches", "point tasks", "build s", "simulate s", "memory GB",
                    "iteration s"):  # fmt: skip
        table.add_column(heading, justify="right")
    for pieces in map(int, sys.argv[1:] or ("1", "2", "6")):
        command = [sys.executable, "-m", "tests.benchmarks.bench_scale", "--one", str(pieces)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        table.add_row(*json.loads(found.stdout))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
