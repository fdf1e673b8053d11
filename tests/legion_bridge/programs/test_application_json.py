"""JSON: exact there and back, and a sentence for everything that is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legion_bridge.applications import application_names
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, ObservedCopy, Work
from legion_bridge.programs.application_json import (
    from_json,
    read_application,
    to_json,
    write_application,
)

DOCUMENT = to_json(Application.load("solomonik", n=64))


def document() -> Any:
    return json.loads(DOCUMENT)


@pytest.mark.parametrize("name", application_names())
def test_what_is_written_reads_back_exactly(name: str) -> None:
    first = Application.load(name, nodes=2)
    second = from_json(to_json(first))
    assert to_json(second) == to_json(first)
    for field in ("name", "summary", "parameters", "task_kinds", "regions", "mappers"):
        assert dict_or_text(getattr(second, field)) == dict_or_text(getattr(first, field))
    for field in ("warmup", "timed", "traced", "work", "unit", "ranks_per_node"):
        assert getattr(second, field) == getattr(first, field)
    for name_of, partition in first.partitions.items():
        assert (second.partitions[name_of].pieces == partition.pieces).all()
    for one, other in zip(first.launches(), second.launches(), strict=True):
        assert (one.task, one.domain, one.lower) == (other.task, other.domain, other.lower)
        assert one.requirements == other.requirements
        assert (one.parent, one.after, one.blocking, one.timed) == (
            other.parent,
            other.after,
            other.blocking,
            other.timed,
        )
        for array in ("flops", "traffic", "accesses"):
            mine, theirs = getattr(one.work, array), getattr(other.work, array)
            assert mine.shape == theirs.shape
            assert (mine == theirs).all()
        for mine, theirs in zip(one.colors, other.colors, strict=True):
            assert (mine is None) == (theirs is None)
            assert mine is None or (mine == theirs).all()


def dict_or_text(value: Any) -> Any:
    return value if isinstance(value, str) else dict(value)


def test_a_file_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "stencil.json"
    write_application(Application.load("stencil"), path)
    assert to_json(read_application(path)) + "\n" == path.read_text("utf-8")


def edited(*path: str | int, value: Any) -> str:
    found = tree = document()
    for key in path[:-1]:
        found = found[key]
    if value is None:
        del found[path[-1]]
    else:
        found[path[-1]] = value
    return json.dumps(tree)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1, column 1: this is not JSON"),
        ("[1, 2]", "it must be an object, not a list"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "schema: this member is missing"),
        (edited("schema", value=6), "reads 1 to 5, not 6"),
        (edited("schema", value=[]), r"reads 1 to 5, not a list"),
        (edited("name", value=3), "name: it must be a text, not 3"),
        (edited("unit", value=None), "unit: this member is missing"),
        (edited("unti", value="x"), "document: 'unti' is unknown: did you mean unit[?]"),
        (edited("timed", value=0), "timed: it must be a whole number from 1 on, not 0"),
        (edited("timed", value=1.5), "timed: it must be a whole number from 1 on, not 1.5"),
        (edited("traced", value="no"), "traced: it must be true or false, not 'no'"),
        (edited("work", value="much"), "work: it must be a number, not 'much'"),
        (edited("work", value=float("nan")), "work: it must be a number, not nan"),
        (edited("tasks", "task_4", "variants", value=["GPUS"]), "did you mean GPU[?]"),
        (edited("regions", "A", "lower", value=[0]), "one number a dimension"),
        (edited("regions", "A", "fields", "vals", value=0), "from 1 on, not 0"),
        (edited("partitions", "A_tile", "region", value="D"), "no region 'D'"),
        (edited("partitions", "A_tile", "pieces", 0, value=[[0, 0]]), "there must be 2 of them"),
        (edited("partitions", "A_tile", "pieces", 1, value=[[0], [9]]), "must have 2 coordinates"),
        (edited("partitions", "A_tile", "volumes", value=[1]), "one for each piece"),
        (
            edited("loop", 0, "domain", value=[0]),
            r"loop\[0\].domain\[0\]: it must .* from 1 on",
        ),
        (edited("loop", 0, "domain", value=[10**9]), "points are too many"),
        (edited("loop", 4, "parent", value=9), r"loop\[4\].parent: .* an earlier launch"),
        (edited("loop", 0, "task", value="task_9"), "no such task is registered"),
        (edited("loop", 0, "work", "rate", value="fp65"), "did you mean fp64[?]"),
        (edited("loop", 0, "work", "flops", value=[1.0]), "one for each of 4 points, not 1"),
        (
            edited("loop", 4, "requirements", 0, "privilege", value="REDUC"),
            r"loop\[4\].requirements\[0\].privilege: 'REDUC' is unknown: did you mean REDUCE[?]",
        ),
        (edited("loop", 4, "requirements", 0, "pieces", value=[99] * 4), "one of 4 pieces"),
    ],
)
def test_what_is_wrong_gets_its_place_and_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ApplicationError, match=sentence):
        from_json(text)


def places(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


PLACES = list(places(document()))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), junk=JUNK, remove=st.booleans())
def test_junk_anywhere_is_an_application_error_or_harmless(
    place: tuple[str | int, ...], junk: Any, remove: bool
) -> None:
    tree = found = copy.deepcopy(document())
    for key in place[:-1]:
        found = found[key]
    if remove:
        del found[place[-1]]
    else:
        found[place[-1]] = junk
    try:
        from_json(json.dumps(tree)).validate()
    except ApplicationError as error:
        assert str(error).startswith("application")  # noqa: PT017  (both ends are fine)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file"), (b"\xff\xfe\x00", "not a text file"), (b"", "this is not JSON")],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "broken.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ApplicationError, match=sentence):
        read_application(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError, match="cannot be written: No such file"):
        write_application(Application.load("stencil"), tmp_path / "no" / "stencil.json")


def test_what_is_captured_of_a_program_is_kept() -> None:
    stencil = Application.load("stencil")
    captured = replace(
        stencil,
        regions={**stencil.regions, "xm": replace(stencil.regions["xm"], named=False)},
        partitions={
            **stencil.partitions,
            "private": replace(stencil.partitions["private"], named=False),
        },
        unknown={"regions.*.fields": "nobody told"},
        copies=(ObservedCopy("points", "SYSMEM", "FBMEM", 3, 1200, 0.25),),
    )
    captured = replace(captured, own_mapper="StencilMapper")
    again = from_json(to_json(captured))
    assert again.own_mapper == "StencilMapper"
    assert again.unknown == captured.unknown
    assert again.copies == captured.copies
    assert not again.regions["xm"].named
    assert not again.partitions["private"].named
    assert again.regions["xp"].named


def test_names_that_the_program_does_not_give_are_not_offered() -> None:
    stencil = Application.load("stencil")
    private = replace(stencil.partitions["private"], named=False)
    points = replace(stencil.regions["points"], named=False)
    first = stencil.tasks["stencil"].requirements[0].names
    assert first == ("private", "points", "0")
    captured = replace(stencil, partitions={**stencil.partitions, "private": private})
    assert captured.tasks["stencil"].requirements[0].names == ("points", "0")
    captured = replace(captured, regions={**stencil.regions, "points": points})
    assert captured.tasks["stencil"].requirements[0].names == ("0",)


@pytest.mark.parametrize("side", [None, 128, [128, 1, 1 << 20, 7]])
def test_sides_and_elements_of_products_there_and_back(side: Any) -> None:
    stencil = Application.load("stencil")
    loop = stencil.loop[0]
    work = Work.of(4, len(loop.requirements), flops=8.0, rate="bf16", side=side)
    again = from_json(to_json(replace(stencil, loop=(replace(loop, work=work),))))
    read = again.loop[0].work
    assert read.rate == "bf16"
    assert (read.side is None) == (side is None)
    assert side is None or read.side.tolist() == np.broadcast_to(side, (4,)).tolist()
    assert read.side is None or read.side.dtype == np.int64


@pytest.mark.parametrize("side", [0, 1.5, [8, 0], "long", [8, 8]])
def test_sides_that_are_none_are_refused(side: Any) -> None:
    with pytest.raises(ApplicationError, match=r"loop\[0\]\.work\.side"):
        from_json(edited("loop", 0, "work", "side", value=side))


def test_documents_of_the_first_version_are_read() -> None:
    document = json.loads(to_json(Application.load("stencil")))
    for member in ("unknown", "copies"):
        del document[member]
    again = from_json(json.dumps(document | {"schema": 1}))
    assert dict(again.unknown) == {}
    assert again.copies == ()
    assert all(region.named for region in again.regions.values())
