"""Every figure of a profile follows from the kernel's arrays, by another way than its own."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome
from legion_bridge.machines.machine import Runtime
from legion_bridge.simulation.simulator import Trace
from legion_bridge.traces.profile import profile_of
from studies.cli import main
from tests.legion_bridge.simulation.random_runs import Case, cases
from tests.legion_bridge.traces.recomputed import Recomputed

RUNS = [
    *((name, "p100x4", 1) for name in ("circuit", "stencil", "pennant", "cannon", "solomonik")),
    *((name, "lassen", 2) for name in ("circuit", "stencil", "cannon", "solomonik", "cosma")),
]
EXAMPLES = settings(max_examples=25, deadline=None)


def differences(found: Any, wanted: Any, of: float, path: str = "") -> list[str]:
    """The figures that differ; times and sums by a share of ``of`` or of themselves."""
    if isinstance(wanted, Mapping):
        assert isinstance(found, Mapping), path
        keys = [*wanted, *(key for key in found if key not in wanted)]
        return [
            each
            for key in keys
            for each in differences(found.get(key, 0), wanted.get(key, 0), of, f"{path}.{key}")
        ]
    if isinstance(wanted, list | tuple):
        if len(found) != len(wanted):
            return [f"{path}: {len(found)} against {len(wanted)}"]
        pairs = enumerate(zip(found, wanted, strict=True))
        return [e for n, pair in pairs for e in differences(*pair, of, f"{path}[{n}]")]
    if isinstance(wanted, float) and not isinstance(found, bool):
        close = found == pytest.approx(wanted, rel=1e-6, abs=1e-8 * of)
        return [] if close else [f"{path}: {found} against {wanted}"]
    return [] if found == wanted else [f"{path}: {found!r} against {wanted!r}"]


def by_what(critical_path: Sequence[Mapping[str, Any]]) -> dict[Any, tuple[float, float]]:
    """The shares of a critical path by kind, task and region, whatever they are called."""
    sums: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for share in critical_path:
        key = share["kind"], share["task"], share["region"]
        sums[key][0] += share["seconds"]
        sums[key][1] += share["fraction"]
    return {key: (seconds, fraction) for key, (seconds, fraction) in sums.items()}


def assert_recomputed(outcome: Outcome, trace: Trace) -> None:
    again = Recomputed(trace)
    profile = asdict(profile_of(trace))
    profile["critical_path"] = by_what(profile["critical_path"])
    wanted = again.profile()
    assert profile.keys() == wanted.keys()
    assert differences(profile, wanted, profile["iteration"]) == []
    times = again.outcome()
    assert differences({key: getattr(outcome, key) for key in times}, times, 1.0) == []


@EXAMPLES
@given(cases(iterations=6))
def test_of_random_runs(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    assert_recomputed(run.outcome, run.trace)


@EXAMPLES
@given(cases(iterations=6), st.booleans())
def test_of_random_runs_on_cores_alone(case: Case, shares: bool) -> None:
    """Bytes count for more in time there, and the runtime borrows cores."""
    costs = Runtime(0.25, 0.125, 0.0625, 4.0, 0.5, recorded=True, fresh=2.0, shares_cores=shares)
    processors = {
        kind: replace(each, pooled=True, start=0.25)
        for kind, each in case.machine.processors.items()
    }
    machine = replace(case.machine, runtime=costs, processors=processors)
    run = case.run(machine=machine)
    assume(run.outcome.ok)
    assert_recomputed(run.outcome, run.trace)


def mapper_of(program: Application, draw: random.Random) -> str:
    """The expert's mapper with random memories, layouts and limits for some tasks."""
    lines = [program.mappers["expert"]]
    for task in draw.sample(sorted(program.tasks), 2):
        more = [
            f"Region {task} * GPU ZCMEM;",
            f"Layout {task} * * AOS;",
            f"InstanceLimit {task} {draw.choice([1, 2])};",
        ]
        lines += draw.sample(more, 1)
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "on", "nodes"), RUNS)
def test_of_random_mappers(name: str, on: str, nodes: int) -> None:
    program, draw = Application.load(name, nodes=nodes), random.Random(name)
    evaluator = Evaluator(program, Machine.load(on, nodes=nodes))
    texts = [program.mappers["expert"], *(mapper_of(program, draw) for _ in range(8))]
    found = [evaluator.trace(dsl.parse(text)) for text in texts]
    ran = [(outcome, trace) for outcome, trace in found if trace is not None]
    assert len(ran) > 1
    for outcome, trace in ran[:3]:
        assert_recomputed(outcome, trace)


def test_of_what_eval_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that stands in the JSON, and no figure beside it."""
    program = Application.load("circuit", wires=200, circuit_nodes=100)
    mapper = tmp_path / "expert.mapper"
    mapper.write_text(program.mappers["expert"], encoding="utf-8")
    sizes = ["-p", "wires=200", "-p", "circuit_nodes=100"]
    assert main(["eval", str(mapper), "--app", "circuit", *sizes, "--profile", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    evaluator = Evaluator(program, Machine.load("p100x4"))
    _, trace = evaluator.trace(dsl.parse(program.mappers["expert"]))
    assert trace is not None
    wanted = Recomputed(trace)
    profile = printed.pop("profile")
    profile["critical_path"] = by_what(profile["critical_path"])
    assert differences(profile, wanted.profile(), profile["iteration"]) == []
    times = wanted.outcome()
    least = evaluator.simulator.floor.seconds
    times |= {"floor": least, "of_floor": least / times["iteration"]}
    for name, key in (("expert", "expert"), ("reference", "reference_throughput")):
        times |= {key: times["throughput"], f"over_{name}": 1.0}
    assert differences({key: printed.pop(key) for key in times}, times, 1.0) == []
    left = sum(part["seconds"] for part in printed.pop("left"))
    assert left == pytest.approx(times["iteration"] - least)
    assert not any(isinstance(value, float) for value in printed.values())
