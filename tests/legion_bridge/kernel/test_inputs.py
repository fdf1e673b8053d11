"""The inputs of the kernel: it refuses what is missing, of another type, too short or too long.

A broken array that were not refused could crash the process that runs the tests.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from legion_bridge import _kernel
from legion_bridge.machines.flat_machine import MOST_LINKS
from legion_bridge.simulation.kernel_arrays import Operation, OperationKind, operations_of
from tests.legion_bridge import tiny

from . import broken_inputs
from .broken_inputs import WINDOW, Inputs

NAMES = [name for name, _, _ in _kernel.INPUTS]
PREPARED = [name for name, owner, _ in _kernel.INPUTS if owner != "decisions"]
FLOATS = [name for name, _, kind in _kernel.INPUTS if kind == "float64"]


@pytest.fixture(scope="module", params=list(broken_inputs.SAMPLE))
def inputs(request: pytest.FixtureRequest) -> Inputs:
    return broken_inputs.sample(request.param)


@pytest.fixture(scope="module")
def small() -> Inputs:
    line = tiny.region("line", 100)
    loop = [tiny.launch("put", tiny.writes("line")), tiny.launch("get", tiny.reads("line"))]
    run = tiny.run(tiny.application([line], loop), tiny.mapper(put=(0, 0), get=(0, 1)))
    decided = run.simulator._decided(run.decisions, run.trace.times)
    return Inputs(run.simulator._arrays, decided)


class TestWhole:
    def test_what_is_right_runs(self, inputs: Inputs) -> None:
        assert inputs.simulate()[0] == 0

    def test_the_list_is_that_of_both_sides(self, inputs: Inputs) -> None:
        assert len(set(NAMES)) == len(NAMES)
        assert list(inputs.prepared) == PREPARED
        assert set(inputs.decisions) == set(NAMES) - set(PREPARED)
        assert inputs.prepared["costs"].size == len(_kernel.COSTS)
        assert inputs.prepared["settings"].size == len(_kernel.SETTINGS)

    def test_the_trace_has_all_columns(self, inputs: Inputs) -> None:
        operations = operations_of(inputs.simulate(trace=True)[-1])
        assert all(getattr(operations, name) is not None for name in Operation._fields)
        assert set(operations.kind.tolist()) <= set(OperationKind)
        assert (operations.start <= operations.end).all()
        assert (operations.cause < len(operations.kind)).all()

    def test_every_array_is_used_by_some_run_of_the_sample(self) -> None:
        runs = [broken_inputs.sample(name).arrays for name in broken_inputs.SAMPLE]
        assert [name for name in NAMES if not any(run[name].size for run in runs)] == []

    @pytest.mark.parametrize("wrong", [(), [], None, 3])
    def test_no_dictionary(self, small: Inputs, wrong: Any) -> None:
        with pytest.raises(TypeError, match="dictionary of arrays"):
            _kernel.prepare(wrong)
        with pytest.raises(TypeError, match="dictionary of arrays"):
            _kernel.simulate(_kernel.prepare(small.prepared), wrong, WINDOW, False)

    @pytest.mark.parametrize("wrong", [None, {}, 3, np.zeros(3)])
    def test_nothing_that_was_prepared(self, small: Inputs, wrong: Any) -> None:
        with pytest.raises(TypeError, match="prepare"):
            _kernel.simulate(wrong, small.decisions, WINDOW, False)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_missing_array(self, small: Inputs, name: str) -> None:
        rest = [
            {key: array for key, array in arrays.items() if key != name}
            for arrays in (small.prepared, small.decisions)
        ]
        with pytest.raises(TypeError, match=f"the array {name} is missing"):
            Inputs(*rest).simulate()

    def test_an_array_too_many(self, small: Inputs) -> None:
        more = {"more": np.zeros(1)}
        with pytest.raises(TypeError, match="arrays where"):
            replace(small, prepared={**small.prepared, **more}).simulate()
        with pytest.raises(TypeError, match="arrays where"):
            replace(small, decisions={**small.decisions, **more}).simulate()


class TestTypes:
    @pytest.mark.parametrize("name", NAMES)
    def test_an_array_of_another_type(self, small: Inputs, name: str) -> None:
        other = np.int64 if name in FLOATS else np.float64
        for wrong in (other, np.float32, np.int32, np.uint64, bool):
            with pytest.raises(TypeError, match=f"the array {name} must be"):
                small.with_array(name, small.arrays[name].astype(wrong)).simulate()

    def test_an_array_with_gaps(self, small: Inputs) -> None:
        gaps = np.zeros(2 * len(small.decisions["seconds"]))[::2]
        with pytest.raises((TypeError, ValueError, BufferError)):
            small.with_array("seconds", gaps).simulate()

    @pytest.mark.parametrize("wrong", [[1, 2], "text", None, 1.5])
    def test_no_array(self, small: Inputs, wrong: Any) -> None:
        with pytest.raises(TypeError):
            small.with_array("processor", wrong).simulate()
        with pytest.raises(TypeError):
            small.with_array("privilege", wrong).simulate()

    def test_refused_arrays_are_let_go(self, small: Inputs) -> None:
        wrong = small.with_array("settings", small.arrays["settings"].astype(np.float64))
        wrong = wrong.with_array("limit", np.zeros(0))

        def counts() -> list[int]:
            both: list[Mapping[str, Any]] = [wrong.prepared, wrong.decisions]
            return [sys.getrefcount(array) for arrays in both for array in arrays.values()]

        prepared, before = _kernel.prepare(small.prepared), counts()
        for _ in range(5):
            with pytest.raises(TypeError):
                _kernel.prepare(wrong.prepared)
            with pytest.raises(TypeError):
                _kernel.simulate(prepared, wrong.decisions, WINDOW, False)
        assert counts() == before


@pytest.mark.parametrize("name", NAMES)
class TestBroken:
    def test_wrong_lengths(self, inputs: Inputs, name: str) -> None:
        """The sentence names the array, or the one that it is measured by."""
        for broken in broken_inputs.wrong_lengths(inputs.arrays[name]):
            with pytest.raises(ValueError, match=rf"\b{name}\b"):
                inputs.with_array(name, broken).simulate()

    def test_values_out_of_range(self, inputs: Inputs, name: str) -> None:
        for broken in broken_inputs.wrong_values(inputs, name):
            with pytest.raises(ValueError, match=rf"^{name}(\[\d+\] |: )"):
                inputs.with_array(name, broken).simulate()

    def test_values_just_out_of_range(self, inputs: Inputs, name: str) -> None:
        """The largest value that is right is found by asking; the next one is refused."""
        array, places = inputs.arrays[name], broken_inputs.places_of(inputs, name)
        free = {*broken_inputs.FREE, *broken_inputs.LINKS, "settings"}
        if name in FLOATS or name in free or not places.size:
            return
        broken = array.copy()
        broken.ravel()[places[-1]] = 2**40
        with pytest.raises(ValueError, match=name) as caught:
            inputs.with_array(name, broken).simulate()
        found = re.search(r"from (-?\d+) to (-?\d+)", str(caught.value))
        assert found is not None
        for wrong in (int(found[1]) - 1, int(found[2]) + 1):
            broken = array.copy()
            broken.ravel()[places[-1]] = wrong
            with pytest.raises(ValueError, match=rf"^{name}\["):
                inputs.with_array(name, broken).simulate()


class TestTogether:
    """Arrays of right lengths, whose values are in range, but do not fit together."""

    def test_random_breaks_do_no_harm(self) -> None:
        assert broken_inputs.survive(seed=1, count=300) > 0

    def test_links_without_bandwidth_do_not_hold_up_the_run(self) -> None:
        inputs = broken_inputs.sample("cannon")
        bandwidth = np.zeros_like(inputs.arrays["link_bandwidth"])
        status, *_ = inputs.with_array("link_bandwidth", bandwidth).simulate()
        assert status == 0

    def test_a_child_before_its_parent(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"launch_parent\[0\] is 1 and must be below it"):
            small.with_array("launch_parent", np.array([1, -1])).simulate()
        with pytest.raises(ValueError, match=r"point_parent\[0\] is 1, which its launch 0 does"):
            small.with_array("point_parent", np.array([1, -1])).simulate()

    def test_a_point_of_another_launch(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"point_parent\[0\] is -1, which its launch 1 does"):
            small.with_array("point_launch", np.array([1, 1])).simulate()

    def test_a_fold_without_a_parent(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"fold_into\[1\] is 0 and must be -1"):
            small.with_array("fold_into", np.array([-1, 0])).simulate()

    def test_data_that_is_nowhere(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"memory\[1\] is -1, but the requirement has data"):
            small.with_array("memory", np.array([0, -1])).simulate()

    def test_data_without_a_layout(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"layout\[1\] is -1, but the requirement has a mem"):
            small.with_array("layout", np.array([0, -1])).simulate()

    def test_bytes_that_lead_nowhere(self, small: Inputs) -> None:
        with pytest.raises(ValueError, match=r"link_memory\[0\] is -1, but link_bytes is above 0"):
            small.with_array("link_bytes", np.ones(2)).simulate()

    def test_atoms_that_do_not_ascend(self, inputs: Inputs) -> None:
        rows = np.diff(inputs.prepared["slot_atom_start"])
        if rows.max() < 2:
            return
        first = inputs.prepared["slot_atom_start"][rows.argmax()]
        values = inputs.prepared["slot_atom_values"].copy()
        values[[first, first + 1]] = values[[first + 1, first]]
        with pytest.raises(ValueError, match=rf"slot_atom_values\[{first + 1}\] .* must be above"):
            inputs.with_array("slot_atom_values", values).simulate()

    def test_a_wider_slot_that_is_none(self, inputs: Inputs) -> None:
        values = inputs.prepared["wider_values"].copy()
        if not values.size:
            return
        starts, atoms = inputs.prepared["slot_atom_start"], inputs.prepared["slot_atom_values"]
        rows = [set(row.tolist()) for row in np.split(atoms, starts[1:-1])]
        inner = int(np.searchsorted(inputs.prepared["wider_start"], 0, "right")) - 1
        values[0] = next(slot for slot, row in enumerate(rows) if not row >= rows[inner])
        with pytest.raises(ValueError, match=rf"does not contain slot {inner}$"):
            inputs.with_array("wider_values", values).simulate()

    @pytest.mark.parametrize("wrong", [-1, 2**20 + 1, 2**62])
    def test_settings(self, small: Inputs, wrong: int) -> None:
        settings = small.prepared["settings"].copy()
        settings[_kernel.SETTINGS.index("untraced")] = wrong
        with pytest.raises(ValueError, match="settings: untraced is"):
            small.with_array("settings", settings).simulate()

    @pytest.mark.parametrize(
        "wrong", [(0, 0, 0), (-1, 2, 3), (2, 1, 3), (1, 4, 3), (0, 1, 2**20 + 1), (0, 1, 2**62)]
    )
    def test_windows(self, small: Inputs, wrong: tuple[int, int, int]) -> None:
        prepared = _kernel.prepare(small.prepared)
        with pytest.raises(ValueError, match="the window must lie within the iterations"):
            _kernel.simulate(prepared, small.decisions, wrong, False)


def test_what_is_prepared_cannot_be_changed(small: Inputs) -> None:
    own = {name: array.copy() for name, array in small.prepared.items()}
    prepared = _kernel.prepare(own)
    before = _kernel.simulate(prepared, small.decisions, WINDOW, True)
    for array in own.values():
        array.fill(-7)
    assert _kernel.simulate(prepared, small.decisions, WINDOW, True) == before


def test_equal_input_gives_equal_output_from_many_threads(inputs: Inputs) -> None:
    """The kernel keeps nothing between calls, and lets other threads run meanwhile."""
    prepared, alone = _kernel.prepare(inputs.prepared), inputs.simulate(trace=True)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda _: _kernel.simulate(prepared, inputs.decisions, WINDOW, True), range(64)
            )
        )
    assert all(each == alone for each in found)


def test_links_are_as_many_on_both_sides(small: Inputs) -> None:
    assert small.prepared["route_links"].shape[-1] == MOST_LINKS
