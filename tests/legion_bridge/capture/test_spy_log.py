"""The log of Legion Spy: read line by line, and told where it is damaged."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from legion_bridge import Application, CaptureError
from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.damaged import damage_told
from legion_bridge.capture.observed import ObservedProgram
from legion_bridge.capture.spy_log import read_spy_log
from legion_bridge.capture.spy_program import program_of
from legion_bridge.capture.times import Times

STEPS = 3
HEAD = """\
Processor Kind 2 CPU
Processor 1d00000000000001 2
Processor Memory 1d00000000000001 1e00000000000000 100 5
task 9 registered on 1d00000000000001: CD{ ... }
Task ID Name 2 init
Task Variant 2 2 0 1 0 init
task 10 registered on 1d00000000000001: CD{ ... }
Task ID Name 3 step
Task Variant 3 3 0 1 0 step
Top Task 1 1 2 top_level
Index Space Rect 5 1 0 15
Field Creation 6 100 8
Field Name 6 100 x
Region 5 6 7 0
Logical Region Name 5 6 7 grid
Index Partition 5 15 2 2 0 0
Logical Partition Name 15 6 7 tiles
Index Space Rect 26 1 0 7
Index Subspace 15 26 0 1 0
Index Space Rect 27 1 8 15
Index Subspace 15 27 0 1 1
Fence Operation 2 99 1
Operation Index 2 0 99"""


def launch(place: int, task: int) -> Iterator[str]:
    """An index launch over two points, each of which takes its tile."""
    number, piece = 10 * place, 10 * place + 1
    yield f"Index Task 2 {task} {number} name"
    yield f"Operation Index 2 {place} {number}"
    yield f"Logical Requirement {number} 0 0 15 6 7 7 0 0 5"
    yield f"Logical Requirement Field {number} 0 100"
    yield f"Logical Requirement Projection {number} 0 0"
    yield f"Index Launch Rect {number} 1 0 1"
    yield f"Index Slice {number} {piece}"
    for point in range(2):
        own = piece + 1 + point
        yield f"Slice Point {piece} {own} 1 {point}"
        yield f"Logical Requirement {own} 0 1 {26 + point} 6 7 7 0 0 5"
        yield f"Logical Requirement Field {own} 0 100"
        yield f"Mapping Decision {own} 0 100 8000001000800002"
        yield f"Variant Decision {own} {task}"
        yield f"Task Processor {own} 1d00000000000001"


def whole() -> list[str]:
    launches = [launch(place, 2 if place == 1 else 3) for place in range(1, 2 + STEPS)]
    said = [*HEAD.splitlines(), *(line for lines in launches for line in lines)]
    return [
        f"[0 - 7f00]    0.125 {{2}}{{{'taskreg' if ' registered ' in x else 'legion_spy'}}}: {x}"
        for x in said
    ]


def observed(lines: Iterable[str], folder: Path) -> ObservedProgram:
    path = folder / "spy_0"
    path.write_text("\n".join(lines) + "\n")
    return program_of(read_spy_log([path]), Times())


def application(lines: Iterable[str], folder: Path) -> Application:
    with damage_told():
        return assemble(observed(lines, folder), "known", "A program that is known")


def test_a_log_is_read(tmp_path: Path) -> None:
    found = application(whole(), tmp_path)
    assert [launch.task for launch in found.setup] == ["init"]
    assert [(launch.task, launch.domain) for launch in found.loop] == [("step", (2,))]
    assert found.warmup + found.timed == STEPS
    assert found.task_kinds["step"].variants == ("CPU",)
    assert found.regions["grid"].upper == (15,)
    assert found.partitions["tiles"].pieces.tolist() == [[[0], [7]], [[8], [15]]]


def test_lines_that_two_threads_mixed_are_counted(tmp_path: Path) -> None:
    lines = whole()
    assert observed(lines, tmp_path).skipped == {"fence operation": 1}
    prefix, _, said = lines[-1].partition(": ")
    lines += [f"{prefix}: Task Processor", f"{prefix}: Slice Point 11 {said}", "of the program"]
    assert observed(lines, tmp_path).skipped["damaged lines of Legion Spy"] == 1


def damaged(lines: list[str], choose: random.Random) -> list[str]:
    """The lines of a log, of which some are lost, cut, or run into others."""
    for _ in range(choose.choice([1, 3, 12])):
        at = choose.randrange(len(lines))
        cut = lines[at][: choose.randrange(len(lines[at]) + 1)]
        lines[at : at + 1] = choose.choice([[], [cut], [cut + choose.choice(lines)]])
    return lines


def test_damage_is_told_in_a_sentence(tmp_path: Path) -> None:
    choose, told = random.Random(0), 0
    for _ in range(300):
        try:
            application(damaged(whole(), choose), tmp_path)
        except CaptureError as error:
            assert "\n" not in str(error)  # noqa: PT017  (both ends are fine)
            told += 1
    assert 30 < told < 270


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("holds nothing of Legion Spy", ["what the program says itself"]),
        ("no top-level task was seen", [x for x in whole() if "Top Task" not in x]),
        ("launched no task", [x for x in whole() if "Index Task" not in x]),
        ("step has no points: the log breaks off", whole()[: -len([*launch(4, 3)]) + 2]),
        ("step has no points: the log breaks off", [x for x in whole() if "Slice 40" not in x]),
        (r"do not fit together \(7\): capture", [x for x in whole() if "Region 5 6 7" not in x]),
    ],
)
def test_what_is_missing_is_told(said: str, lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=said):
        observed(lines, tmp_path)


def test_a_point_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="does not fit together: known: launch 0 of the setup"):
        application([x for x in whole() if "Slice Point 11 12 " not in x], tmp_path)


def without_points(place: int, further: str) -> list[str]:
    """The log, in which a launch has no points; and a line that says why."""
    number = 10 * place
    numbers = range(number + 1, number + 10)
    kept = [x for x in whole() if not {str(n) for n in numbers} & set(x.split()[4:])]
    return [*kept, f"[0 - 7f00]    0.2 {{2}}{{legion_spy}}: {further}"]


def test_what_did_not_run_has_the_points_of_what_did(tmp_path: Path) -> None:
    lines = without_points(3, "Predicate False 30")
    found = observed(lines, tmp_path).launches
    assert [each.ran for each in found] == [True, True, False, True]
    assert [point.pieces for point in found[2].points.values()] == [(26,), (27,)]
    assert application(lines, tmp_path).warmup + application(lines, tmp_path).timed == STEPS


def test_what_has_no_points_is_left_out_and_told(tmp_path: Path) -> None:
    never = observed(without_points(1, "Predicate False 10"), tmp_path)
    assert [each.task for each in never.launches] == ["step"] * STEPS
    assert never.skipped["launches of init without points"] == 1
    lines = without_points(1, "Index Launch Rect 10 1 0 -1")
    empty = observed([x for x in lines if "Rect 10 1 0 1" not in x], tmp_path)
    assert [each.task for each in empty.launches] == ["step"] * STEPS
    assert empty.skipped["launches of init without points"] == 1


def test_regions_may_be_empty(tmp_path: Path) -> None:
    lines = [x for x in whole() if "Index Space Rect" not in x]
    spaces = (f"[0 - 7f00]  0.1 {{2}}{{legion_spy}}: Empty Index Space {n}" for n in (5, 26, 27))
    found = application([*lines, *spaces], tmp_path)
    assert found.regions["grid"].upper == (-1,)
    assert found.partitions["tiles"].pieces.tolist() == [[[0], [-1]]] * 2
    assert [launch.domain for launch in found.loop] == [(2,)]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"spy_0: cannot be read: No such file"):
        read_spy_log([tmp_path / "spy_0"])
