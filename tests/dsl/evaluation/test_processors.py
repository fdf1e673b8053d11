"""Machine spaces: transforms, the way to the machine and back (sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product

import pytest

import dsl
from dsl.evaluation.faults import Fault
from dsl.evaluation.processors import MachineSpace

MACHINE = MachineSpace.of_machine("GPU", 4, 6)

SPACES: dict[str, Callable[[MachineSpace], MachineSpace]] = {
    "machine": lambda m: m,
    "split": lambda m: m.split(1, 2),
    "merge": lambda m: m.merge(0, 1),
    "merge reversed": lambda m: m.merge(1, 0),
    "merge of three": lambda m: m.split(0, 2).merge(2, 0),
    "merge of four": lambda m: m.split(0, 2).split(2, 3).merge(3, 1),
    "swap": lambda m: m.swap(0, 1),
    "reverse": lambda m: m.reverse(1),
    "slice": lambda m: m.slice(1, 2, 4),
    "balance 2": lambda m: m.balance_split(1, 2),
    "balance 3": lambda m: m.balance_split(0, 3),
    "auto": lambda m: m.auto_split(1, (5, 7)),
    "greedy": lambda m: m.greedy_split(1, (5, 7, 2)),
    "chain": lambda m: m.slice(0, 1, 3).reverse(0).split(1, 3).swap(0, 2).merge(1, 2),
}


@pytest.mark.parametrize("transform", SPACES.values(), ids=SPACES.keys())
def test_each_index_has_a_place_and_comes_back(
    transform: Callable[[MachineSpace], MachineSpace],
) -> None:
    space = transform(MACHINE)
    seen = set()
    for index in product(*[range(size) for size in space.sizes]):
        node, processor = space.locate(index)
        assert isinstance(node, int)
        assert isinstance(processor, int)
        assert space.coordinates(node, processor) == index
        seen.add((node, processor))
    assert len(seen) == space.volume


@pytest.mark.parametrize(
    ("space", "sizes"),
    [
        (MACHINE.split(0, 2), (2, 2, 6)),
        (MACHINE.split(0, 3), (3, 1, 6)),
        (MACHINE.split(0, 8), (8, 0, 6)),
        (MACHINE.split(0, -2), (-2, -2, 6)),
        (MACHINE.split(0, 2).merge(0, 2), (12, 2)),
        (MACHINE.split(0, 2).merge(2, 0), (2, 12)),
        (MACHINE.split(1, 2).swap(0, 2), (3, 2, 4)),
        (MACHINE.slice(1, 1, 3), (4, 3)),
        (MACHINE.slice(1, -2, 3), (4, 6)),
        (MACHINE.slice(1, 3, 1), (4, -1)),
        (MACHINE.balance_split(1, 4), (4, 3, 2, 1, 1)),
        (MACHINE.auto_split(0, (1, 1)), (2, 2, 6)),
    ],
    ids=str,
)
def test_sizes(space: MachineSpace, sizes: tuple[int, ...]) -> None:
    assert space.sizes == sizes


def test_the_first_dimension_of_a_split_varies_fastest() -> None:
    split = MACHINE.split(1, 2)
    assert [split.locate((0, i, j)) for j in range(2) for i in range(2)] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
    ]


def test_the_second_dimension_of_a_merge_varies_fastest() -> None:
    assert [MACHINE.merge(0, 1).locate([k]) for k in (0, 1, 6)] == [(0, 0), (0, 1), (1, 0)]
    assert [MACHINE.merge(1, 0).locate([k]) for k in (0, 1, 4)] == [(0, 0), (1, 0), (0, 1)]


def test_transformed_spaces_alias() -> None:
    assert MACHINE.split(0, 2).locate((3, 0, 0)) == (3, 0)


def test_a_single_index_may_be_negative() -> None:
    merged = MachineSpace.of_machine("GPU", 2, 3).merge(0, 1)
    assert merged.locate([-1]) == (0, -1)
    assert merged.locate([-5]) == (-1, -2)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: MACHINE.split(2, 2), "transform-dim"),
        (lambda: MACHINE.split(-1, 2), "transform-dim"),
        (lambda: MACHINE.split(0, 0), "division-by-zero"),
        (lambda: MACHINE.merge(0, 2), "transform-dim"),
        (lambda: MACHINE.merge(-1, 0), "transform-dim"),
        (lambda: MACHINE.merge(1, 1), "same-dims"),
        (lambda: MACHINE.swap(0, 0), "same-dims"),
        (lambda: MACHINE.slice(2, 0, 0), "transform-dim"),
        (lambda: MACHINE.slice(0, 4, 4), "slice-bounds"),
        (lambda: MACHINE.slice(0, 0, 4), "slice-bounds"),
        (lambda: MACHINE.reverse(2), "transform-dim"),
        (lambda: MACHINE.reverse(-1), "transform-dim"),
        (lambda: MACHINE.balance_split(2, 2), "transform-dim"),
        (lambda: MACHINE.balance_split(0, 0), "transform-dim"),
        (lambda: MACHINE.balance_split(0, 10**9), "transform-dim"),
        (lambda: MACHINE.auto_split(2, (1, 1)), "transform-dim"),
        (lambda: MACHINE.auto_split(0, ()), "autosplit-arg"),
        (lambda: MACHINE.auto_split(0, (1,) * 65), "too-large"),
        (lambda: MACHINE.locate([0]), "machine-index-arity"),
        (lambda: MACHINE.locate([0, 0, 0]), "machine-index-arity"),
        (lambda: MACHINE.locate([4, 0]), "node-bounds"),
        (lambda: MACHINE.locate([0, 6]), "proc-bounds"),
        (lambda: MACHINE.slice(1, 1, 3).locate([0, 3]), "slice-range"),
        (lambda: MACHINE.balance_split(1, 1).locate([0, 0]), "transform-dim"),
        (lambda: MACHINE.coordinates(4, 0), "processor-outside-machine"),
        (lambda: MACHINE.slice(1, 1, 3).coordinates(0, 0), "processor-outside-machine"),
        (lambda: MACHINE.slice(1, 1, 3).coordinates(0, 4), "processor-outside-machine"),
        (lambda: MachineSpace.of_machine("GPU", 2, 0).merge(0, 1).locate([0]), "division-by-zero"),
        (lambda: MachineSpace.of_machine("GPU", 2, 0).balance_split(1, 2), "balance-split-extent"),
    ],
)
def test_what_spaces_refuse(make: Callable[[], object], code: str) -> None:
    with pytest.raises(Fault) as caught:
        make()
    assert caught.value.code == code


def test_transforms_are_bounded() -> None:
    with pytest.raises(Fault) as caught:
        reduce(lambda space, _: space.reverse(0), range(1000), MACHINE)
    assert caught.value.code == "too-large"


# Stars (section 7)


def points(index: str, shape: dsl.MachineShape | None = None) -> list[tuple[int, ...]]:
    text = f"m = Machine(GPU); q = m.split(1, 3); def f(Task t) {{ return {index}; }}"
    shape = shape or dsl.MachineShape(nodes=2, processors={"GPU": 6})
    mapper = dsl.load(dsl.parse(text + " IndexTaskMap work f;"), shape)
    return mapper.index_points("work", "GPU", (4,), (2,))


def test_a_star_ranges_over_the_transformed_dimension() -> None:
    assert points("q[1, *, 1]") == [(1, 3), (1, 4), (1, 5)]
    assert points("q[1, 1, *]") == [(1, 1), (1, 4)]
    assert points("m[*, 2]") == [(0, 2), (1, 2)]


def test_minus_one_is_a_star_among_several_indices() -> None:
    assert points("m[1, t.ipoint[0] - 3]") == points("m[1, *]")


def test_earlier_stars_over_a_single_value() -> None:
    shape = dsl.MachineShape(nodes=1, processors={"GPU": 2})
    assert points("m[*, *]", shape) == [(0, 0), (0, 1)]


@pytest.mark.parametrize("index", ["m[*, *]", "m[*]", "m[1, -2]", "m.slice(1, 3, 2)[0, *]"])
def test_stars_that_fail(index: str) -> None:
    with pytest.raises(dsl.MapperEvaluationError):
        points(index)
