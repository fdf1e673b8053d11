"""Real launches over domains that begin anywhere, or are sparse: all who judge a mapper agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

import dsl
from dsl.launch_domain import LaunchDomain
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.capture import capture
from legion_bridge.legion.replay_plan import plan_text
from legion_bridge.programs.application_json import from_json, to_json
from tests.legion_bridge.real_legion import our_program

from .probe_runs import CPUS, SHAPE, built, run_under

pytestmark = pytest.mark.long  # builds programs, and runs them many times

HEAD = "Task * CPU;\nRegion * * CPU SYSMEM;\nm = Machine(CPU);\nc = m.merge(0, 1);\n"
END = "\nIndexTaskMap CPU f;"
MAPPERS = {
    "block from zero": "def f(Task t) { return c[t.ipoint[0] * c.size[0] / t.ispace[0]]; }",
    "block": "def f(Task t) { i = t.ipoint[0] - t.ilower[0]; "
    "return c[i * c.size[0] / t.ispace[0]]; }",
    "four from three": "def f(Task t) { return m[0, t.ipoint[0] > 2 ? "
    "(t.ipoint[0] - 3) / 2 : 99]; }",
    "true points": "def f(Task t) { i = t.ipoint[0]; return m[0, i < 0 ? 0 - i % 2 : i % 2]; }",
}
LAUNCHES = {
    "zero": (("-lo", "0"), LaunchDomain((4,), (0,))),
    "three": (("-lo", "3"), LaunchDomain((4,), (3,))),
    "negative": (("-lo", "-5"), LaunchDomain((4,), (-5,))),
    "two": (("-lo", "3", "-two"), LaunchDomain((4, 4), (3, 4))),
    "two, negative": (("-lo", "-5", "-two"), LaunchDomain((4, 4), (-5, -4))),
    "sparse": (
        ("-lo", "3", "-sparse"),
        LaunchDomain((10,), (3,), ((3,), (6,), (9,), (12,))),
    ),
    "sparse, negative": (
        ("-lo", "-5", "-sparse"),
        LaunchDomain((10,), (-5,), ((-5,), (-2,), (1,), (4,))),
    ),
}


@cache
def captures() -> dict[str, Application]:
    """All captures at once."""
    program = str(built("domains"))

    def job(flags: tuple[str, ...]) -> Application:
        return from_json(to_json(capture([program, *flags, "-ll:cpu", str(CPUS)]).application))

    with ThreadPoolExecutor(len(LAUNCHES)) as workers:
        started = {name: workers.submit(job, flags) for name, (flags, _) in LAUNCHES.items()}
        return {name: each.result() for name, each in started.items()}


def captured(launches: str) -> Application:
    return captures()[launches]


@pytest.mark.parametrize("launches", LAUNCHES)
def test_a_capture_has_the_true_points(launches: str) -> None:
    application = captured(launches)
    for launch in application.launches():
        assert LaunchDomain.of(launch) == LAUNCHES[launches][1]
    assert [launch.task for launch in application.loop] == ["step"]


@pytest.mark.parametrize("launches", LAUNCHES)
@pytest.mark.parametrize("name", MAPPERS)
def test_check_simulator_and_runtime_agree(launches: str, name: str) -> None:
    flags, domain = LAUNCHES[launches]
    text = HEAD + MAPPERS[name] + END
    parsed, machine = dsl.parse(text), Machine.load("cpu2")
    run = run_under(text, *flags, program="domains")
    found = [d for d in dsl.check(parsed, captured(launches), machine) if d.severity == "error"]
    outcome = Evaluator(captured(launches), machine).evaluate(parsed)
    assert (run.code == 0) == (not found) == outcome.ok, (run.errors, found, outcome.raw)
    if run.code == 0:
        places = dsl.load(parsed, SHAPE).launch_map("step", "CPU", domain).tolist()
        wanted = {domain.point(n): ("CPU", place) for n, (_, place) in enumerate(places)}
        assert run.ran("step") == wanted


@pytest.mark.parametrize("launches", LAUNCHES)
def test_maps_of_the_template_run(launches: str) -> None:
    application, machine = captured(launches), Machine.load("cpu2")
    template = dsl.template_for(application, machine)
    known = {name: hole.default for name, hole in template.parameters.items()}
    for choice in template.parameters["map.step"].choices[:2]:
        text = template.render({**known, "map.step": choice})
        assert dsl.check(dsl.parse(text), application, machine) == []
        run = run_under(text, *LAUNCHES[launches][0], program="domains")
        assert run.code == 0, run.errors
        assert {processor for _, processor in run.ran("step").values()} <= {0, 1}


@pytest.mark.parametrize("launches", ["two, negative", "sparse, negative"])
def test_a_replay_launches_the_same_points(launches: str, tmp_path: Path) -> None:
    plan = tmp_path / "domains.plan"
    plan.write_text(plan_text(captured(launches)))
    program = our_program("replay")
    again = capture(
        [str(program), str(plan), "-iterations", "4", "-ll:cpu", str(CPUS)], name="domains"
    ).application
    for launch in again.launches():
        assert LaunchDomain.of(launch) == LAUNCHES[launches][1]
