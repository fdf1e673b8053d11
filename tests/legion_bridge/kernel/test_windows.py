"""Runs that go on: a plan is continued, and gives what a plan from the beginning gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import dsl
from legion_bridge import Application, Machine, _kernel
from legion_bridge.simulation.simulator import Simulator

from .broken_inputs import SAMPLE, WINDOW, Inputs, sample

LATER = (8, 20, 21)
Numbers = tuple[float, ...]
Window = tuple[int, int, int]

LIMITED = "Task * GPU; Region * * GPU FBMEM; InstanceLimit stencil 1; CollectMemory * *;"
FREE = "Task * GPU;"  # whichever processor is free takes a point


def inputs_of(name: str) -> Inputs:
    if name in SAMPLE:
        return sample(name)
    machine = Machine.load("p100x4")
    gpu = replace(machine.processors["GPU"], pooled=name == "unpinned")
    machine = replace(machine, processors={**machine.processors, "GPU": gpu})
    simulator = Simulator(Application.load("stencil", ntx=3, nty=3), machine)
    text = FREE if name == "unpinned" else LIMITED
    return Inputs.of(simulator, dsl.load(dsl.parse(text), simulator.machine.shape))


def once(window: Window) -> Callable[[Numbers, float, float], Window | None]:
    windows = [window]
    return lambda _timed, _busiest, _at_last: windows.pop() if windows else None


@pytest.mark.parametrize("name", [*SAMPLE, "limited", "unpinned"])
def test_a_longer_run_is_the_same_however_it_was_begun(name: str) -> None:
    inputs = inputs_of(name)
    prepared = _kernel.prepare(inputs.prepared)
    gone_on = _kernel.simulate(prepared, inputs.decisions, WINDOW, True, once(LATER))
    assert gone_on == _kernel.simulate(prepared, inputs.decisions, LATER, True)
    assert gone_on[0] == 0


def test_what_is_known_by_then_is_told() -> None:
    inputs, told = sample("pennant"), []
    prepared = _kernel.prepare(inputs.prepared)

    def more(timed: Numbers, busiest: float, at_last: float) -> None:
        told.append((timed, busiest, at_last))

    found = _kernel.simulate(prepared, inputs.decisions, WINDOW, False, more)
    first, end, iterations = WINDOW
    latest = (first + iterations - end, iterations, iterations)
    at_last = _kernel.simulate(prepared, inputs.decisions, latest, False)
    assert told == [(found[5], found[7], at_last[7])]


def test_an_answer_that_is_no_later_window() -> None:
    inputs = sample("pennant")
    prepared = _kernel.prepare(inputs.prepared)
    with pytest.raises(ValueError, match="must lie within the iterations"):
        _kernel.simulate(prepared, inputs.decisions, WINDOW, False, once((9, 8, 12)))
    with pytest.raises(ValueError, match="must not have fewer iterations"):
        _kernel.simulate(prepared, inputs.decisions, WINDOW, False, once((4, 8, 8)))
    with pytest.raises(TypeError):
        _kernel.simulate(prepared, inputs.decisions, WINDOW, False, once((1, 2)))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        _kernel.simulate(prepared, inputs.decisions, WINDOW, False, lambda *_: (1 // 0, 8, 9))
    assert _kernel.simulate(prepared, inputs.decisions, WINDOW, False)[0] == 0
