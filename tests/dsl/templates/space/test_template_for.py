"""Templates that are written from the facts of a program."""

from __future__ import annotations

import random
from math import log2
from typing import get_args

import pytest

import dsl
from dsl.facts import Privilege
from dsl.templates.space.index_map_library import INDEX_MAPS, PAPER_MAPS, SHARDING_MAPS
from dsl.templates.space.parameters import Value
from dsl.templates.space.template_for import SPACES
from tests.dsl.facts import (
    CPU2,
    P100X4,
    TWO_NODES,
    Application,
    Machine,
    Need,
    Requirement,
    Task,
    program,
    stencil,
)


def multiply() -> Application:
    """Tasks within tasks, as in a matrix multiplication."""
    tiles = tuple(
        Requirement((name, str(i)), privilege, layout_need=Need(order="C_order", soa=True))
        for i, (name, privilege) in enumerate(
            [("A", "READ_WRITE"), ("B", "READ_ONLY"), ("C", "READ_ONLY")]
        )
    )
    return program(
        Task("fill", ("CPU", "OMP", "GPU"), (Requirement(("A", "0"), "WRITE_ONLY"),), ((4, 4),)),
        Task("strip", ("OMP",), tiles, ((2, 2),), inner=True),
        Task("half", ("GPU",), tiles, ((2, 2),), parents=("strip",), inner=True),
        Task("leaf", ("GPU",), tiles, (), parents=("half",), launched_singly=True),
        Task("check", ("CPU",), tiles[:1], ((4, 4),), finish_only=True),
    )


def points(template: dsl.Template, count: int) -> list[dict[str, Value]]:
    rng = random.Random(0)
    found = []
    for _ in range(count):
        values: dict[str, Value] = {}
        for name, parameter in template.parameters.items():
            if template.is_active(name, values):
                values[name] = rng.choice(list(parameter.values))
        found.append(values)
    return found


def test_the_paper_space_of_stencil() -> None:
    template = dsl.template_for(stencil(), P100X4)
    found = template.parameters
    assert found["proc.stencil"].choices == ("GPU", "CPU")
    assert found["mem.stencil.pxm_in"].choices == ("FBMEM", "ZCMEM", "SYSMEM")
    assert found["layout.increment.private"].choices == ("SOA", "AOS")
    assert found["order.increment.private"].choices == ("F_order", "C_order")
    assert found["align.stencil"].choices == ("none", "64", "128")
    assert found["map.stencil"].choices == ("none", *PAPER_MAPS)
    assert found["limit.stencil"].choices == ("none", "1", "2", "4")
    # 2 tasks and 12 arguments, as the paper counts: 2^38 with two memories and no maps.
    assert sum(name.startswith("mem.") for name in found) == 12
    assert len(found) == 2 + 3 * 12 + 3 * 2
    assert template.size == (1 * 4 * 3 * 5 + 1 * 4 * 3) ** 2 * (3 * 2 * 2) ** 12
    assert log2(template.size) == pytest.approx(55.4, abs=0.1)


def test_requirements_without_access_are_no_arguments() -> None:
    assert "NO_ACCESS" in get_args(Privilege)
    assert not any("inner" in name for name in dsl.template_for(stencil(), P100X4).parameters)


def test_regions_go_by_a_name_of_their_own_else_by_index() -> None:
    task = Task(
        "t",
        ("GPU", "CPU"),
        (
            Requirement(("part", "all", "0")),
            Requirement(("ghost", "all", "1")),
            Requirement(("part", "all", "2"), "READ_WRITE"),
            Requirement(("a.b", "Task", "3")),
        ),
        ((4,),),
    )
    names = dsl.template_for(program(task), P100X4).parameters
    assert [name for name in names if name.startswith("mem.")] == [
        "mem.t.0",
        "mem.t.ghost",
        "mem.t.2",
        "mem.t.3",
    ]


def test_only_kinds_that_task_and_machine_have() -> None:
    task = Task("t", ("CPU", "GPU", "OMP"), (Requirement(("r", "0")),), ((4,),))
    assert dsl.template_for(program(task), P100X4).parameters["proc.t"].choices == (
        "GPU",
        "OMP",
        "CPU",
    )
    alone = dsl.template_for(program(task), CPU2)
    assert "proc.t" not in alone.parameters
    assert "mem.t.r" not in alone.parameters  # there is one memory
    assert "IndexTaskMap t block1d_CPU;" in alone.render({**alone.defaults(), "map.t": "block1d"})


