"""From a mapper to decisions: look-up, defaults, and what Legion would refuse."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

import dsl
from dsl.launch_domain import LaunchDomain
from legion_bridge.errors import MappingError
from legion_bridge.machines.flat_machine import flatten_machine
from legion_bridge.machines.machine import Machine
from legion_bridge.mapping.decisions import Decider, Decisions
from legion_bridge.mapping.launch_decisions import sharding_and_slicing
from legion_bridge.programs.application import Application, LayoutNeed, TaskKind
from legion_bridge.programs.flat_program import flatten
from tests.legion_bridge.tiny import (
    application,
    launch,
    machine,
    mapper,
    pieces,
    reads,
    region,
    writes,
)

LINE = region("line", 100)
HALVES = pieces("halves", "line", (0, 49), (50, 99))
SQUARE = replace(region("square", 10, ("a", "b")), lower=(0, 0), upper=(9, 9))


def decide(program: Application, text: str, on: Machine | None = None) -> Decisions:
    on = (on or machine()).for_ranks(program.ranks_per_node)
    decider = Decider(flatten(program), flatten_machine(on))
    loaded = dsl.load(dsl.parse(text), on.shape)
    first, again = decider.decide(loaded), decider.decide(loaded)
    assert first.launches == again.launches
    for name in ("processor", "memory", "layout", "exact", "collect"):
        assert getattr(first, name).tolist() == getattr(again, name).tolist()
    return first


def places(program: Application, text: str, on: Machine | None = None) -> list[str]:
    on = on or machine()
    flat = flatten_machine(on.for_ranks(program.ranks_per_node))
    return [flat.processor_name(int(p)) for p in decide(program, text, on).processor]


class TestKinds:
    @pytest.mark.parametrize(
        ("statement", "variants", "expected"),
        [
            ("Task put OMP, CPU, GPU;", ("CPU", "GPU"), "CPU"),
            ("Task put OMP;", ("CPU", "OMP"), "CPU"),
            ("Task put CPU;", ("GPU",), "GPU"),
            ("Task other CPU;", ("CPU", "GPU"), "GPU"),
        ],
        ids=["first with a variant and a processor", "else what is there", "else what runs",
             "without a statement the runtime's preference"],
    )  # fmt: skip
    def test_the_kind(self, statement: str, variants: tuple[str, ...], expected: str) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        program = replace(program, task_kinds={"put": TaskKind("put", variants)})
        assert decide(program, statement).launches[0].kind == expected

    @pytest.mark.parametrize(
        ("statement", "expected"),
        [
            ("Region put line GPU SYSMEM, ZCMEM;", "ZCMEM"),
            ("Region put line GPU SYSMEM;", "FBMEM"),
            ("Region put line CPU ZCMEM;", "FBMEM"),
        ],
        ids=["first that is seen", "else the fastest", "not for another kind"],
    )
    def test_the_memory(self, statement: str, expected: str) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        found = decide(program, f"Task put GPU; {statement}")
        assert found.launches[0].memories == (expected,)


class TestDecisions:
    def test_data_lies_in_the_memory_of_the_processor_that_runs_the_point(self) -> None:
        program = application([LINE], [launch("put", writes("line", "halves"), domain=(2,))],
                              partitions=[HALVES])  # fmt: skip
        flat = flatten_machine(machine())
        found = decide(program, mapper())
        assert [flat.memory_name(int(m)) for m in found.memory] == [
            "FBMEM of GPU 0 of node 0",
            "FBMEM of GPU 1 of node 0",
        ]

    @pytest.mark.parametrize("name", ["halves", "line", "0", "*"])
    def test_a_requirement_goes_by_partition_region_and_index(self, name: str) -> None:
        program = application([LINE], [launch("put", writes("line", "halves"), domain=(2,))],
                              partitions=[HALVES])  # fmt: skip
        found = decide(program, f"Task put GPU; Region put {name} GPU ZCMEM;")
        assert found.launches[0].memories == ("ZCMEM",)

    def test_requirements_without_data_have_no_memory(self) -> None:
        none = replace(reads("line"), privilege="NO_ACCESS", fields=())
        program = application([LINE], [launch("get", none, reads("line"))])
        found = decide(program, mapper("Region get 1 GPU ZCMEM;"))
        assert found.launches[0].memories == (None, "ZCMEM")
        assert found.memory[0] == -1

    def test_layouts_that_cannot_be_told_apart_are_one_class(self) -> None:
        program = application(
            [LINE, SQUARE],
            [launch("get", reads("line"), reads("square", None, "a", "b"),
                    reads("square", None, "a"))],
        )  # fmt: skip
        found = decide(program, mapper("Layout * * * AOS C_order;"))
        assert found.layout.tolist() == [0, 3, 2]

    def test_exact_counts_only_with_compact(self) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        assert decide(program, mapper("Layout * * * Exact;")).exact.tolist() == [0]
        assert decide(program, mapper("Layout * * * Compact Exact;")).exact.tolist() == [1]

    def test_only_what_is_read_is_collected(self) -> None:
        program = application(
            [LINE], [launch("put", writes("line")), launch("get", reads("line"))]
        )
        assert decide(program, mapper("CollectMemory * *;")).collect.tolist() == [0, 1]

    def test_limits_are_those_of_the_task(self) -> None:
        program = application(
            [LINE], [launch("put", writes("line")), launch("get", reads("line"))]
        )
        found = decide(program, mapper("InstanceLimit get 3;"))
        assert [launch.limit for launch in found.launches] == [0, 3]


class TestPlaces:
    def test_an_index_map_says_node_and_processor(self) -> None:
        program = application([], [launch("go", domain=(2, 2))])
        text = """
            m = Machine(GPU);
            def spread(Task t) { return m[t.ipoint[0], t.ipoint[1]]; }
            IndexTaskMap go spread;
            Task go GPU;
        """
        assert places(program, text, machine(nodes=2)) == [
            "GPU 0 of node 0",
            "GPU 1 of node 0",
            "GPU 0 of node 1",
            "GPU 1 of node 1",
        ]

    def test_without_a_map_points_go_round_the_nodes_in_blocks_over_processors(self) -> None:
        program = application([], [launch("go", domain=(8,))])
        assert places(program, mapper(), machine(nodes=2)) == [
            f"GPU {gpu} of node {node}" for gpu in (0, 0, 1, 1) for node in (0, 1)
        ]

    def test_sharding_counts_the_first_dimension_fastest(self) -> None:
        ranks, _ = sharding_and_slicing(LaunchDomain((3, 2), (0, 0)), 2, 1)
        assert ranks.reshape(3, 2).tolist() == [[0, 1], [1, 0], [0, 1]]

    @pytest.mark.parametrize(
        ("extents", "count", "wanted"),
        [
            ((7,), 4, [0, 1, 1, 2, 2, 3, 3]),
            ((8,), 4, [0, 0, 1, 1, 2, 2, 3, 3]),
            ((3,), 4, [0, 1, 2]),
            ((3, 5), 4, [0, 0, 2, 2, 2, 1, 1, 3, 3, 3, 1, 1, 3, 3, 3]),
            ((1, 3), 4, [0, 1, 2]),
            ((3, 2), 8, [0, 3, 1, 4, 2, 5]),
        ],
    )
    def test_of_unequal_slices_the_last_are_larger(
        self, extents: tuple[int, ...], count: int, wanted: list[int]
    ) -> None:
        """As Legion's default mapper slices; empty slices take no processor."""
        domain = LaunchDomain(extents, (0,) * len(extents))
        assert sharding_and_slicing(domain, 1, count)[1].tolist() == wanted

    @pytest.mark.parametrize("domain", [(1,), (7,), (3, 5), (2, 3, 4)])
    @pytest.mark.parametrize("ranks", [1, 3])
    def test_slicing_stays_on_the_machine(self, domain: tuple[int, ...], ranks: int) -> None:
        shard, index = sharding_and_slicing(LaunchDomain(domain, (0,) * len(domain)), ranks, 4)
        assert len(shard) == len(index) == np.prod(domain)
        assert set(shard.tolist()) <= set(range(ranks))
        assert set(index.tolist()) <= set(range(4))

    def test_children_stay_on_the_node_of_their_parent(self) -> None:
        loop = [launch("above", domain=(2,)), launch("below", domain=(2,), parent=0, above=2)]
        program = application([], loop)
        assert places(program, mapper(), machine(nodes=2))[2:] == [
            "GPU 0 of node 0",
            "GPU 1 of node 0",
            "GPU 0 of node 1",
            "GPU 1 of node 1",
        ]

    def test_a_single_task_has_the_first_processor_of_its_parents_node(self) -> None:
        loop = [launch("above", domain=(2,)), launch("below", domain=(), parent=0, above=2)]
        assert places(application([], loop), mapper(), machine(nodes=2))[2:] == [
            "GPU 0 of node 0",
            "GPU 0 of node 1",
        ]

    def test_a_single_task_map_follows_the_parent(self) -> None:
        loop = [launch("above", domain=(2,)), launch("below", domain=(), parent=0, above=2)]
        text = """
            m = Machine(GPU);
            def same(Task t) { return m[*t.parent.processor(m)]; }
            SingleTaskMap below same;
        """
        assert places(application([], loop), mapper(text))[2:] == [
            "GPU 0 of node 0",
            "GPU 1 of node 0",
        ]


