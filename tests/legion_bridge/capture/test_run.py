"""Programs captured from runs: what is known of them comes back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import dsl
from legion_bridge import Application, CaptureError, Evaluator, Machine
from legion_bridge.capture import Captured, capture, profile_runs
from legion_bridge.capture.times import Times
from legion_bridge.legion import build_program
from legion_bridge.legion.replay_plan import plan_text
from legion_bridge.legion.scaled import scalable_names, scaled
from legion_bridge.programs.application import Launch
from legion_bridge.programs.application_json import from_json, to_json
from tests.legion_bridge.real_legion import legion_or_skip, our_program

pytestmark = pytest.mark.long  # builds programs, and runs them many times

PROBE = Path(__file__).parents[1] / "legion/programs/probe.cc"
ITERATIONS = 6


def probed() -> Captured:
    program = build_program([PROBE], "probe", legion_or_skip())
    sizes = ("-n", "64", "-p", "2", "-i", "3")
    return capture([str(program), *sizes, "-ll:cpu", "2", "-ll:io", "1"])


def epochs() -> Captured:
    source = Path(__file__).with_name("programs") / "epochs.cc"
    return capture([str(build_program([source], "epochs", legion_or_skip())), "-ll:cpu", "2"])


def program(name: str, *arguments: str) -> Captured:
    """One of our real programs, captured."""
    return capture([str(our_program(name)), *arguments, "-ll:cpu", "2"])


def small(name: str) -> Application:
    return scaled(name, 1e-4)


def replayed(name: str) -> Captured:
    """An application, executed and captured."""
    with TemporaryDirectory() as folder:
        plan = Path(folder) / f"{name}.plan"
        plan.write_text(plan_text(small(name)))
        options = ["-iterations", str(ITERATIONS), "-ll:cpu", "2"]
        return capture([str(our_program("replay")), str(plan), *options], name=name)


@cache
def captures() -> Mapping[str, Captured]:
    """All runs of these tests, as many at a time as there are cores: more disturb each other."""
    legion_or_skip()
    jobs = {name: partial(replayed, name) for name in scalable_names()} | {
        "stencil2d": partial(program, "stencil2d", "-n", "256"),
        "summa program": partial(program, "summa", "-n", "128"),
        "probe": probed,
        "epochs": epochs,
    }
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        started = {name: workers.submit(job) for name, job in jobs.items()}
        return {name: each.result() for name, each in started.items()}


def phases(application: Application) -> dict[str, Sequence[Launch]]:
    return {
        "setup": application.setup,
        "loop": application.loop,
        "finish": application.finish,
    }


def structure(launches: Sequence[Launch]) -> list[object]:
    """All that a mapper decides about. Fields have no order in Legion, operators no names."""
    return [
        (
            launch.task,
            launch.domain,
            launch.parent,
            launch.after,
            [
                (r.region, r.partition, r.privilege, set(r.fields), r.reduction is None)
                for r in launch.requirements
            ],
        )
        for launch in launches
    ]


def taken(application: Application, launches: Sequence[Launch]) -> list[list[object]]:
    """The bounds and volumes of the piece that each point takes, by launch and requirement."""
    found = []
    for number, launch in enumerate(launches):
        for index, requirement in enumerate(launch.requirements):
            bounds = application.piece_bounds(requirement)
            volumes = application.piece_volumes(requirement)
            colors = launch.colors[index] if launch.colors else None
            points = application.points(launches, number)
            if colors is None:
                colors = np.arange(points) if requirement.partition else np.zeros(points, int)
            # Empty pieces have no place.
            found.append(
                [(volumes[c], bounds[c].tolist() if volumes[c] else None) for c in colors]
            )
    return found


@pytest.mark.parametrize("name", scalable_names())
def test_the_replay_of_an_application_gives_it_back(name: str) -> None:
    known, captured = small(name), captures()[name].application
    assert {n: structure(p) for n, p in phases(known).items()} == {
        n: structure(p) for n, p in phases(captured).items()
    }
    for phase in ("setup", "loop", "finish"):
        assert taken(known, phases(known)[phase]) == taken(captured, phases(captured)[phase])
    assert captured.warmup + captured.timed == ITERATIONS + 1
    for region in captured.regions.values():
        assert region.named
        original = known.regions[region.name]
        assert (region.lower, region.upper) == (original.lower, original.upper)
        sizes = {f.name: f.bytes for f in original.fields}
        assert {f.name: f.bytes for f in region.fields}.items() <= sizes.items()
    for task in captured.task_kinds.values():
        assert "CPU" in task.variants
        assert task.inner == known.task_kinds[task.name].inner


@pytest.mark.parametrize("name", scalable_names())
def test_what_was_captured_can_be_tuned(name: str) -> None:
    application = from_json(to_json(captures()[name].application))
    machine = Machine.load("cpu2")
    template = dsl.template_for(application, machine)
    assert template.parameters
    evaluator = Evaluator(application, machine)
    assert evaluator.evaluate(dsl.parse(application.mappers["default"])).ok
    defaults = {key: hole.default for key, hole in template.parameters.items()}
    text = template.render({k: v for k, v in defaults.items() if v is not None})
    assert dsl.parse(text)


def test_work_is_what_was_measured() -> None:
    loop = captures()["stencil"].application.loop
    assert [list(launch.work.seconds) for launch in loop] == [["CPU"], ["CPU"]]
    assert all(0.0 < launch.work.seconds["CPU"] < 5.0 for launch in loop)


def test_a_real_stencil_is_seen() -> None:
    application = captures()["stencil2d"].application
    assert [launch.task for launch in application.setup] == ["init"]
    assert [(launch.task, launch.domain) for launch in application.loop] == [
        ("stencil", (2, 2)),
        ("increment", (2, 2)),
    ]
    assert [launch.task for launch in application.finish] == ["verify"]
    assert application.tasks["stencil"].requirements[1].names == ("halos", "grid", "1")
    assert application.warmup + application.timed == 10


def test_a_loop_is_seen_though_the_machine_was_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks but those of the loop take long in the first run: as long as it takes."""
    read, runs = profile_runs.read_times, []

    def disturbed(profiles: Iterable[Path]) -> Times:
        times = read(profiles)
        runs.append(times)
        if len(runs) == 1:
            ran = Counter(times.tasks[number] for number in times.spans)
            for number, (start, stop, busy) in times.spans.items():
                if ran[times.tasks[number]] < max(ran.values()):
                    times.spans[number] = start, stop, busy + 50_000_000
        return times

    monkeypatch.setattr(profile_runs, "read_times", disturbed)
    application = program("stencil2d", "-n", "64").application
    assert [launch.task for launch in application.loop] == ["stencil", "increment"]
    assert [launch.task for launch in application.setup] == ["init"]
    assert len(runs) > 1