def test_tasks_that_cannot_be_named_or_run_are_left_alone() -> None:
    tasks = [Task(name, ("CPU",), (), ((4,),)) for name in ("fine", "not.fine", "Region", "2nd")]
    tasks += [
        Task("other", ("PY",), (), ((4,),)),
        Task("last", ("CPU",), (), ((4,),), finish_only=True),
    ]
    names = dsl.template_for(program(*tasks), CPU2).parameters
    assert {name.partition(".")[2] for name in names} == {"fine"}


def test_defaults_are_what_the_task_was_compiled_for() -> None:
    defaults = dsl.template_for(multiply(), P100X4).defaults()
    assert defaults["order.leaf.A"] == "C_order"
    assert defaults["order.fill.A"] == "F_order"
    assert defaults["mem.leaf.A"] == "FBMEM"
    assert defaults["map.fill"] == "none"


def test_inner_tasks_have_processors_but_no_data() -> None:
    names = dsl.template_for(multiply(), P100X4).parameters
    assert "map.half" in names
    assert not any(name.startswith(("mem.half", "layout.half", "mem.strip")) for name in names)


def test_single_tasks_may_follow_their_parents() -> None:
    template = dsl.template_for(multiply(), P100X4)
    assert template.parameters["single.leaf"].choices == ("none", "same_point")
    text = template.render({**template.defaults(), "single.leaf": "same_point"})
    mapper = dsl.load(dsl.parse(text), P100X4.shape)
    assert mapper.single_map("leaf", "GPU", (0, 3), "GPU") == [(0, 3)]


def test_following_asks_for_one_kind() -> None:
    both = ("GPU", "CPU")
    tasks = program(
        Task("outer", both, (), ((4,),)),
        Task("child", both, (), (), parents=("outer",), launched_singly=True),
    )
    # One CPU is no choice.
    assert "single.child" in dsl.template_for(tasks, P100X4).parameters
    template = dsl.template_for(tasks, TWO_NODES)
    condition = template.parameters["single.child.CPU"].condition
    assert str(condition) == "proc.child == CPU and proc.outer == CPU"
    for values in points(template, 40):
        mapper = dsl.load(dsl.parse(template.render(values)), TWO_NODES.shape)
        kind = str(values["proc.child"])
        if mapper.has_single_map("child", kind):
            assert values["proc.outer"] == kind
            assert mapper.single_map("child", kind, (0, 0), kind) == [(0, 0)]


def test_the_rich_space_asks_what_makes_a_difference() -> None:
    template = dsl.template_for(stencil(), TWO_NODES, "rich")
    found = template.parameters
    assert found["mem.stencil.private.GPU"].choices == ("FBMEM", "ZCMEM")
    assert found["mem.stencil.private.CPU"].choices == ("SYSMEM", "ZCMEM", "RDMEM")
    assert str(found["mem.stencil.private.CPU"].condition) == "proc.stencil == CPU"
    assert "layout.stencil.private" not in found  # it has one field
    assert "order.stencil.p_times" not in found  # it has one dimension
    assert found["align.stencil.p_times"].choices == ("none", "64", "128")
    assert found["limit.stencil"].choices == ("none", *map(str, range(1, 9)))
    fixed = dsl.template_for(multiply(), P100X4, "rich")
    assert not any(name.startswith("order.leaf") for name in fixed.parameters)
    assert "Layout leaf A * SOA C_order ;" in fixed.render(fixed.defaults())
    assert fixed.parameters["collect.leaf"].choices == ("none", "leaf")


def test_the_rich_space_offers_memories_that_are_large_enough() -> None:
    # A fake machine's memories hold 2^30 bytes; there are 4 frame buffers, one zero-copy memory.
    def choices(privilege: str, piece_bytes: int) -> tuple[str, ...]:
        region = Requirement(("r", "0"), privilege, piece_bytes=piece_bytes)
        task = Task("t", ("GPU",), (region,), ((4,),))
        hole = dsl.template_for(program(task), P100X4, "rich").parameters.get("mem.t.r")
        return hole.choices if hole else ()

    assert choices("READ_WRITE", 2**28) == ("FBMEM", "ZCMEM")
    assert choices("READ_WRITE", 2**28 + 1) == ()  # four pieces fit the frame buffers alone
    assert choices("READ_ONLY", 2**30) == ("FBMEM", "ZCMEM")  # one piece at a time might do
    assert choices("READ_ONLY", 2**30 + 1) == ()  # nothing fits: no choice


