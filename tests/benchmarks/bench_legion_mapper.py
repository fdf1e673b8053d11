"""What the mapper costs on real Legion: per point task, and at the start of a program.

``python -m tests.benchmarks.bench_legion_mapper [--repeats N] [--cpus 1 2]``

One program of tiny tasks runs under Legion's default mapper and under ours with a policy that
leaves it nearly all to decide; then under a mapper written for the program by hand in C++, and
under ours with a policy that decides as that one does: blocks of rows, all in system memory. Each
pair thus runs the same tasks in the same places. The runs are interleaved, each round in another
order, so that what else the machine does strikes all alike, and what is compared is what runs of
one round differ by. On a machine that others use, run it with a higher priority (nice -n -19), or
elapsed times tell more of the others. On one processor all work stands in one line, and the times
tell what a mapper costs; on two they tell as well how threads of the runtime wait for each other.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge.legion import build_mapper, build_program, find_legion

PROGRAMS = Path(__file__).with_name("legion_mapper")
EMPTY_POLICY = "Task * CPU;"
POLICY = """\
Task * CPU;
Region * * CPU SYSMEM;
Layout * * * SOA F_order;
m = Machine(CPU);
def rows(Task t) { return m[0, t.ipoint[0] * m.size[1] / t.ispace[0]]; }
IndexTaskMap stencil rows;
IndexTaskMap increment rows;
"""
_QUIET = ("-logfile", "stderr", "-level", "gpu=6")
RUN = ["-ll:util", "0", "-ll:csize", "64", "-p", "4", *_QUIET]


class Sample(NamedTuple):
    """One run: microseconds for a point task, and seconds until the first task began."""

    elapsed: float
    cpu: float  # of all threads
    start: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--cpus", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    legion = find_legion()
    program = build_program([PROGRAMS / "tiny_stencil.cc"], "tiny_stencil", legion)
    environment = legion.environment()
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        policy = compiled(POLICY, Path(folder) / "rows.so")
        sys.stdout.write(f"compiling the policy: {time.perf_counter() - begin:.3f} s\n")
        preload = {"LD_PRELOAD": str(build_mapper(legion)), "MAPPERTUNE_POLICY": str(policy)}
        empty = compiled(EMPTY_POLICY, Path(folder) / "empty.so")
        runs: dict[str, tuple[list[str], dict[str, str]]] = {
            "default mapper": ([], {}),
            "ours, as default": ([], preload | {"MAPPERTUNE_POLICY": str(empty)}),
            "written by hand": (["-mapper", "hand"], {}),
            "ours, as by hand": ([], preload),
        }
        rng = np.random.default_rng(0)
        for cpus in arguments.cpus:
            samples: dict[str, list[Sample]] = {name: [] for name in runs}
            for _ in range(arguments.repeats):
                for name in rng.permutation(list(runs)).tolist():
                    words, variables = runs[name]
                    command = [str(program), "-i", str(arguments.iterations), *RUN, *words]
                    command += ["-ll:cpu", str(cpus)]
                    samples[name].append(measure(command, environment | variables))
            sys.stdout.write(f"\non {cpus} CPU processor(s):\n")
            tell(samples)


def compiled(text: str, target: Path) -> Path:
    return compile_policy(dsl.emit_c(dsl.parse(text)), target, flags=("-O1",))


def measure(command: list[str], environment: dict[str, str]) -> Sample:
    begin = time.monotonic()  # the clock that the program tells
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    _, points = re.findall(r"POINTS (\d+) ELAPSED ([\d.]+) CPU ([\d.]+)", done.stdout)
    count, elapsed, cpu = map(float, points)
    (start,) = re.findall(r"STARTED ([\d.]+)", done.stdout)
    return Sample(1e6 * elapsed / count, 1e6 * cpu / count, float(start) - begin)


def tell(samples: dict[str, list[Sample]]) -> None:
    """Medians, and the ratio of ours to the peer's with a bootstrapped interval."""
    rng = np.random.default_rng(0)
    for name, runs in samples.items():
        start = 1e3 * float(np.median([run.start for run in runs]))
        sys.stdout.write(f"{name:16} starts in {start:.1f} ms; a point task takes")
        for clock in ("elapsed", "cpu"):
            low, middle, high = np.percentile([getattr(run, clock) for run in runs], [25, 50, 75])
            sys.stdout.write(f" {middle:.2f} us {clock} ({low:.2f} to {high:.2f})")
        sys.stdout.write("\n")
    names = list(samples)
    for name, mine in zip(names[::2], names[1::2], strict=True):
        for clock in ("elapsed", "cpu"):
            # Runs of one round stand side by side: they are spared the machine's moods.
            ours = np.array([getattr(run, clock) for run in samples[mine]])
            theirs = np.array([getattr(run, clock) for run in samples[name]])
            sys.stdout.write(
                f"{mine} / {name}, {clock}: {interval(ours / theirs, rng, '.3f')}; "
                f"difference {interval(ours - theirs, rng, '.2f')} us\n"
            )
        begun = [np.array([1e3 * run.start for run in samples[which]]) for which in (mine, name)]
        sys.stdout.write(f"  starts later by {interval(begun[0] - begun[1], rng, '.1f')} ms\n")


def interval(values: NDArray[np.float64], rng: np.random.Generator, form: str) -> str:
    """The median, and where it lies with 95 %: bootstrapped."""
    drawn = np.median(rng.choice(values, (2000, len(values))), axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.median(values):{form}} (95 % interval {low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
