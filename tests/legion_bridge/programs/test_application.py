"""The data model: what it accepts, what it refuses, and what it tells the language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from legion_bridge.applications import application_names
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    Partition,
    Region,
    Requirement,
    TaskKind,
    Work,
)
from legion_bridge.programs.application_json import write_application


def small() -> Application:
    """Two points that write halves of a line, and a child of each that reads them."""
    halves = np.array([[[0], [4]], [[5], [9]]])
    written = Requirement("line", "halves", "WRITE_ONLY", ("value",))
    read = Requirement("line", "halves", "READ_ONLY", ("value",))
    return Application(
        name="small",
        summary="As small as can be",
        parameters={"points": 10},
        task_kinds={n: TaskKind(n, ("CPU", "GPU")) for n in ("write", "read")},
        regions={"line": Region("line", (0,), (9,), (Field("value", 8), Field("other", 1)))},
        partitions={"halves": Partition("halves", "line", halves)},
        setup=(),
        loop=(
            Launch("write", (2,), (written,), Work.of(2, 1, traffic=40)),
            Launch("read", (3,), (read,), Work.of(6, 1), colors=(np.zeros(6, int),), parent=0),
        ),
        warmup=1,
        timed=2,
        traced=False,
        work=10.0,
        unit="points/s",
    )


def with_launch(number: int, **changes: Any) -> Application:
    application = small()
    loop = list(application.loop)
    loop[number] = replace(loop[number], **changes)
    return replace(application, loop=tuple(loop))


def requirement(**changes: Any) -> tuple[Requirement, ...]:
    return (replace(small().loop[0].requirements[0], **changes),)


def test_a_small_application_is_valid() -> None:
    small().validate()


@pytest.mark.parametrize("name", application_names())
def test_every_built_in_application_is_valid(name: str) -> None:
    application = Application.load(name)
    application.validate()
    assert application.name == name
    assert application.parameters
    assert {"expert", "default"} <= set(application.mappers)
    assert all(launch.work.flops.min(initial=0) >= 0 for launch in application.launches())


@pytest.mark.parametrize("name", application_names())
def test_parameters_build_the_same_again(name: str) -> None:
    first = Application.load(name, nodes=2)
    again = Application.load(name, **first.parameters)
    assert again.parameters == first.parameters
    for one, other in zip(first.launches(), again.launches(), strict=True):
        assert (one.work.traffic == other.work.traffic).all()


@pytest.mark.parametrize(
    ("application", "sentence"),
    [
        (with_launch(0, task="wirte"), "no such task"),
        (with_launch(1, parent=1), "its parent must be an earlier launch"),
        (with_launch(0, after=(7,)), "waits for a launch that is not there"),
        (with_launch(0, lower=(0, 0)), "one lower bound a dimension"),
        (with_launch(0, work=Work.of(3, 1)), "its work must have 2 points"),
        (with_launch(0, work=Work.of(2, 1, rate="fp4")), "its rate is none of"),
        (with_launch(0, work=Work.of(2, 1, side=0)), "side of its products must be at least 1"),
        (with_launch(0, work=Work.of(3, 1, side=8)), "its work must have 2 points"),
        (with_launch(0, colors=(None, None)), "given for every requirement"),
        (with_launch(0, colors=(np.array([0, 2]),)), "must each take one of 2 pieces"),
        (with_launch(0, requirements=requirement(region="lime")), "no region 'lime'"),
        (with_launch(0, requirements=requirement(partition="thirds")), "is no partition of"),
        (with_launch(0, requirements=requirement(fields=("colour",))), "no field 'colour'"),
        (with_launch(0, requirements=requirement(privilege="REDUCE")), "needs its operator"),
        (with_launch(0, requirements=requirement(privilege="READ")), "unknown privilege"),
    ],
)
def test_what_does_not_hang_together_is_refused(application: Application, sentence: str) -> None:
    with pytest.raises(ApplicationError, match=sentence):
        application.validate()


def test_points_of_a_child_are_those_of_all_its_parents() -> None:
    application = small()
    assert application.points(application.loop, 1) == 6


def test_a_summary_tells_what_launches_have_in_common() -> None:
    tasks = small().tasks
    assert list(tasks) == ["write", "read"]
    assert tasks["read"].parents == ("write",)
    assert tasks["write"].launch_domains == ((2,),)
    assert not tasks["write"].launched_singly
    (written,) = tasks["write"].requirements
    assert written.names == ("halves", "line", "0")
    assert (written.piece_bytes, written.dimension) == (40, 1)


def test_a_task_launched_over_two_partitions_knows_both_by_name() -> None:
    names = Application.load("pennant").tasks["adv_pos_half"].requirements[0].names
    assert names == ("rp_all", "0", "rp_all_private_p", "rp_all_shared_p")


def test_a_summary_tells_what_need_not_be_decided() -> None:
    tasks = Application.load("cannon").tasks
    assert [name for name, task in tasks.items() if not task.in_loop] == [
        "init_cublas",
        "taco_validate",
    ]
    assert all(r.virtual for r in tasks["task_5"].requirements)
    assert not any(r.virtual for r in tasks["task_4"].requirements)


def test_an_unknown_application_names_the_nearest() -> None:
    with pytest.raises(ApplicationError, match="did you mean stencil"):
        Application.load("stensil")


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"nxx": 5}, "stencil has no parameter 'nxx': did you mean nx[?]"),
        ({"nx": -5}, "nx must be a whole number"),
        ({"nx": 2.5}, "nx must be a whole number"),
        ({"nx": "many"}, "nx must be a whole number"),
        ({"nx": True}, "nx must be a whole number"),
        ({"nodes": 0}, "nodes must be from 1 to 12,500"),
    ],
)
def test_a_wrong_parameter_gets_a_sentence(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApplicationError, match=sentence):
        Application.load("stencil", **parameters)


def test_an_application_loads_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    write_application(small(), path)
    assert Application.load(str(path)).name == "small"
    with pytest.raises(ApplicationError, match="has its sizes; give none"):
        Application.load(str(path), points=20)