@pytest.mark.parametrize("space", SPACES)
def test_four_dimensions_are_sharded(space: str) -> None:
    task = Task("t", ("GPU",), (), ((1, 1, 2, 4),))
    template = dsl.template_for(program(task), TWO_NODES, space)
    assert template.parameters["map.t"].choices == ("none", *SHARDING_MAPS)


def test_the_rich_space_offers_maps_that_differ() -> None:
    task = Task("t", ("GPU",), (), ((6, 4), (3, 5)))
    two_nodes = dsl.template_for(program(task), TWO_NODES, "rich").parameters["map.t"]
    assert set(two_nodes.choices) == {"none", *INDEX_MAPS}
    line = Task("t", ("GPU",), (), ((4,),))
    one_node = dsl.template_for(program(line), P100X4, "rich").parameters["map.t"]
    assert one_node.choices == ("none", "block1d")


def test_maps_that_fail_on_a_machine_are_not_offered() -> None:
    odd = Machine("odd", dsl.MachineShape(nodes=20_000, processors={"GPU": 1}))
    task = Task("t", ("GPU",), (), ((200, 2),))
    choices = dsl.template_for(program(task), odd, "rich").parameters["map.t"].choices
    assert "block1d" in choices
    assert "hierarchical_block" not in choices


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("machine", [P100X4, TWO_NODES, CPU2], ids=lambda machine: machine.name)
@pytest.mark.parametrize("application", [stencil(), multiply()], ids=["stencil", "multiply"])
def test_every_point_is_a_mapper_that_loads(
    application: Application, machine: Machine, space: str
) -> None:
    template = dsl.template_for(application, machine, space)
    dsl.Template(template.text)  # each choice parses
    for values in points(template, 12):
        program = dsl.parse(template.render(values))
        assert template.match(program) == values
        assert template.match(dsl.normal_form(program)) == values
        mapper = dsl.load(program, machine.shape)
        for task in application.tasks.values():
            kinds = [kind for kind in task.variants if machine.shape.count(kind)]
            kind = str(values.get(f"proc.{task.name}", kinds[0] if kinds else "none"))
            for domain in task.launch_domains if mapper.has_index_map(task.name, kind) else ():
                placed = mapper.index_map(task.name, kind, domain)
                assert (placed < [machine.shape.nodes, machine.shape.count(kind)]).all()
                assert (placed >= 0).all()


def test_a_template_is_readable() -> None:
    lines = dsl.template_for(stencil(), P100X4).text.splitlines()
    assert lines[0] == "# program on p100x4: the paper parameter space."
    assert [line.split(":")[0] for line in lines if line.startswith("# ")][1:] == [
        "# Task",
        "# Region",
        "# Layout",
        "# Instance limit",
        "# Functions that the maps name",
        "# Index-task map",
    ]


def test_a_program_of_several_ranks_a_node_sees_ranks_as_nodes() -> None:
    task = Task("t", ("GPU", "OMP"), (), ((8,),))
    ranks = Application("program", {"t": task}, ranks_per_node=4)
    template = dsl.template_for(ranks, P100X4, "rich")
    assert "proc.t" not in template.parameters  # no rank has an OMP processor
    assert template.parameters["map.t"].choices == ("none", "block1d", "cyclic1d")


def test_an_unknown_space_is_told() -> None:
    with pytest.raises(dsl.TemplateError, match="ritch") as caught:
        dsl.template_for(stencil(), P100X4, "ritch")
    assert caught.value.hint == "did you mean rich? known are paper, rich"


def test_a_machine_that_can_run_nothing_is_told() -> None:
    with pytest.raises(dsl.TemplateError, match="cpu2 has no processor"):
        dsl.template_for(program(Task("t", ("GPU",), (), ((4,),))), CPU2)
