"""Copies of pieces with many holes, which Realm makes wrongly or aborts on in some layouts."""

from __future__ import annotations

import pytest

from .probe_runs import run_under

HEAD = "Task * CPU;\n"
LINE = ("-points", "1000")
PLANE = ("-points", "1000", "-plane")
SUMS = {LINE: ["115896"], PLANE: ["347688"]}


@pytest.mark.parametrize(
    ("layouts", "arguments"),
    [
        ("", LINE),
        ("", PLANE),
        ("Layout read * * Compact;", PLANE),
        ("Layout read * * C_order;", LINE),
        ("Layout * * * C_order;", PLANE),
    ],
)
def test_layouts_that_are_copied_rightly_run(layouts: str, arguments: tuple[str, ...]) -> None:
    run = run_under(HEAD + layouts, *arguments, program="sparse")
    assert run.code == 0, run.errors
    assert run.said("SUM") == SUMS[arguments]


@pytest.mark.parametrize(
    ("layouts", "arguments", "place"),
    [
        ("Layout read * * AOS;", LINE, "task read region 0"),
        ("Layout write * * AOS;", LINE, "task write region 0"),
        ("Layout * * * AOS;", LINE, "task write region 0"),
        # These two ended well, with another sum.
        ("Layout read * * AOS;", PLANE, "task read region 0"),
        ("Layout read * * C_order;", PLANE, "task read region 0"),
    ],
)
def test_layouts_that_are_not_are_refused(
    layouts: str, arguments: tuple[str, ...], place: str
) -> None:
    run = run_under(HEAD + layouts, *arguments, program="sparse")
    assert run.code == 87
    assert run.failure.startswith(f"realm-copy: {place}: ")


def test_few_holes_stand_in_no_one_s_way() -> None:
    run = run_under(HEAD + "Layout read * * AOS;", "-points", "200", program="sparse")
    assert run.code == 0
    assert run.said("SUM") == ["23046"]
