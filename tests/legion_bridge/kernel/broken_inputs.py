"""Inputs of the kernel with one array broken: it must refuse them, and stay within its arrays."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dsl
from legion_bridge import _kernel
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import Application
from legion_bridge.simulation.kernel_arrays import Arrays
from legion_bridge.simulation.replicas import ReplicaSimulator
from legion_bridge.simulation.simulator import Simulator

Array = NDArray[Any]

SAMPLE: dict[str, tuple[str, int, str, dict[str, int]]] = {
    # Nested launches, instance limits, collection, on two nodes.
    "cannon": ("expert", 2, "p100x4", {}),
    # Reductions that are folded by their launcher, and wider pieces.
    "solomonik": ("expert", 1, "p100x4", {}),
    # Zero-copy memory, folds and futures.
    "pennant": ("expert", 1, "p100x4", {}),
    # Collective operations, on two nodes.
    "transformer": ("expert", 2, "a100x8-nccl", {"layers": 1}),
    # The same by one of two replicas, which are the third dimension of all domains.
    "gpt": (
        "expert",
        2,
        "a100x8-nccl",
        {"layers": 2, "stages": 1, "batch_pieces": 2, "tensor_pieces": 8, "batch": 4},
    ),
}
WINDOW = (4, 8, 9)
FREE = {"slot_region", "limit", "launch_volume"}
"""Numbers that nothing is looked up by: any that is not below zero will do."""
HUGE = (2**63 - 1, 2**40)
NEGATIVE = (-2, -(2**63))
LINKS = {"route_links", "flow_links", "access_links"}
"""Numbers of the first link of a kind, for a processor 0 that may have none."""


@dataclass(frozen=True)
class Inputs:
    """All arrays of a run."""

    prepared: Arrays
    decisions: Arrays

    @classmethod
    def of(cls, simulator: Simulator, mapper: dsl.Mapper) -> Inputs:
        decisions = simulator.decide(mapper)
        assert not isinstance(decisions, Outcome), decisions.raw
        times = simulator._timer.times(decisions.launches)
        return cls(simulator._arrays, simulator._decided(decisions, times))

    @classmethod
    def of_replicas(cls, simulator: ReplicaSimulator, source: dsl.Program) -> Inputs:
        simulator.outcome(source, dsl.load(source, simulator.machine.shape))
        return cls.of(simulator, dsl.load(source, simulator.machine.shape))

    @property
    def arrays(self) -> Arrays:
        return {**self.prepared, **self.decisions}

    def with_array(self, name: str, array: object) -> Inputs:
        changed: Any = {name: array}
        if name in self.prepared:
            return Inputs({**self.prepared, **changed}, self.decisions)
        return Inputs(self.prepared, {**self.decisions, **changed})

    def simulate(self, *, trace: bool = False) -> tuple[Any, ...]:
        return _kernel.simulate(_kernel.prepare(self.prepared), self.decisions, WINDOW, trace)


def sample(name: str) -> Inputs:
    """The inputs of one run of the sample."""
    text, nodes, machine, sizes = SAMPLE[name]
    program = Application.load(name, **({"nodes": nodes} if nodes > 1 else {}), **sizes)
    on, source = Machine.load(machine, nodes=nodes), dsl.parse(program.mappers.get(text, text))
    if name == "gpt":
        return Inputs.of_replicas(ReplicaSimulator(program, on, 2, "timed"), source)
    simulator = Simulator(program, on)
    return Inputs.of(simulator, dsl.load(source, simulator.machine.shape))


def wrong_lengths(array: Array) -> Iterator[Array]:
    """Emptied, shortened and lengthened."""
    if array.size:
        yield array.ravel()[:0]
        yield array.ravel()[:-1]
    more = array.ravel()[-1:] if array.size else np.zeros(1, array.dtype)
    yield np.append(array, more)
    yield np.concatenate([array.ravel(), *[more] * 1000])


def places_of(inputs: Inputs, name: str) -> NDArray[np.int64]:
    """Where an array holds something that is used."""
    arrays = inputs.arrays
    if name not in LINKS:
        return np.arange(arrays[name].size)
    used = arrays[name.replace("links", "scopes")] >= 0
    kinds = arrays["processor_kind" if name == "access_links" else "memory_kind"]
    present = np.isin(np.arange(6), kinds)
    if name == "access_links":
        used &= present[:, None, None]
    else:
        used &= present[:, None, None, None] & present[None, :, None, None]
    return np.flatnonzero(used)


def wrong_values(inputs: Inputs, name: str) -> Iterator[Array]:
    """With one element that is out of range: at the beginning, in the middle and at the end."""
    array, places = inputs.arrays[name], places_of(inputs, name)
    if not places.size:
        return
    wrong: tuple[float, ...] = (*NEGATIVE[name in LINKS :], *(() if name in FREE else HUGE))
    if array.dtype == np.float64:
        wrong = (-1.0, np.nan, np.inf)
    for place in {int(places[0]), int(places[len(places) // 2]), int(places[-1])}:
        for value in wrong:
            broken = array.copy()
            broken.ravel()[place] = value
            yield broken


def random_breaks(inputs: Inputs, seed: int, count: int) -> Iterator[tuple[str, Array]]:
    """Some elements of one array exchanged for others that may be anything."""
    rng = random.Random(seed)
    arrays = {name: array for name, array in inputs.arrays.items() if array.size}
    sizes = sorted({array.size for array in arrays.values()})
    for _ in range(count):
        name = rng.choice(list(arrays))
        broken = arrays[name].copy()
        for _ in range(rng.choice([1, 1, 2, 10])):
            place = rng.randrange(broken.size)
            near = rng.choice(sizes) + rng.randint(-2, 1)
            value = rng.choice(
                [near, rng.randint(-1, 9), broken.ravel()[rng.randrange(broken.size)]]
            )
            broken.ravel()[place] = max(value, 0) if broken.dtype == np.float64 else value
        yield name, broken


def survive(seed: int, count: int) -> int:
    """Runs with random breaks; how many of them were not refused."""
    ran = 0
    for name in SAMPLE:
        inputs = sample(name)
        for array, broken in random_breaks(inputs, seed, count):
            try:
                inputs.with_array(array, broken).simulate()
            except ValueError:
                continue
            ran += 1
    return ran
