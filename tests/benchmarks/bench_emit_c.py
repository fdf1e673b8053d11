"""Compiled mappers: seconds to compile, and nanoseconds a point beside those of the evaluator.

Run as ``python -m tests.benchmarks.bench_emit_c [MAPPER ...]``; by default the golden mappers.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import dsl
from dsl.c_output.compiled_policy import CompiledPolicy, compile_policy

GOLDEN = Path(__file__).parents[1] / "dsl" / "c_output" / "golden"
SHAPE = dsl.MachineShape(nodes=4, processors={"GPU": 4, "CPU": 2})
DOMAIN = (128, 128)


def fastest(action: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times)


def compile_times(source: str, target: Path) -> str:
    """Seconds to compile by compiler and optimisation."""
    columns = []
    for compiler in filter(shutil.which, ("gcc", "clang")):
        for flag in ("-O0", "-O1"):

            def build(command: str = compiler, flag: str = flag) -> object:
                return compile_policy(source, target, compiler=[command], flags=[flag])

            columns.append(f"{compiler} {flag} {fastest(build):.2f} s")
    return ", ".join(columns)


def call_times(program: dsl.Program, library: Path, task: str) -> str:
    """Nanoseconds a point over a launch domain, and those of the evaluator."""
    compiled = CompiledPolicy(library, SHAPE, program=program)
    points = DOMAIN[0] * DOMAIN[1]
    own = fastest(lambda: compiled.index_map(task, "GPU", DOMAIN)) / points * 1e9
    # A new mapper each time: one remembers its answers.
    mappers = [dsl.load(program, SHAPE) for _ in range(3)]
    peer = fastest(lambda: mappers.pop().index_map(task, "GPU", DOMAIN), 3) / points * 1e9
    return f"{own:.0f} ns a point, evaluator {peer:.0f} ns (over {points} points at once)"


def report(path: Path, folder: Path) -> None:
    program = dsl.parse(path.read_text(encoding="utf-8"))
    source = dsl.emit_c(program)
    milliseconds = fastest(lambda: dsl.emit_c(program)) * 1e3
    print(f"{path.stem}: {len(source.splitlines())} lines of C in {milliseconds:.1f} ms;", end=" ")
    print(compile_times(source, folder / "x.so"))
    maps = [s for s in program.statements if isinstance(s, dsl.syntax.IndexTaskMap)]
    for flag in ("-O0", "-O1"):
        library = compile_policy(source, folder / f"{path.stem}{flag}.so", flags=[flag])
        for task in [statement.keys[0] for statement in maps][:1]:
            try:
                print(f"    {flag}: {call_times(program, library, task)}")
            except dsl.MapperError as error:
                print(f"    {flag}: {error.sentence}")


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(GOLDEN.glob("*.mapper"))
    with TemporaryDirectory() as folder:
        for path in paths:
            report(path, Path(folder))


if __name__ == "__main__":
    main()
