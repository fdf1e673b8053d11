"""The reference implementation's answers, case by case (section 15 of the language reference)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dsl

VECTORS = json.loads(
    (Path(__file__).parents[1] / "data" / "dsl_vectors.json").read_text(encoding="utf-8")
)
INDEX_MAPS = VECTORS["index_maps"]
POLICIES = VECTORS["policies"]
STAGES = {
    dsl.MapperSyntaxError: "parse",
    dsl.MapperLoadError: "load",
    dsl.MapperEvaluationError: "run",
}
ANY_MACHINE = {"nodes": 2, "GPU": 4, "CPU": 2, "OMP": 1}


def load(case: dict[str, Any]) -> dsl.Mapper:
    machine = dict(case.get("machine", ANY_MACHINE))
    shape = dsl.MachineShape(nodes=machine.pop("nodes"), processors=machine)
    return dsl.load(dsl.parse(case["program"]), shape)


def answer(case: dict[str, Any]) -> Any:
    """What a case asks, in the form in which it expects the answer."""
    family = case["category"].split("/")[0]
    return _ASKED.get(family, _index_point)(load(case), case)


def _index_point(mapper: dsl.Mapper, case: dict[str, Any]) -> Any:
    return list(mapper.index_point(case["task"], case["kind"], case["ispace"], case["ipoint"]))


def _single(mapper: dsl.Mapper, case: dict[str, Any]) -> Any:
    arguments = (case["task"], case["kind"], case["parent"], case["parent_kind"])
    return [list(point) for point in mapper.single_map(*arguments)]


def _memories(mapper: dsl.Mapper, case: dict[str, Any]) -> Any:
    found = mapper.memories(case["task"], case["region_names"], case["processor_kind"])
    return ["NO_MEMKIND" if memory == "VIRTUAL" else memory for memory in found]


def _layout(mapper: dsl.Mapper, case: dict[str, Any]) -> Any:
    found = mapper.layout(case["task"], case["region_names"], case["memory_kind"])
    if found is None:
        return None
    align = found.align
    return {
        "c_order": found.c_order,
        "aos": not found.soa,
        "compact": found.compact,
        "exact": found.exact,
        "align": f"{align.operator}{align.bytes}" if align else None,
    }


def _collects(mapper: dsl.Mapper, case: dict[str, Any]) -> Any:
    return mapper.collects(case["task"], case["region_names"])


def _tables(mapper: dsl.Mapper, _: dict[str, Any]) -> Any:
    tables = mapper.tables
    return {
        "task_policies": {task: list(kinds) for task, kinds in tables.kinds.items()},
        "limits": tables.limits,
        "collect": [list(key) for key in sorted(tables.collected)],
        "control_replicate": tables.replicated,
        "index_maps": tables.index_functions,
        "single_maps": tables.single_functions,
    }


_ASKED = {
    "single": _single,
    "memory": _memories,
    "layout": _layout,
    "collect": _collects,
    "load": _tables,
}


@pytest.mark.parametrize("case", [*INDEX_MAPS, *POLICIES], ids=lambda case: case["id"])
def test_agrees_with_the_reference(case: dict[str, Any]) -> None:
    if case["expected"] != "error":
        assert answer(case) == case["expected"]
        return
    if "reference-crash" in case.get("flags", ()):
        # Free: an answer or an error, but nothing else.
        try:
            answer(case)
        except dsl.MapperError:
            return
        return
    with pytest.raises(dsl.MapperError) as caught:
        answer(case)
    assert STAGES[type(caught.value)] == case["error"]["stage"]
    assert caught.value.code == case["error"]["class"]


@pytest.mark.parametrize(
    "case", [case for case in INDEX_MAPS if "printed" in case], ids=lambda case: case["id"]
)
def test_prints_what_the_reference_prints(case: dict[str, Any]) -> None:
    mapper = load(case)
    _index_point(mapper, case)
    assert mapper.printed == case["printed"]


@pytest.mark.parametrize(
    "case", [case for case in INDEX_MAPS if "expected_set" in case], ids=lambda case: case["id"]
)
def test_a_star_stands_for_all_its_points(case: dict[str, Any]) -> None:
    points = load(case).index_points(case["task"], case["kind"], case["ispace"], case["ipoint"])
    assert [list(point) for point in points] == case["expected_set"]


WHOLE_LAUNCHES = [case for case in INDEX_MAPS if case["expected"] != "error"]


def outcome(ask: Callable[..., Any], *arguments: Any) -> Any:
    """An answer, or what an error says."""
    try:
        return ask(*arguments)
    except dsl.MapperEvaluationError as error:
        return error.point, str(error)


@pytest.mark.parametrize("case", WHOLE_LAUNCHES, ids=lambda case: case["id"])
def test_a_whole_launch_agrees_point_by_point(case: dict[str, Any]) -> None:
    mapper = load(case)
    asked = case["task"], case["kind"], case["ispace"]
    alone = [outcome(mapper.index_point, *asked, point) for point in np.ndindex(*case["ispace"])]
    failures = [answer for answer in alone if isinstance(answer[1], str)]
    whole = outcome(mapper.index_map, *asked)
    if failures:
        assert whole == failures[0]
    else:
        assert whole.reshape(-1, 2).tolist() == [list(point) for point in alone]
