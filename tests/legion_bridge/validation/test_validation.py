"""Simulated runs beside measured ones: what is simulated, and how agreement is told."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

import dsl
from legion_bridge import (
    Application,
    BridgeError,
    Machine,
    MachineError,
    MeasurementError,
    ValidatedRow,
    validate,
)
from legion_bridge.validation import Measurement, agreement
from legion_bridge.validation.reference_mappers import mapper_of
from legion_bridge.validation.scatter import agreement_figure, plot_agreement

DATA = Path(__file__).parents[2] / "data"


def measurement(application: str = "stencil", **changes) -> Measurement:
    given = {
        "parameters": MappingProxyType({"nodes": 1}),
        "mapper": "expert",
        "label": "expert",
        "column": "elapsed_s",
        "place": "runs.json: rows[0]",
        "quantity": "seconds",
        "value": 1.0,
        **changes,
    }
    return Measurement(application, **given)


def row(
    measured: float | None, simulated: float | None, label: str = "expert", size: int = 1
) -> ValidatedRow:
    return ValidatedRow(
        measurement=measurement(
            value=measured, label=label, parameters=MappingProxyType({"nodes": 1, "nx": size})
        ),
        simulated=simulated,
        simulated_seconds=simulated,
        measured_seconds=measured,
        status="out of memory" if simulated is None else "ok",
        raw="",
        unit="s",
        work=float(size),
        work_unit="points/s",
    )


@pytest.fixture
def written(tmp_path):
    def write(*rows, **shared):
        path = tmp_path / "runs.json"
        path.write_text(json.dumps({"rows": rows, **shared}))
        return path

    return write


# --- which mapper a row ran under


@pytest.mark.parametrize("name", ["cannon", "summa", "pumma", "solomonik"])
@pytest.mark.parametrize(("nodes", "limited"), [(1, False), (4, False), (8, True), (32, True)])
@pytest.mark.parametrize("mapper", ["expert", "default"])
def test_limits_hold_at_the_node_counts_that_had_them(name, nodes, limited, mapper):
    application = Application.load(name, nodes=nodes)
    given = measurement(name, mapper=mapper, parameters=MappingProxyType({"nodes": nodes}))
    limits = [s for s in mapper_of(given, application).statements
              if isinstance(s, dsl.syntax.InstanceLimit)]  # fmt: skip
    assert bool(limits) == limited
    said = replace(given, traits=MappingProxyType({"limits": not limited}))
    other = [s for s in mapper_of(said, application).statements
             if isinstance(s, dsl.syntax.InstanceLimit)]  # fmt: skip
    assert bool(other) != limited


def test_nothing_but_limits_is_taken_from_a_mapper():
    application = Application.load("cannon")
    kept = mapper_of(measurement("cannon"), application).statements
    whole = dsl.parse(application.mappers["expert"]).statements
    assert [s for s in whole if not isinstance(s, dsl.syntax.InstanceLimit)] == list(kept)


@pytest.mark.parametrize(("ntx", "nty", "nodes"), [(4, 2, 2), (4, 4, 4), (2, 8, 4), (8, 4, 8)])
def test_blocks_give_each_node_two_by_two_tiles(ntx, nty, nodes):
    application = Application.load("stencil", nodes=nodes, nx=999, ny=999, ntx=ntx, nty=nty)
    given = measurement(traits=MappingProxyType({"dim": 2}))
    mapper = dsl.load(mapper_of(given, application), Machine.load("lassen", nodes=nodes).shape)
    places = mapper.index_map("stencil", "GPU", (ntx * nty,)).tolist()
    assert len({tuple(place) for place in places}) == ntx * nty
    for i, (node, gpu) in enumerate(places):
        x, y = i % ntx, i // ntx
        assert node == (y // 2) * (ntx // 2) + x // 2
        assert gpu == (y % 2) * 2 + x % 2


@pytest.mark.parametrize(
    ("application", "changes", "sentence"),
    [
        ("stencil", {"traits": {"dim": 3}}, "rows[0]: dim must be 1, or 2 for the stencil"),
        ("circuit", {"traits": {"dim": 2}}, "rows[0]: dim must be 1, or 2 for the stencil"),
        ("cannon", {"traits": {"limits": 1}}, "rows[0]: limits must be true or false, not 1"),
        ("stencil", {"mapper": "absent.map"}, "rows[0]: cannot read the mapper absent.map: no "),
    ],
)
def test_a_row_that_asks_for_no_mapper_is_refused(application, changes, sentence):
    with pytest.raises(MeasurementError) as error:
        mapper_of(measurement(application, **changes), Application.load(application))
    assert sentence in str(error.value)


def test_odd_tiles_make_no_blocks():
    application = Application.load("stencil", ntx=3, nty=2)
    with pytest.raises(MeasurementError, match=r"3 x 2 tiles make no blocks of 2 x 2"):
        mapper_of(measurement(traits={"dim": 2}), application)


# --- what is simulated


def test_seconds_and_throughputs_are_of_the_same_run(written):
    path = written(
        {"alg": "cannon", "nodes": 1, "n": 20000, "cpp": 27118.0},
        {"alg": "cannon", "nodes": 1, "n": 20000, "cpp_sec": 0.59},
        {"alg": "cannon", "nodes": 1, "n": 20000, "elapsed_s": 5.9},
    )
    per_node, once, all_ten = validate(path).rows
    assert per_node.simulated == pytest.approx(2 * 20000**3 / 1e9 / once.simulated, rel=1e-4)
    assert all_ten.simulated == pytest.approx(10 * once.simulated)
    assert [r.unit for r in (per_node, once)] == ["GFLOP/s a node", "s"]
    assert per_node.measured_seconds == pytest.approx(0.59, rel=1e-3)


def test_a_throughput_is_per_node(written):
    path = written({"alg": "summa", "nodes": 4, "n": 40000, "dsl": 10000.0})
    (found,) = validate(path).rows
    assert found.measured_seconds == pytest.approx(2 * 40000**3 / 1e9 / 4 / 10000.0, rel=1e-4)
    assert found.simulated * found.simulated_seconds == pytest.approx(
        found.measured * found.measured_seconds
    )


def test_the_steps_of_the_stencil_are_those_of_the_file(written):
    rows = {"nodes": 1, "nx": 2000, "ny": 2000, "ntx": 2, "nty": 2, "elapsed_s": 0.1}
    (ten,) = validate(written({**rows, "steps": 10})).rows
    (fifty,) = validate(written({**rows, "steps": 50})).rows
    assert fifty.simulated == pytest.approx(5 * ten.simulated)


def test_a_mapper_of_ones_own_is_simulated(written, tmp_path):
    text = Application.load("stencil").mappers["default"].replace("FBMEM", "ZCMEM")
    (tmp_path / "slow.map").write_text(text)
    row = {"app": "stencil", "nodes": 1, "nx": 6000, "ny": 6000, "elapsed_s": 0.1}
    expert, mine = validate(written(row, {**row, "mapper": "slow.map"})).rows
    assert mine.simulated > 2 * expert.simulated
    assert mine.measurement.label == "slow"


def test_the_machine_may_be_a_file_and_is_sized_by_each_row(written, tmp_path):
    slow = Machine.load("lassen").source.replace("dgemm = 7.64e12", "dgemm = 0.764e12")
    path = tmp_path / "slow.toml"
    path.write_text(slow)
    rows = [{"alg": "cannon", "nodes": n, "cpp": 1.0} for n in (1, 2)]
    normal, slowed = validate(written(*rows)), validate(written(*rows), path)
    assert slowed.rows[0].simulated < normal.rows[0].simulated / 8
    assert slowed.rows[1].simulated < normal.rows[1].simulated
    with pytest.raises(MachineError, match="unknown machine 'lasen'"):
        validate(written(*rows), "lasen")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n": 1}, r"rows\[0\]: cannon: matrices of 1 rows cannot be cut"),
        ({"alg": "johnson", "ranks_per_node": 3}, r"rows\[0\]: 4 GPU cannot be shared by 3 ranks"),
    ],
)
def test_a_run_that_cannot_be_built_is_told_with_its_row(written, changes, sentence):
    with pytest.raises(MeasurementError, match=sentence):
        validate(written({"alg": "cannon", "nodes": 1, "n": 20000, "cpp": 1.0, **changes}))


def test_progress_is_reported(written):
    seen = []
    rows = [{"alg": "cannon", "nodes": 1, "n": 2000, "cpp": 1.0, "dft": 1.0}] * 2
    validate(written(*rows), report=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


# --- how agreement is told


def test_errors_are_relative_to_the_measured_and_a_failed_run_counts_in_full():
    found = agreement([row(1.0, 1.1), row(2.0, 1.0, size=2), row(4.0, None, size=3)])
    assert found.median_error == pytest.approx(0.5)
    assert found.p90_error == pytest.approx(0.9)
    assert found.out_of_memory_false == 1


def test_pairs_of_mappers_of_a_configuration_are_ordered():
    rows = [row(1.0, 1.0, "a"), row(2.0, 3.0, "b"), row(1.5, 4.0, "c"), row(1.02, 9.0, "d")]
    found = agreement(rows)
    assert found.pairs == 5  # all of the six but a and d, which differ by 2 %
    assert found.pairs_right == 2  # b and c, c and d, b and d are the wrong way round
    assert found.order == pytest.approx(0.4)


def test_mappers_of_different_configurations_are_no_pair():
    found = agreement([row(1.0, 2.0, "a", 1), row(2.0, 1.0, "b", 2)])
    assert (found.pairs, found.order, found.tau_within) == (0, None, None)
    assert found.tau == pytest.approx(-1.0)


def test_several_measurements_of_a_mapper_are_one():
    rows = [row(1.0, 1.2), row(1.2, 1.2), row(2.0, 2.5, "default")]
    found = agreement(rows)
    assert (found.rows, found.pairs, found.pairs_right, found.tau_within) == (3, 1, 1, 1.0)


def test_tau_of_throughputs_is_of_work_over_seconds():
    # The larger runs take longer, and do more a second.
    found = agreement([row(1.0, 2.0, size=1), row(2.0, 1.5, size=8), row(3.0, 2.5, size=90)])
    assert (found.tau, found.tau_throughput) == (pytest.approx(1 / 3), pytest.approx(1.0))


def test_throughputs_of_different_units_have_no_order():
    other = replace(row(2.0, 2.0), work_unit="wires/s")
    assert agreement([row(1.0, 1.0), other]).tau_throughput is None


def test_tau_is_the_mean_of_the_configurations():
    rows = [
        row(1.0, 1.0, "a", 1), row(2.0, 2.0, "b", 1),
        row(1.0, 2.0, "a", 2), row(2.0, 1.0, "b", 2),
        row(1.0, 1.0, "a", 3), row(2.0, 1.0, "b", 3),  # tells none from the other
        row(1.0, 1.0, "a", 4), row(1.0, 2.0, "b", 4),  # equally fast: has no order
    ]  # fmt: skip
    found = agreement(rows)
    assert (found.configurations, found.tau_within) == (3, pytest.approx(0.0))


def test_a_run_that_fails_in_simulation_is_slower_than_all():
    found = agreement([row(1.0, None, "a"), row(2.0, 2.0, "b")])
    assert (found.pairs, found.pairs_right) == (1, 0)


def test_out_of_memory_is_counted_on_both_sides():
    rows = [row(None, None), row(None, 1.0), row(1.0, None), row(1.0, 1.0)]
    found = agreement(rows)
    assert found.out_of_memory == 2
    assert found.out_of_memory_found == 1
    assert found.out_of_memory_false == 1
    assert found.pairs == 0


def test_nothing_measured_is_no_agreement():
    found = agreement([row(None, 1.0)])
    assert (found.median_error, found.p90_error, found.tau, found.order) == (None,) * 4


def test_ratios_are_simulated_over_measured():
    assert row(2.0, 3.0).ratio == pytest.approx(1.5)
    assert row(2.0, 3.0).error == pytest.approx(0.5)
    assert (row(None, 3.0).ratio, row(None, 3.0).error) == (None, None)
    assert (row(2.0, None).ratio, row(2.0, None).error) == (None, 1.0)


# --- the whole


def test_the_measured_multiplications_are_validated():
    found = validate(DATA / "measured_gemm.json")
    assert len(found.rows) == 84
    assert list(found.by_application) == [
        "cannon", "pumma", "summa", "solomonik", "johnson", "cosma"
    ]  # fmt: skip
    assert found.overall.failed == 0
    assert sum(a.rows for a in found.by_application.values()) == 84
    one_node = [r for r in found.rows if r.measurement.nodes == 1]
    assert all(0.6 < r.ratio < 1.6 for r in one_node)
    # The same mapper, whoever measured it, has the same simulated time.
    simulated = {(r.measurement.configuration, r.measurement.label): r.simulated
                 for r in found.rows}  # fmt: skip
    assert all(
        simulated[r.measurement.configuration, r.measurement.label] == r.simulated
        for r in found.rows
    )


def test_ranks_of_a_multiplication_are_spread_in_turn(written):
    path = written({"alg": "cosma", "nodes": 4, "n": 8000, "cpp": 1.0})
    (spread,) = validate(path).rows
    application = Application.load("cosma", nodes=4, n=8000, ranks_per_node=4)
    assert spread.measurement.parameters["ranks_per_node"] == 4
    machine = Machine.load("lassen", nodes=4)
    from legion_bridge import Evaluator

    text = dsl.parse(application.mappers["expert"])
    elapsed = [
        Evaluator(application, machine.with_ranks(4, placement)).evaluate(text).elapsed
        for placement in ("cyclic", "packed")
    ]
    assert spread.simulated_seconds == pytest.approx(elapsed[0] / application.timed)
    assert not math.isclose(elapsed[0], elapsed[1], rel_tol=1e-3)


def test_the_picture_holds_every_run_that_has_two_times(written, tmp_path):
    rows = [
        {"alg": a, "nodes": 1, "n": 4000, "cpp": 9000.0, "dft": 0} for a in ("cannon", "summa")
    ]
    found = validate(written(*rows))
    figure = agreement_figure(found)
    (axes,) = figure.axes
    scattered = [c for c in axes.collections if c.get_label() in ("cannon", "summa")]
    assert [len(c.get_offsets()) for c in scattered] == [1, 1]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    colours = {tuple(c.get_facecolor()[0]) for c in scattered}
    assert len(colours) == 2
    plot_agreement(found, tmp_path / "agreement.png")
    assert (tmp_path / "agreement.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_nothing_is_refused(written, tmp_path):
    lost = validate(written({"alg": "cannon", "nodes": 1, "n": 4000, "cpp": 0}))
    with pytest.raises(BridgeError, match="nothing to draw"):
        plot_agreement(lost, tmp_path / "agreement.png")
    drawn = validate(written({"alg": "cannon", "nodes": 1, "n": 4000, "cpp": 1.0}))
    with pytest.raises(BridgeError, match="no picture can be written"):
        plot_agreement(drawn, tmp_path / "agreement.words")
