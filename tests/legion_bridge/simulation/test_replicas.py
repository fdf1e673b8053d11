"""One of several replicas tells what all do, to the bit; what is none is simulated whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dsl
from legion_bridge import evaluator as evaluators
from legion_bridge.evaluator import Evaluator
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import Application
from legion_bridge.simulation import replicas
from legion_bridge.simulation.replicas import simulate_replicas
from legion_bridge.simulation.simulator import Simulator


def model(batch: int, tensor: int, stages: int, **more: Any) -> Application:
    """A small language model, cut into pieces."""
    nodes = max(1, batch * tensor * stages // 8)
    sizes = {"layers": stages * 2, "hidden": 256, "heads": 8, "batch": 4 * batch, "steps": 2}
    sizes |= {"prune": 1, **more}
    return Application.load(
        "gpt", nodes=nodes, batch_pieces=batch, tensor_pieces=tensor, stages=stages, **sizes
    )


def on(application: Application, name: str = "a100x8-nccl") -> Machine:
    return Machine.load(name, nodes=int(application.parameters["nodes"]))


def together(application: Application, machine: Machine, text: str | None = None) -> Any:
    return simulate_replicas(
        application, machine, dsl.parse(text or application.mappers["expert"])
    )


def whole(application: Application, machine: Machine) -> Outcome:
    simulator = Simulator(application, machine)
    decisions = simulator.decide_program(dsl.parse(application.mappers["expert"]))
    assert not isinstance(decisions, Outcome)
    return simulator.run_decisions(decisions)


@pytest.mark.parametrize(
    ("batch", "tensor", "stages", "more"),
    [
        (2, 8, 1, {}),
        (3, 8, 2, {"recompute": 2}),
        (4, 4, 2, {"steps": 4, "prune": 4}),
        (2, 2, 4, {"blocks": 2}),
    ],
)
def test_one_replica_takes_as_long_as_all(
    batch: int, tensor: int, stages: int, more: dict[str, int]
) -> None:
    application = model(batch, tensor, stages, **more)
    found = together(application, on(application))
    assert found == whole(application, on(application))
    assert found.ok
    assert found.collective == "nccl"


def test_a_replica_that_does_not_fit_fails_as_all_do() -> None:
    application = model(2, 8, 1, hidden=1 << 16, heads=64, layers=4)
    found = together(application, on(application))
    assert found == whole(application, on(application))
    assert "failed allocation" in found.raw


def spoilt_work(application: Application) -> Application:
    """One point of one launch has more to do than that of the other places."""
    first, *others = application.loop
    flops = first.work.flops.copy()
    flops[-1] += 1.0
    changed = replace(first, work=replace(first.work, flops=flops))
    return replace(application, loop=(changed, *others))


def spoilt_pieces(application: Application) -> Application:
    """Places share some of their tokens."""
    rows = application.partitions["token_rows"]
    pieces = rows.pieces.copy()
    pieces[1, 0, 0] -= 1
    changed = {**application.partitions, "token_rows": replace(rows, pieces=pieces)}
    return replace(application, partitions=changed)


def elsewhere(application: Application) -> str:
    """What is launched for all places together runs at the second."""
    text = application.mappers["expert"]
    place = "def second(Task t) { return mgpu[1, 0]; }\nIndexTaskMap norm second;\n"
    return text.replace("IndexTaskMap GPU", place + "IndexTaskMap GPU", 1)


WHOLE = {
    "sharded state": (model(2, 8, 1, shards=1), "a100x8-nccl", None),
    "two replicas on a node": (model(2, 4, 1), "a100x8-nccl", None),
    "folds in turn": (model(2, 8, 1), "a100x8", None),
    "unequal work": (spoilt_work(model(2, 8, 1)), "a100x8-nccl", None),
    "shared tokens": (spoilt_pieces(model(2, 8, 1)), "a100x8-nccl", None),
    "sums in the host's memory": (
        model(2, 8, 1),
        "a100x8-nccl",
        "Region * layer_gradients GPU ZCMEM;\n" + model(2, 8, 1).mappers["expert"],
    ),
    "norm of the second place": (
        model(2, 8, 1),
        "a100x8-nccl",
        elsewhere(model(2, 8, 1)),
    ),
    "another application": (Application.load("stencil", nodes=2), "a100x8-nccl", None),
}


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_what_are_no_replicas_is_not_taken_for_them(case: tuple[Any, str, str | None]) -> None:
    application, machine, text = case
    found = together(application, on(application, machine), text)
    assert found is None


def test_places_whose_processors_lie_otherwise_are_no_replicas() -> None:
    """The tensor pieces of the second place lie the other way round."""
    application = model(2, 8, 1)
    text = application.mappers["expert"].replace("+ p[3];", "+ (p[2] > 0 ? 7 - p[3] : p[3]);")
    assert text != application.mappers["expert"]
    assert together(application, on(application), text) is None


def test_large_programs_are_simulated_by_one_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    application = model(2, 8, 1)
    expected = whole(application, on(application))
    monkeypatch.setattr(evaluators, "LARGE", 0)
    monkeypatch.setattr(Simulator, "run_decisions", None)
    found = Evaluator(application, on(application)).evaluate(
        dsl.parse(application.mappers["expert"]), profile=True
    )
    assert found == expected
    monkeypatch.undo()
    wrong = "Task * GPU; Region * * GPU FBMEM; gpus = Machine(GPU);\n"
    wrong += "def no(Task t) { return gpus[9, 9]; } IndexTaskMap GPU no;"
    expected = Evaluator(application, on(application)).evaluate(dsl.parse(wrong))
    monkeypatch.setattr(evaluators, "LARGE", 0)
    assert Evaluator(application, on(application)).evaluate(dsl.parse(wrong)) == expected
    assert expected.status == "execution_error"


def test_processors_are_counterparts_one_by_one() -> None:
    """Two GPUs of one place and a single one of the other are no counterparts."""
    application = model(2, 2, 1)
    text = application.mappers["expert"].replace(
        "return all[i % all.size[0]];",
        "return mgpu[p[2] % mgpu.size[0], p[2] > 0 ? 0 : p[3]];",
    )
    assert text != application.mappers["expert"]
    machine = Machine.load("a100x8-nccl", nodes=2)
    assert together(application, machine, text) is None


@pytest.mark.parametrize(
    ("lower", "upper", "apart"),
    [([4, 0], [5, 3], True), ([0, 4], [4, 5], False), ([0, 4, 8], [3, 7, 9], True)],
)
def test_intervals_are_apart(lower: list[int], upper: list[int], apart: bool) -> None:
    assert replicas._are_apart(np.array(lower), np.array(upper)) == apart
