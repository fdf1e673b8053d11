"""The library of index maps: in the machine, balanced, and what their names say."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest

import dsl
from dsl.templates.space.index_map_library import (
    INDEX_MAPS,
    SHARDING_MAPS,
    SINGLE_MAP,
    function_name,
    library_definitions,
)

SHAPES = list(product((1, 2, 3, 4, 6), (1, 2, 4, 5)))
DOMAINS = [
    *[(1,), (3,), (8,), (17,), (100,)],
    *[(1, 1), (4, 4), (1, 9), (9, 1), (5, 7), (12, 10)],
    *[(1, 1, 1), (2, 2, 2), (5, 1, 3), (4, 6, 2), (1, 8, 1)],
]


@cache
def library(kind: str, nodes: int, processors: int) -> dsl.Mapper:
    maps = [f"IndexTaskMap {name} {function_name(name, kind)};" for name in INDEX_MAPS]
    text = "\n".join([*library_definitions((name, kind) for name in INDEX_MAPS), *maps])
    return dsl.load(dsl.parse(text), dsl.MachineShape(nodes=nodes, processors={kind: processors}))


def numbers(mapper: dsl.Mapper, name: str, domain: tuple[int, ...], processors: int) -> np.ndarray:
    """Where each point runs, as one number."""
    placed = mapper.index_map(name, "GPU", domain)
    return placed[..., 0] * processors + placed[..., 1]


@pytest.mark.parametrize("kind", ["GPU", "CPU", "OMP"])
@pytest.mark.parametrize("name", INDEX_MAPS)
def test_no_map_leaves_the_machine(name: str, kind: str) -> None:
    for nodes, processors in SHAPES:
        mapper = library(kind, nodes, processors)
        for domain in DOMAINS:
            placed = mapper.index_map(name, kind, domain)
            assert placed.shape == (*domain, 2)
            assert (placed >= 0).all()
            assert (placed < [nodes, processors]).all()


def test_tensor_pieces_lie_side_by_side_and_chunks_go_round_the_stages() -> None:
    maps = [f"IndexTaskMap {name} {function_name(name, 'GPU')};" for name in SHARDING_MAPS]
    text = "\n".join([*library_definitions((name, "GPU") for name in SHARDING_MAPS), *maps])
    mapper = dsl.load(dsl.parse(text), dsl.MachineShape(nodes=4, processors={"GPU": 4}))

    def placed(name: str, chunk: int) -> list[int]:
        pairs = mapper.index_map(name, "GPU", (1, 1, 2, 4), lower=(chunk, 3, 0, 0))
        return (pairs[..., 0] * 4 + pairs[..., 1]).ravel().tolist()

    assert placed("pipeline", 0) == placed("pipeline", 2) == [0, 1, 2, 3, 8, 9, 10, 11]
    assert placed("pipeline", 1) == [4, 5, 6, 7, 12, 13, 14, 15]
    assert placed("pipeline_outermost", 1) == [8, 9, 10, 11, 12, 13, 14, 15]
    assert placed("tensor_batch", 1) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert placed("data_parallel", 1) == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("name", INDEX_MAPS)
def test_domains_that_start_above_zero_stay_in_the_machine(name: str) -> None:
    mapper = library("GPU", 2, 4)
    for point, extents in [((9,), (5,)), ((7, 11), (3, 2)), ((4, 5, 6), (2, 3, 1))]:
        node, processor = mapper.index_point(name, "GPU", extents, point)
        assert 0 <= node < 2
        assert 0 <= processor < 4


EVEN = [
    "block1d",
    "block1d_columns",
    "cyclic1d",
    "cyclic1d_columns",
    "linearize2d",
    "linearize2d_rows",
]


@pytest.mark.parametrize("name", EVEN)
def test_no_processor_has_two_points_more_than_another(name: str) -> None:
    for nodes, processors in SHAPES:
        mapper = library("GPU", nodes, processors)
        for domain in DOMAINS:
            counts = np.bincount(
                numbers(mapper, name, domain, processors).ravel(), minlength=nodes * processors
            )
            assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("name", INDEX_MAPS)
@pytest.mark.parametrize("domain", [(64,), (16, 16), (8, 8, 8)])
def test_all_processors_have_the_same_work_where_it_divides(
    name: str, domain: tuple[int, ...]
) -> None:
    # By dimension, one number counts for node and processor: of 2 x 4 only 4 pairs come up.
    shapes = (
        [(1, 4), (4, 1)] if name == "cyclic2d" and len(domain) == 1 else [(2, 4), (4, 2), (1, 8)]
    )
    for nodes, processors in shapes:
        mapper = library("GPU", nodes, processors)
        counts = np.bincount(numbers(mapper, name, domain, processors).ravel())
        assert len(counts) == nodes * processors
        assert counts.min() == counts.max()


def test_what_the_names_say() -> None:
    mapper = library("GPU", 2, 2)

    def placed(name: str, domain: tuple[int, ...]) -> list[int]:
        return numbers(mapper, name, domain, 2).tolist()

    assert placed("block1d", (8,)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert placed("block1d", (6,)) == [0, 0, 1, 1, 2, 3]
    assert placed("cyclic1d", (8,)) == [0, 2, 1, 3, 0, 2, 1, 3]
    assert placed("linearize2d", (8,)) == [0, 1, 2, 3, 0, 1, 2, 3]
    assert placed("cyclic2d", (4,)) == [0, 3, 0, 3]
    assert placed("block_cyclic", (16,)) == [0, 0, 1, 1, 2, 2, 3, 3] * 2
    assert placed("hierarchical_block", (8,)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert placed("hierarchical_cyclic", (8,)) == [0, 1, 0, 1, 2, 3, 2, 3]
    assert placed("block1d", (2, 4)) == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert placed("block1d_columns", (2, 4)) == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert placed("cyclic2d", (2, 4)) == [[0, 1, 0, 1], [2, 3, 2, 3]]
    assert placed("linearize2d", (2, 4)) == [[0, 2, 0, 2], [1, 3, 1, 3]]
    assert placed("linearize2d_rows", (2, 4)) == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert placed("cyclic1d_columns", (2, 4)) == [[0, 1, 0, 1], [2, 3, 2, 3]]


def test_tiles_are_compact() -> None:
    mapper = library("GPU", 2, 2)
    assert numbers(mapper, "tiles", (4, 4), 2).tolist() == [
        [0, 0, 2, 2],
        [0, 0, 2, 2],
        [1, 1, 3, 3],
        [1, 1, 3, 3],
    ]
    assert numbers(mapper, "cyclic_grid", (2, 2), 2).tolist() == [[0, 2], [1, 3]]


def test_a_definition_comes_with_what_it_uses() -> None:
    names = [
        text.split("\n")[-1 if "def" not in text else 1]
        for text in library_definitions([("cyclic_grid", "OMP"), ("cyclic_grid", "GPU")])
    ]
    assert names == [
        "machine_OMP = Machine(OMP);",
        "processors_OMP = machine_OMP.merge(0, 1);",
        "def cyclic_grid_OMP(Task t) {",
        "machine_GPU = Machine(GPU);",
        "processors_GPU = machine_GPU.merge(0, 1);",
        "def cyclic_grid_GPU(Task t) {",
    ]
    with pytest.raises(KeyError):
        library_definitions([("spiral", "GPU")])


def test_a_single_task_stays_with_its_parent() -> None:
    text = "\n".join(library_definitions([(SINGLE_MAP, "GPU")]))
    shape = dsl.MachineShape(nodes=2, processors={"GPU": 4})
    mapper = dsl.load(dsl.parse(f"{text}\nSingleTaskMap leaf {SINGLE_MAP}_GPU;"), shape)
    assert mapper.single_map("leaf", "GPU", (1, 2), "GPU") == [(1, 2)]
