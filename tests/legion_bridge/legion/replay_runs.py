"""Runs of the replay program under random mappers."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.legion import (
    ReplayResult,
    build_mapper,
    find_legion,
    fitted,
    read_replay,
    replay_command,
)
from tests.legion_bridge.real_legion import RUNTIME

CPU2 = Machine.load("cpu2")
LONGEST = 60.0
SHAPES: dict[str, dict[str, int]] = {"transformer": {"layers": 1}}
SECONDS = 0.002  # of an iteration, about
INTERMITTENT = "read_pointer == max_entries"


def small(name: str) -> Application:
    """An application that runs in a moment."""
    return fitted(name, SECONDS, **SHAPES.get(name, {}))


def random_mappers(application: Application, seed: int) -> Iterator[dsl.Program]:
    """Mappers of the application's two parameter spaces in turn that pass all checks."""
    rng = random.Random(seed)
    templates = [dsl.template_for(application, CPU2, space) for space in ("paper", "rich")]
    forecast, number = Evaluator(application, CPU2).forecast, 0
    while True:
        template = templates[number % 2]
        program = dsl.parse(template.render(random_point(template, rng)))
        found = dsl.check(program, application, CPU2, forecast=forecast)
        if not any(d.severity == "error" for d in found):
            number += 1
            yield program


def random_point(template: dsl.Template, rng: random.Random) -> Mapping[str, str | int]:
    values: dict[str, str | int] = {}
    for name, parameter in template.parameters.items():
        if template.is_active(name, values):
            values[name] = rng.choice(list(parameter.values))
    return values


class Replay:
    """One application, ready to be run under mappers."""

    def __init__(
        self, application: Application, folder: Path, *, iterations: int, machine: Machine
    ) -> None:
        self.legion = find_legion()
        self.folder = folder
        plan = folder / f"{application.name}.plan"
        self.command = replay_command(
            application, plan, iterations=iterations, warmup=1, machine=machine
        )

    def run(self, program: dsl.Program | None) -> ReplayResult:
        """The result under a mapper; that of Legion's default mapper for None."""
        done = self.complete(program)
        if done.returncode and INTERMITTENT in done.stderr:
            done = self.complete(program)
        assert done.returncode == 0, _failure(done.stderr, program)
        return read_replay(done.stdout)

    def complete(
        self, program: dsl.Program | None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = self.legion.environment() | variables
        with TemporaryDirectory(dir=self.folder) as folder:
            if program is not None:
                policy = compile_policy(dsl.emit_c(program), Path(folder) / "policy.so")
                environment |= {
                    "LD_PRELOAD": str(build_mapper(self.legion)),
                    "MAPPERTUNE_POLICY": str(policy),
                }
            return subprocess.run(
                [*self.command, *RUNTIME],
                env=environment,
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )


def _failure(errors: str, program: dsl.Program | None) -> str:
    lines = [x for x in errors.splitlines() if "rror" in x or "EXCEPTION" in x]
    return "\n".join([*lines[-4:], program.source if program else "(the default mapper)"])


@contextmanager
def replay_of(
    application: Application, *, iterations: int = 2, machine: Machine = CPU2
) -> Iterator[Replay]:
    with TemporaryDirectory() as folder:
        yield Replay(application, Path(folder), iterations=iterations, machine=machine)
