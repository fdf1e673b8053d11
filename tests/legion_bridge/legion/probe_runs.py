"""Runs of small Legion programs under mappers, and what their tasks told."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge.legion import build_mapper, build_program
from tests.legion_bridge.real_legion import RUNTIME, legion_or_skip

PROGRAMS = Path(__file__).with_name("programs")
CPUS, IOS = 2, 1
SHAPE = dsl.MachineShape(nodes=1, processors={"CPU": CPUS, "IO": IOS})
CHECKSUM = "45312"  # of the sizes below; no mapper may change it
SIZE, PIECES = 8, 2
_MACHINE = [*f"-ll:cpu {CPUS} -ll:io {IOS} -ll:csize 64 -ll:rsize 16".split(), *RUNTIME]


@cache
def built(name: str) -> Path:
    return build_program([PROGRAMS / f"{name}.cc"], name, legion_or_skip())


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    code: int
    output: str
    errors: str

    @property
    def failure(self) -> str:
        """The line by which the mapper gave up."""
        lines = [x for x in self.errors.splitlines() if x.startswith("mappertune: error: ")]
        assert len(lines) == 1, self.errors
        return lines[0].removeprefix("mappertune: error: ")

    def said(self, word: str) -> list[str]:
        """The rest of each line of output that starts with a word."""
        found = re.findall(rf"^{word} (.*)$", self.output, re.MULTILINE)
        assert all(isinstance(text, str) for text in found)
        return found

    def ran(self, task: str) -> dict[tuple[int, ...], tuple[str, int]]:
        """Where each point of a task ran: kind and number of the processor."""
        found = {}
        for line in self.said(f"RAN {task}"):
            point, kind, processor = line.split()
            found[_point(point)] = kind, int(processor)
        return found

    def got(self, task: str) -> dict[tuple[tuple[int, ...], int], dict[str, int | str]]:
        """Of each point and requirement: the memory, strides and alignment."""
        found = {}
        for line in self.said(f"GOT {task}"):
            point, requirement, memory, *numbers = line.split()
            facts: dict[str, int | str] = {"memory": memory}
            facts |= {name: int(n) for name, n in (number.split("=") for number in numbers)}
            found[_point(point), int(requirement)] = facts
        return found

    def decisions(self, word: str) -> list[str]:
        """The lines of the log of decisions that start with a word."""
        return re.findall(rf"^mappertune: {word}(?: (.*))?$", self.errors, re.MULTILINE)


def _point(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(int(x) for x in text.strip("()").split(","))


def compiled(text: str, folder: Path) -> Path:
    source = dsl.emit_c(dsl.parse(text), name="test.mapper")
    return compile_policy(source, folder / "policy.so")


def run_under(
    text: str,
    *arguments: str,
    program: str = "probe",
    timeout: float = 60.0,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Runs a program of ours under a mapper."""
    legion_or_skip()
    with TemporaryDirectory() as folder:
        policy = compiled(text, Path(folder))
        return run_policy(
            policy, *arguments, program=program, timeout=timeout, variables=variables
        )


def run_policy(
    policy: Path | None,
    *arguments: str,
    program: str = "probe",
    timeout: float = 60.0,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Runs a program under a compiled policy, or under Legion's default mapper."""
    legion = legion_or_skip()
    environment = legion.environment()
    if policy is not None:
        environment |= {
            "LD_PRELOAD": str(build_mapper(legion)),
            "MAPPERTUNE_POLICY": str(policy),
            "MAPPERTUNE_LOG": "1",
        }
    environment |= variables or {}
    sizes = ("-n", str(SIZE), "-p", str(PIECES))
    done = subprocess.run(
        [built(program), *sizes, *_MACHINE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)
