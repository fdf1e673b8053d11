"""Measured runs of mappers, kept in files so that a stopped measurement goes on where it was."""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge import Machine
from legion_bridge.legion import LegionRun, Metric, build_mapper, find_legion
from legion_bridge.legion.priority import with_priority

from .real_runtime_programs import Program, valid_mappers

__all__ = ["Measured", "drawn", "measure_round", "read_runs"]

_LONGEST = 60.0
_SEED = 3


@dataclass
class Measured:
    """The runs of one mapper.

    Attributes:
        seconds: Of each run, in the order of the runs.
        failure: What the last run said, if it failed.
    """

    text: str
    seconds: list[float] = field(default_factory=list)
    failure: str = ""


def drawn(program: Program, machine: Machine, count: int, folder: Path) -> list[str]:
    """The mappers of a program: drawn once, then read again."""
    path = folder / f"{program.name}.mappers.json"
    known: list[str] = json.loads(path.read_text("utf-8")) if path.exists() else []
    if len(known) < count:
        found = valid_mappers(program.application, machine, _SEED)
        known = [text for text, _ in islice(found, count)]
        path.write_text(json.dumps(known), "utf-8")
    return known[:count]


def read_runs(name: str, texts: Sequence[str], folder: Path) -> list[Measured]:
    """What is known of mappers."""
    found: dict[str, list[tuple[float | None, str]]] = defaultdict(list)
    path = folder / f"{name}.runs.jsonl"
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        found[row["mapper"]].append((row["seconds"], row["failure"]))
    return [
        Measured(
            text,
            [seconds for seconds, _ in found[_key(text)] if seconds is not None],
            next((said for _, said in reversed(found[_key(text)]) if said), ""),
        )
        for text in texts
    ]


def measure_round(program: Program, texts: Sequence[str], number: int, folder: Path) -> int:
    """Runs every mapper once that has less than ``number`` runs, in an order of its own.

    Returns:
        How many runs there were.
    """
    known = read_runs(program.name, texts, folder)
    due = [each.text for each in known if len(each.seconds) < number and not each.failure]
    random.Random(number).shuffle(due)
    with (folder / f"{program.name}.runs.jsonl").open("a", encoding="utf-8") as file:
        for text in due:
            seconds, failure = _run(program, text, folder)
            row = {"mapper": _key(text), "seconds": seconds, "failure": failure}
            file.write(json.dumps(row) + "\n")
            file.flush()
    return len(due)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _run(program: Program, text: str, folder: Path) -> tuple[float | None, str]:
    """The seconds of one run, or why there are none."""
    policy = folder / f"{_key(text)}.so"
    if not policy.exists():
        with TemporaryDirectory(dir=folder) as scratch:
            made = compile_policy(dsl.emit_c(dsl.parse(text)), Path(scratch) / "policy.so")
            made.replace(policy)
    # The library must not be loaded into the shell.
    library = build_mapper(find_legion())
    variables = f"LD_PRELOAD={quote(str(library))} MAPPERTUNE_POLICY={quote(str(policy))}"
    run = LegionRun(
        with_priority(program.command, variables),
        Metric(program.pattern),
        repeats=1,
        warmup=0,
        timeout=_LONGEST,
    )
    outcome = run.evaluate(None)
    if outcome.ok:
        return outcome.elapsed, ""
    return None, outcome.raw.strip()[-300:]
