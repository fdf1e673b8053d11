"""Programs that run their tasks in unusual ways, captured: see programs/manners.cc."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import dsl
from legion_bridge import Application, CaptureError, Machine
from legion_bridge.capture import Captured, capture
from legion_bridge.capture.run import last_words, recorded
from legion_bridge.legion import LegionRun, build_program
from legion_bridge.programs.application import LayoutNeed
from legion_bridge.programs.application_json import from_json, to_json
from tests.legion_bridge.real_legion import legion_or_skip

pytestmark = pytest.mark.long  # builds a program, and runs it several times

PROGRAMS = Path(__file__).with_name("programs")
LOOP = [("v_x2e_step", (4,)), ("v_x5f_step", (4,))]


def manners(*options: str) -> Captured:
    legion = legion_or_skip()
    program = build_program([PROGRAMS / "manners.cc"], "manners", legion)
    return capture([str(program), *options, "-ll:cpu", "2"])


@cache
def plain() -> Captured:
    return manners("-barrier", "-fills")


def loop_of(application: Application) -> list[tuple[str, tuple[int, ...]]]:
    return [(launch.task, launch.domain) for launch in application.loop]


def test_a_program_that_needs_a_flag_of_the_profile_has_its_times() -> None:
    """With a dynamic collective Legion profiles under -lg:prof_all_critical_arrivals alone."""
    application = plain().application
    assert loop_of(application) == LOOP
    assert all(launch.work.seconds["CPU"] > 0.0 for launch in application.loop)
    assert not any("seconds" in place for place in application.unknown)


def test_a_run_of_such_a_program_is_profiled_too() -> None:
    program = build_program([PROGRAMS / "manners.cc"], "manners", legion_or_skip())
    run = LegionRun([str(program), "-barrier", "-ll:cpu", "2"], repeats=1, warmup=0)
    outcome = run.evaluate(dsl.parse("Task * CPU;"), profile=True)
    assert outcome.ok
    assert outcome.profile is not None


def test_what_takes_most_time_is_the_loop() -> None:
    """Not what is launched most often."""
    application = plain().application
    assert [launch.task for launch in application.setup] == ["h_fill_values"] * 40
    assert loop_of(application) == LOOP
    assert (application.warmup, application.timed, application.finish) == (1, 5, ())


def test_the_programs_own_mapper_is_named() -> None:
    application = plain().application
    assert application.own_mapper == "MannersMapper"
    assert from_json(to_json(application)).own_mapper == "MannersMapper"
    assert "own" in application.mappers


def test_names_that_are_spelt_alike_stay_two() -> None:
    application = plain().application
    assert list(application.tasks) == ["h_fill_values", "v_x2e_step", "v_x5f_step"]
    assert "'v.step'" in application.unknown["tasks.v_x2e_step"]


def test_a_mapper_tells_tasks_apart_that_are_spelt_alike() -> None:
    maps = "machine = Machine(CPU);\n" + "".join(
        f"def at{number}(Task t) {{ return machine[0, {number}]; }}\n"
        f"IndexTaskMap {task} at{number};\n"
        for number, (task, _) in enumerate(LOOP)
    )
    program = build_program([PROGRAMS / "manners.cc"], "manners", legion_or_skip())
    found = recorded([str(program), "-ll:cpu", "2"], dsl.parse(maps))
    assert [
        {place for counted in found[task].places.values() for place in counted} for task, _ in LOOP
    ] == [{((0, 0),)}, {((0, 1),)}]


def test_shards_of_a_replicated_task_launch_together() -> None:
    found = manners("-replicate")
    assert loop_of(found.application) == LOOP
    assert [launch.task for launch in found.application.setup] == ["h_fill_values"]
    assert found.application.warmup + found.application.timed == 6
    assert all(launch.work.seconds["CPU"] > 0.0 for launch in found.application.loop)
    assert not any("shard" in what for what in found.skipped)


def test_inlined_tasks_are_told() -> None:
    application = manners("-inline").application
    assert loop_of(application) == LOOP
    assert application.unknown["loop[0].inlined"].startswith("v_x2e_step is inlined")
    assert "linked into" not in application.unknown["mappers.own"]
    assert "inlined" in application.unknown["mappers.own"]


def test_how_often_predicated_tasks_ran_is_told() -> None:
    application = manners("-predicate").application
    assert loop_of(application) == [("use", ())]
    assert "which it was in 3 of 6 launches" in application.unknown["loop[0].predicate"]


def test_what_did_not_run_has_the_points_of_what_did() -> None:
    application = manners("-predicate", "-points").application
    assert loop_of(application) == [("v_step", (4,))]
    assert application.warmup + application.timed == 6
    assert application.loop[0].work.seconds["CPU"] > 0.0
    assert "which it was in 3 of 6 launches" in application.unknown["loop[0].predicate"]


def test_a_loop_below_the_first_task_is_found() -> None:
    application = manners("-nested").application
    assert [launch.task for launch in application.setup] == ["solve", "h_fill_values"]
    assert loop_of(application) == LOOP
    assert application.unknown["loop"].startswith("it lies in solve: ")


def test_collective_writes_and_outputs_are_captured() -> None:
    application = manners("-collective", "-output").application
    fill, make, use = application.loop
    assert [launch.task for launch in (fill, make, use)] == ["h_fill_values", "make", "use"]
    assert [fill.requirements[0].collective, make.requirements[0].collective] == [True, False]
    output = make.requirements[0]
    assert output.output
    assert isinstance(output.need, LayoutNeed)
    assert (output.need.order, output.need.soa) == ("C_order", True)
    own = dsl.load(dsl.parse(application.mappers["own"]), Machine.load("cpu2").shape)
    layouts = [own.layout(task, ["0"], "SYSMEM", "CPU") for task in ("make", "use")]
    assert [layout and layout.c_order for layout in layouts] == [True, True]
    assert not use.requirements[0].output
    again = from_json(to_json(application)).loop
    assert [launch.requirements for launch in again] == [
        launch.requirements for launch in application.loop
    ]


def test_a_program_that_fails_is_told_by_its_last_words() -> None:
    with pytest.raises(CaptureError) as failed:
        manners("-fail")
    assert str(failed.value) == "the last words\nThe program ended with exit code 3."


def test_a_run_that_cannot_be_profiled_costs_the_times_alone(tmp_path: Path) -> None:
    """A program that runs once, and fails when it is run again."""
    program = build_program([PROGRAMS / "manners.cc"], "manners", legion_or_skip())
    once = f"test -e {tmp_path}/ran && exit 3; touch {tmp_path}/ran; exec {program} -ll:cpu 2"
    application = capture(["sh", "-c", once]).application
    assert list(application.tasks) == ["h_fill_values", "v_x2e_step", "v_x5f_step"]
    assert not any(launch.work.seconds for launch in application.launches())
    assert application.unknown["*.work.seconds"].startswith(
        "a run with Legion's profile failed, so that no times are known: "
    )


def test_last_words_leave_out_boxes_and_frames() -> None:
    said = "!!!!!!!\n! WARNING !\n[0 - 7f] 1.0 {6}{legion}: LEGION ERROR: no piece 7\nBacktrace:\n"
    said += "stack trace: 2 frames\n\x1b[34m0x000056\x1b[0m at \x1b[32m/lib/libc.so.6\x1b[0m\n"
    assert (
        last_words(said + "ended") == "[0 - 7f] 1.0 {6}{legion}: LEGION ERROR: no piece 7\nended"
    )