def test_a_program_without_a_loop_is_one_iteration() -> None:
    application = captures()["summa program"].application
    tasks = [launch.task for launch in application.loop]
    assert tasks == ["init", "multiply", "multiply", "verify"]
    assert (application.setup, application.finish, application.timed) == ((), (), 1)
    assert "nothing is repeated" in application.unknown["loop"]


def test_futures_of_earlier_iterations_are_seen() -> None:
    loop = captures()["pennant"].application.loop
    assert any(other >= number for number, launch in enumerate(loop) for other in launch.after)


def test_a_trace_is_seen() -> None:
    assert captures()["stencil"].application.traced
    assert not captures()["cannon"].application.traced


def test_variants_of_all_kinds_that_are_here_are_seen() -> None:
    tasks = captures()["probe"].application.task_kinds
    assert tasks["fill"].variants == ("CPU", "IO")
    assert tasks["smooth"].variants == ("CPU",)
    assert tasks["inner"].inner


def test_what_has_no_name_is_called_by_its_index() -> None:
    application = captures()["probe"].application
    assert application.partitions["grid_blocks"].named
    nameless = [p for p in application.partitions.values() if not p.named]
    assert [p.region for p in nameless] == ["copy"]
    assert application.tasks["smooth"].requirements[0].names == ("copy", "0")
    assert application.tasks["smooth"].requirements[1].names == ("grid_blocks", "grid", "1")


def test_what_has_no_place_is_told() -> None:
    skipped = captures()["stencil"].skipped
    assert skipped["fill operation"] > 0
    assert skipped["fence operation"] > 0


def test_copies_are_seen() -> None:
    copies = {
        (copy.region, copy.source, copy.target) for copy in captures()["probe"].application.copies
    }
    assert ("total", "SYSMEM", "SYSMEM") in copies  # reductions, folded


def test_what_is_unknown_is_told() -> None:
    unknown = captures()["probe"].application.unknown
    assert "it had CPU, IO" in unknown["tasks.*.variants"]
    assert "*.requirements.*.reduction" in unknown


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([], "there is no program to capture"),
        (["./nowhere"], "The program ./nowhere was not found"),
        (["true"], "true is no Legion program"),
        (["sh", "-c", "echo broken; exit 3"], r"broken\nThe program ended with exit code 3"),
    ],
)
def test_what_cannot_be_captured_is_told(command: list[str], said: str) -> None:
    legion_or_skip()
    with pytest.raises(CaptureError, match=said):
        capture(command)


def test_a_program_without_end_is_told() -> None:
    legion_or_skip()
    with pytest.raises(CaptureError, match=r"still ran after 0\.2 seconds"):
        capture(["sleep", "9"], timeout=0.2)


def test_all_tasks_of_must_epoch_launches_are_captured() -> None:
    found = captures()["epochs"]
    launches = [launch for phase in phases(found.application).values() for launch in phase]
    assert [(launch.task, launch.domain) for launch in launches if launch.parent is None] == [
        ("left", ()),
        ("right", ()),
        ("point", (2,)),
    ]
    assert [launch.task for launch in launches if launch.parent is not None] == ["child"] * 2
    assert not any("epoch" in what for what in found.skipped)