class TestRefusals:
    @pytest.mark.parametrize("index", ["2", "0 - 1"])
    def test_an_index_that_leaves_the_machine(self, index: str) -> None:
        text = f"""
            def far(Task t) {{ return (0, {index}); }}
            IndexTaskMap put far;
        """
        program = application([LINE], [launch("put", writes("line"))])
        with pytest.raises((MappingError, dsl.MapperEvaluationError)):
            decide(program, mapper(text))

    def test_a_machine_without_any_variant_of_the_task(self) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        program = replace(program, task_kinds={"put": TaskKind("put", ("OMP",))})
        with pytest.raises(MappingError, match="Failed to find any valid variants for task put"):
            decide(program, mapper())

    def test_a_virtual_instance_of_data_that_is_needed(self) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        with pytest.raises(MappingError, match="virtual mapped region in task put"):
            decide(program, mapper("Region put line GPU VIRTUAL;"))

    def test_a_layout_that_the_task_was_not_compiled_for(self) -> None:
        needed = replace(
            reads("square", None, "a"), need=LayoutNeed("F_order", None, "bad stride")
        )
        program = application([SQUARE], [launch("get", needed)])
        with pytest.raises(MappingError, match=r"bad stride in task get .*region square"):
            decide(program, mapper("Layout * * * C_order;"))

    @pytest.mark.parametrize(("number", "fails"), [(0, True), (3, True), (24, True), (32, False)])
    def test_an_alignment_that_no_memory_has(self, number: int, fails: bool) -> None:
        program = application([LINE], [launch("put", writes("line"))])
        sentence = f"cannot be aligned to {number} bytes in task put .*: take a power of two"
        with pytest.raises(MappingError, match=sentence) if fails else nullcontext():
            decide(program, mapper(f"Layout * * * Align=={number};"))

    def test_a_single_task_that_leaves_its_node(self) -> None:
        loop = [launch("above", domain=(2,)), launch("below", domain=(), parent=0, above=2)]
        text = """
            m = Machine(GPU);
            def first(Task t) { return m[0, 0]; }
            SingleTaskMap below first;
        """
        with pytest.raises(MappingError, match="single task map of below sends it to node 0"):
            decide(application([], loop), mapper(text), machine(nodes=2))


def test_a_decider_never_confuses_mappers() -> None:
    """It remembers by identity of statements; these come and go, and their identities return."""
    program = application(
        [LINE], [launch("put", writes("line", "halves"), domain=(2,))], partitions=[HALVES]
    )
    on, flat = flatten(program), flatten_machine(machine())
    old = Decider(on, flat)
    for number in range(200):
        gpu, memory = number % 2, ("FBMEM", "ZCMEM")[number // 2 % 2]
        text = mapper(f"Region put line GPU {memory};", put=(0, gpu))
        loaded = dsl.load(dsl.parse(text), flat.machine.shape)
        found, fresh = old.decide(loaded), Decider(on, flat).decide(loaded)
        assert found.launches == fresh.launches
        assert found.processor.tolist() == fresh.processor.tolist()
        assert found.memory.tolist() == fresh.memory.tolist()


def test_the_stencil_in_c_order_breaks_its_stride_check() -> None:
    program = Application.load("stencil")
    on = Machine.load("p100x4")
    with pytest.raises(MappingError, match="stride does not match expected value"):
        decide(program, mapper("Layout * * * C_order;"), on)
