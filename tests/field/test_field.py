"""The field suite's own logic, on programs that are here: not what Legion's programs do."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from legion_bridge import Application
from tests.legion_bridge.real_legion import legion_or_skip

from . import run as field_run
from . import stages
from .build import compile_command
from .output import difference, lines_of
from .report import markdown, page, row
from .stages import launched_points
from .table import HERE, Build, FieldProgram, read_table
from .trial import Bench

GOOD: dict[str, Any] = {
    "plain": {"status": "ok", "stable": True, "said": ""},
    "capture": {"status": "ok", "counts": [], "own": True, "said": ""},
    "own": {"status": "ok", "same": True, "said": ""},
    "default": {"status": "ok", "same": True, "said": ""},
    "random": {"status": "ok", "runs": [{"status": "ok", "same": True, "said": ""}] * 5},
    "tune": {"status": "ok", "code": 0, "sentence": "no difference (95 % interval)", "said": ""},
}


def test_every_program_of_the_table_is_built_by_it() -> None:
    table = read_table(HERE / "programs.toml")
    assert len(table.programs) > 50
    for program in table.programs.values():
        binary = program.words(Path("/bed"))[0].removeprefix(f"{Path('/bed').resolve()}/")
        assert binary.startswith("cupynumeric/") or binary in table.builds, program.name
    assert {build.source for build in table.builds.values()} == set(table.sources)


@pytest.mark.parametrize(
    "text",
    [
        "[programs.a]\ncommand = 'a'\nmetrik = 'x'",  # no such key
        "[programs.a]\ncommand = 'a'\nmetric = '('",
        '[programs.a]\ncommand = "\'a"',
        "[programs",
    ],
)
def test_a_wrong_table_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text)
    with pytest.raises(SystemExit, match=r"table\.toml: the table of programs cannot be used: "):
        read_table(path)


def test_order_pointers_and_what_is_ignored_make_no_difference() -> None:
    one = "[0 - 7f]    0.1 {3}{app}: b at 0x12\nELAPSED 3 s\na\n"
    other = "a\n[0 - 8f]    0.2 {3}{app}: b at 0x345\nELAPSED 4 s\n"
    ignore = ["^ELAPSED.*"]
    assert not difference(lines_of(one, ignore), lines_of(other, ignore))
    assert difference(lines_of(one, []), lines_of(other, [])).missing == ("ELAPSED 3 s",)


def test_a_line_that_is_printed_twice_is_not_one_that_is_printed_once() -> None:
    assert difference(lines_of("a\na\n", []), lines_of("a\n", [])).missing == ("a",)


def test_a_program_without_fault_has_a_clean_row() -> None:
    found = row(FieldProgram("p", "p"), GOOD)
    assert found.faults == ()
    assert found.cells == (
        "p", "yes", "yes", "same", "same", "5 of 5", "no difference", "",
    )  # fmt: skip
    told = markdown([found])
    assert "1 programs, 1 without a fault" in told
    assert "of 5 random mappers that the check accepts, 5 ran" in told


@pytest.mark.parametrize(
    ("step", "result", "cell", "fault"),
    [
        ("plain", {"status": "timeout", "said": "still ran"}, "timeout", "by itself: still ran"),
        ("capture", {"status": "failed", "said": "why"}, "no", "capture: why"),
        (
            "capture",
            {**GOOD["capture"], "counts": ["a ran 2 times, 1 captured"]},
            "partly",
            "a ran",
        ),
        (
            "own",
            {"status": "execution_error", "said": "x\nerror: y"},
            "execution_error",
            "error: y",
        ),
        ("own", {"status": "timeout", "said": "p: /a/b/c.cc:1: error"}, "timeout", "p: c.cc:1:"),
        ("default", {"status": "ok", "same": False, "said": "z"}, "other output", "prints z"),
        ("tune", {"status": "failed", "code": 1, "said": "no"}, "no (exit 1)", "tune: no"),
        ("tune", {**GOOD["tune"], "sentence": None}, "all failed", "no mapper was valid"),
    ],
)
def test_each_fault_is_seen(step: str, result: dict[str, Any], cell: str, fault: str) -> None:
    found = row(FieldProgram("p", "p"), {**GOOD, step: result})
    assert cell in found.cells
    assert len(found.faults) == 1
    assert fault in found.faults[0]


def test_random_mappers_that_fail_or_print_something_else_are_counted() -> None:
    good = {"status": "ok", "same": True, "said": ""}
    runs = [good, {**good, "same": False, "said": "with 'a'"}, {**good, "status": "timeout"}]
    result = {"status": "ok", "runs": runs}
    found = row(FieldProgram("p", "p"), {**GOOD, "random": result})
    assert "1 of 3" in found.cells
    assert found.faults == ("2 of 3 random mappers: with 'a'",)


def test_what_was_not_tried_is_a_dash_and_no_fault() -> None:
    found = row(FieldProgram("p", "p"), {})
    assert found.cells == ("p", "not built", "-", "-", "-", "-", "-", "")


def test_a_true_reason_not_to_capture_is_no_fault() -> None:
    failed = {"status": "failed", "said": "the top-level task launched no task"}
    result = {"plain": GOOD["plain"], "capture": failed}
    found = row(FieldProgram("p", "p", told="launched no task"), result)
    assert (found.cells[2], found.faults) == ("no, told why", ())
    facts = {"date": "today", "sources": "here", "runtime": "legion-1"}
    text = page([found], field_run.PAGE.read_text(), **facts)
    assert "- p: the top-level task launched no task" in text
    assert len(row(FieldProgram("p", "p", told="no Legion"), result).faults) == 1


def test_tasks_that_are_counted_otherwise_for_a_reason_that_is_told_are_no_fault() -> None:
    unknown = {"loop[2].predicate": "b runs if a predicate is true, in 9 of 10 launches"}
    capture = {**GOOD["capture"], "counts": ["b ran 9 times, 10 captured"], "unknown": unknown}
    result = {**GOOD, "capture": capture}
    found = row(FieldProgram("p", "p", told="if a predicate is true"), result)
    assert (found.cells[2], found.faults) == ("partly, told", ())
    assert found.note == unknown["loop[2].predicate"]
    assert len(row(FieldProgram("p", "p"), result).faults) == 1


def test_a_stopped_suite_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legion = legion_or_skip()
    taken: list[str] = []

    def step(_: object, name: str) -> dict[str, Any]:
        taken.append(name)
        return dict(GOOD[name])

    monkeypatch.setattr(field_run, "step", step)
    program = FieldProgram("p", "p")
    given = argparse.Namespace(
        bed=tmp_path, results=tmp_path, random=5, trials=8, space="paper",
        steps="plain,capture,own", again="",
    )  # fmt: skip
    kept = {"plain": GOOD["plain"]}
    field_run.run_program(program, legion, dict(kept), given)
    assert taken == ["capture", "own"]
    written = json.loads((tmp_path / "p.result.json").read_text())
    assert set(written) == {"plain", "capture", "own"}
    taken.clear()
    given.again = "own"
    field_run.run_program(program, legion, written, given)
    assert taken == ["own"]


def test_what_breaks_in_us_is_a_fault_of_that_step_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = FieldProgram("p", "p")
    steps = stages.Steps(program, tmp_path, tmp_path, legion_or_skip())

    def broken() -> dict[str, Any]:
        raise ValueError("no such thing")

    monkeypatch.setattr(steps, "random", broken)
    result = {**GOOD, "random": stages.step(steps, "random")}
    assert row(program, result).faults == ("random: mappertune fails: ValueError: no such thing",)


def test_nothing_more_is_tried_of_a_program_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legion = legion_or_skip()
    monkeypatch.setattr(field_run, "step", lambda *_: {"status": "timeout", "said": ""})
    given = argparse.Namespace(
        bed=tmp_path, results=tmp_path, random=5, trials=8, space="paper", steps="plain,capture",
        again="",
    )  # fmt: skip
    assert set(field_run.run_program(FieldProgram("p", "p"), legion, {}, given)) == {"plain"}


def test_a_program_runs_in_a_folder_of_its_own_and_its_words_are_kept(tmp_path: Path) -> None:
    script = "import os; print('files', os.listdir()); open('left', 'w').close()"
    program = FieldProgram("p", f'{sys.executable} -c "{script}"')
    bench = Bench(program, tmp_path, legion_or_skip())
    for _ in range(2):
        ran, lines = bench.expected()
        assert (ran.status, lines) == ("ok", Counter({"files []": 1}))
    assert not (tmp_path / "left").exists()


def test_a_program_that_asks_no_mapper_is_told(tmp_path: Path) -> None:
    bench = Bench(FieldProgram("p", "true"), tmp_path, legion_or_skip())
    ran = bench.run("Task * CPU;\n")
    assert (ran.status, ran.good) == ("not asked", False)


def test_points_are_counted_over_all_iterations() -> None:
    application = Application.load("stencil", nx=100, ny=100)
    iterations = application.warmup + application.timed
    found = launched_points(application)
    loop = [each for each in application.loop if each.parent is None]
    for launch in loop:
        once = sum(each.volume for each in (*application.setup, *application.finish)
                   if each.task == launch.task)  # fmt: skip
        same = [each for each in loop if each.task == launch.task]
        assert found[launch.task] == once + iterations * sum(each.volume for each in same)


def test_tasks_without_a_name_are_known_by_their_numbers() -> None:
    assert stages._unlike_counts({"unnamed_task_6": 1, "a::b": 2}, {"task6": 1, "a__b": 2}) == []
    assert stages._unlike_counts({"a": 2}, {"a": 1}) == ["a ran 2 times, 1 captured"]


def test_c_files_are_compiled_as_c_behind_the_others(tmp_path: Path) -> None:
    command = compile_command(Build("f"), ["a.c", "b.cc"], tmp_path, legion_or_skip())
    where = command.index("a.c")
    assert command[where - 2 : where + 3] == ["-x", "c", "a.c", "-x", "none"]
    assert command.index("b.cc") < where
