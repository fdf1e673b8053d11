"""Legion programs that others wrote, under mappertune: do they run, are they captured, and tuned?

    python -m tests.field.build SOURCES BED           # once: fetches and compiles what can be had
    python -m tests.field.run BED --results DIR       # all that lies in BED
    python -m tests.field.run BED --results DIR --only circuit --again random --random 40

For each program of the table (``programs.toml``): three runs by itself, a capture, runs under the
mappers ``own`` and ``default`` and under random ones that the check accepts, each compared with
the first by exit code and output, and a short tuning. Every step's result is kept in
``--results``: what was stopped goes on where it was. ``--write`` writes the page of the
documentation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from legion_bridge.legion import LegionInstallation, build_mapper, find_legion

from .report import markdown, page, row
from .stages import NAMES, Steps, step
from .table import HERE, FieldProgram, read_table

__all__ = ["main", "run_program"]

PAGE = HERE / "page.md"


def main(words: Sequence[str] | None = None) -> int:
    """Runs what is due; the exit code is 1 where a program has a fault."""
    given = _arguments().parse_args(words)
    table = read_table(given.table)
    wanted = given.only.split(",") if given.only else list(table.programs)
    if unknown := [name for name in wanted if name not in table.programs]:
        raise SystemExit(f"{given.table} has no program {', '.join(unknown)}")
    given.results.mkdir(parents=True, exist_ok=True)
    legion = find_legion()
    build_mapper(legion)
    rows = []
    for name in wanted:
        program = table.programs[name]
        result = _read(given.results, name)
        if program.is_built(given.bed) and not given.table_only:
            result = run_program(program, legion, result, given)
        rows.append(row(program, result))
        sys.stderr.write(f"{' | '.join(rows[-1].cells)}\n")
    sys.stdout.write(markdown(rows))
    if given.write:
        commits = (f"{name} {each.commit[:8]}" for name, each in table.sources.items())
        facts = {"date": f"{time.strftime('%Y-%m-%d')}", "sources": ", ".join(commits)}
        text = page(rows, PAGE.read_text("utf-8"), runtime=legion.version, **facts)
        given.write.write_text(text, "utf-8")
    return int(any(each.faults for each in rows))


def run_program(
    program: FieldProgram,
    legion: LegionInstallation,
    result: dict[str, Any],
    given: argparse.Namespace,
) -> dict[str, Any]:
    """The steps of a program that are due; each is kept as soon as it is done."""
    steps = Steps(
        program, given.bed, given.results, legion,
        randoms=given.random, trials=given.trials, space=given.space,
    )  # fmt: skip
    again = NAMES if given.again == "all" else given.again.split(",")
    for name in given.steps.split(","):
        if name in result and name not in again:
            continue
        begun = time.monotonic()
        result[name] = step(steps, name)
        result[name]["took"] = round(time.monotonic() - begun, 1)
        _path(given.results, program.name).write_text(json.dumps(result, indent=1), "utf-8")
        if name == "plain" and result[name]["status"] != "ok":
            break
    return result


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = _path(folder, name)
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.result.json"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.field.run")
    parser.add_argument("bed", type=Path, help="the folder of built programs")
    parser.add_argument("--table", type=Path, default=HERE / "programs.toml")
    parser.add_argument("--results", type=Path, default=Path("field-results"))
    parser.add_argument("--only", metavar="NAME,...", help="these programs (default: all)")
    parser.add_argument("--steps", default=",".join(NAMES), help="these steps (default: all)")
    parser.add_argument("--again", default="", help="steps that are done anew, or all")
    parser.add_argument("--random", type=int, default=5, help="random mappers a program")
    parser.add_argument("--space", default="paper", help="that they are drawn from")
    parser.add_argument("--trials", type=int, default=8, help="of the tuning")
    parser.add_argument("--table-only", action="store_true", help="run nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page of the documentation")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
