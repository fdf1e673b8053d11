"""Pennant: its table of launches, its strips of the mesh, and its clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, Launch


@pytest.fixture(scope="module")
def leblanc() -> Application:
    """The run of 7,372,800 zones a strip."""
    return Application.load("pennant", nodes=2, zones_x=320, zones_y=184320)


def index_launches(pennant: Application) -> list[Launch]:
    return [launch for launch in pennant.loop if not launch.single]


def data_arguments(launch: Launch) -> int:
    return sum(r.privilege != "NO_ACCESS" for r in launch.requirements)


def test_27_index_launches_of_23_tasks(leblanc: Application) -> None:
    launches = index_launches(leblanc)
    assert len(launches) == 27
    once = {launch.task: launch for launch in launches}
    assert len(once) == 23
    assert sum(map(data_arguments, launches)) == 88
    assert sum(map(data_arguments, once.values())) == 81


def test_34_tasks_of_the_source(leblanc: Application) -> None:
    assert len([name for name in leblanc.tasks if not name.startswith("__")]) == 34


def test_scalars_pass_through_single_tasks_on_the_host(leblanc: Application) -> None:
    singles = [launch.task for launch in leblanc.loop if launch.single]
    assert singles.count("continue_simulation") == 2
    assert singles.count("calc_global_dt") == 1
    assert len([name for name in singles if name.startswith("__")]) == 6
    assert all(leblanc.task_kinds[name].variants == ("CPU",) for name in singles)


def test_requirements_without_access_consume_an_index(leblanc: Application) -> None:
    silent = {
        launch.task: [i for i, r in enumerate(launch.requirements) if r.privilege == "NO_ACCESS"]
        for launch in index_launches(leblanc)
    }
    assert {task: found for task, found in silent.items() if found} == {
        "calc_char_len": [2, 3],
        "calc_force_pgas_tts": [1, 2],
        "qcs_force": [0, 1, 2],
    }


def test_bytes_of_zones_points_and_sides(leblanc: Application) -> None:
    sizes = {n: sum(f.bytes for f in r.fields) for n, r in leblanc.regions.items()}
    assert sizes == {"rz_all": 185, "rp_all": 122, "rs_all": 258}


def test_a_cycle_of_a_strip_moves_30_gigabytes(leblanc: Application) -> None:
    works = [launch.work for launch in index_launches(leblanc)]
    assert sum(work.traffic[1].sum() for work in works) == pytest.approx(30.2e9, rel=5e-3)
    assert sum(work.flops[1] for work in works) == pytest.approx(9e9, rel=0.02)
    assert sum(work.kernels for work in works) == 43


def test_the_length_of_the_step_closes_a_cycle(leblanc: Application) -> None:
    # dt of this cycle needs the minimum of the last one, which comes after the last launch.
    number = {launch.task: i for i, launch in enumerate(leblanc.loop)}
    dt, minimum = leblanc.loop[number["calc_global_dt"]], number["__binary_double_min"]
    assert dt.after == (minimum,)
    assert minimum > number["calc_global_dt"]
    assert leblanc.loop[minimum].after == (number["calc_dt_hydro"],)
    clocked = [x.task for x in leblanc.loop if number["calc_global_dt"] in x.after]
    assert clocked[:2] == ["adv_pos_half"] * 2
    assert {"calc_work", "calc_dt_hydro", "__binary_double_plus"} < set(clocked)


def test_control_waits_for_the_test_of_the_loop(leblanc: Application) -> None:
    blocking = [launch.task for launch in leblanc.loop if launch.blocking]
    assert blocking == ["__binary_int64_equal", "__binary_int64_equal", "__unary_bool_not"]
    assert leblanc.loop[2].after[1] > 2  # the time after the running step


@settings(max_examples=60, deadline=None)
@given(x=st.integers(1, 40), rows=st.integers(2, 60), pieces=st.integers(1, 9))
def test_strips_share_what_lies_between_them(x: int, rows: int, pieces: int) -> None:
    y = rows * pieces
    pennant = Application.load("pennant", zones_x=x, zones_y=y, pieces=pieces)
    line = {n: p.pieces[:, :, 0] for n, p in pennant.partitions.items()}
    size = {n: np.maximum(b[:, 1] - b[:, 0] + 1, 0) for n, b in line.items()}
    assert size["rz_all_p"].sum() == x * y
    assert (size["rs_all_p"] == 4 * size["rz_all_p"]).all()
    between = (pieces - 1) * (x + 1)
    assert size["rp_all_shared_p"].sum() == between
    assert size["rp_all_private_p"].sum() == (x + 1) * (y + 1) - between
    assert size["rp_all_ghost_p"].sum() == 2 * between
    assert line["rp_all_private_p"][0, 0] == between
    for strip in range(pieces - 1):
        own, below = line["rp_all_shared_p"][strip], line["rp_all_ghost_p"][strip + 1]
        assert below[0] <= own[0] <= own[1] <= below[1]


@pytest.mark.parametrize("sizes", [{"zones_y": 7}, {"zones_x": 0}, {"steps": 0}])
def test_a_mesh_too_small_for_its_strips_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ApplicationError, match="cannot be cut into"):
        Application.load("pennant", **sizes)


def test_sides_overflow_zero_copy_memory_and_zones_only_in_the_large_run(
    leblanc: Application,
) -> None:
    zero_copy = 2_147_483_648
    default = Application.load("pennant")
    assert 4 * strip_bytes(default, "rz_all") < zero_copy < 4 * strip_bytes(default, "rs_all")
    assert 4 * strip_bytes(leblanc, "rz_all") > zero_copy


def strip_bytes(application: Application, region: str) -> int:
    """Bytes of all fields of the first strip."""
    first, last = application.partitions[f"{region}_p"].pieces[0, :, 0]
    return int(last - first + 1) * sum(f.bytes for f in application.regions[region].fields)


def test_updates_of_shared_points_go_line_by_line(leblanc: Application) -> None:
    mass = next(x for x in leblanc.loop if x.task == "sum_point_mass")
    ghost = 2 * 321
    assert mass.work.accesses[2].tolist() == [0, 0, ghost * 8 / 128, 0]
