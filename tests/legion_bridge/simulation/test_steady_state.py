"""What an iteration takes: never less than anything is busy; for equal schedules the same."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.programs.flat_program import flatten
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.simulation.simulator import Simulator, Trace
from legion_bridge.simulation.steady_state import Window, is_settled, measure, windows
from legion_bridge.traces.profile import profile_of
from tests.legion_bridge import tiny
from tests.legion_bridge.tiny import Run, launch, mapper, reads, region, updates, writes

from .random_runs import Case, cases

EXAMPLES = settings(max_examples=100, deadline=None)

MANY_OVER_ONE = """
Task calculate_new_currents CPU;
Task distribute_charge GPU,CPU;
Task * CPU;
Region * * GPU FBMEM;
Region * * CPU SYSMEM;
InstanceLimit update_voltages 1;
mgpu = Machine(GPU);
def block(Task task) {
  gpus = mgpu.merge(0, 1);
  return gpus[task.ipoint[0] * gpus.size[0] / task.ispace[0]];
}
IndexTaskMap distribute_charge block;
"""


def exact_sum(seconds: np.ndarray) -> Fraction:
    return sum(map(Fraction, seconds.tolist()), Fraction(0))


def busy_by_resource(trace: Trace, counted: np.ndarray) -> dict[tuple[str, int], Fraction]:
    """Seconds that each processor and each rank's runtime is busy with some operations."""
    operations = trace.operations
    found = {}
    for kind in (OperationKind.TASK, OperationKind.RUNTIME):
        mine = counted & (operations.kind == kind)
        for place in np.unique(operations.place[mine]).tolist():
            here = mine & (operations.place == place)
            spans = operations.end[here] - operations.start[here]
            found[kind.name, place] = exact_sum(spans)
    return found


def assert_not_below_what_is_busy(run: Run) -> None:
    """To the bit: all times are multiples of a power of two."""
    trace = run.trace
    iteration = trace.operations.iteration
    last = trace.first + trace.iterations
    measured = (iteration >= trace.first) & (iteration < last)
    window = Fraction(trace.end) - Fraction(trace.begin)
    for what, busy in busy_by_resource(trace, measured).items():
        assert busy <= window, what
    for link, seconds in enumerate(trace.operations.link_busy.tolist()):
        assert Fraction(seconds) <= window, trace.machine.link_names[link]
    whole = Fraction(float(trace.operations.end.max()))
    for what, busy in busy_by_resource(trace, np.ones(len(iteration), bool)).items():
        assert busy <= whole, what
    per_iteration = (trace.end - trace.begin) / trace.iterations
    assert run.outcome.elapsed == per_iteration * trace.program.application.timed
    assert profile_of(trace).iteration == per_iteration


class TestNeverBelowWhatIsBusy:
    @EXAMPLES
    @given(cases(iterations=40))
    def test_random_mappers(self, case: Case) -> None:
        run = case.run()
        assume(run.outcome.ok)
        assert_not_below_what_is_busy(run)

    @EXAMPLES
    @given(cases(iterations=5))
    def test_short_programs(self, case: Case) -> None:
        run = case.run()
        assume(run.outcome.ok)
        assert_not_below_what_is_busy(run)

    @EXAMPLES
    @given(cases(iterations=40), st.data())
    def test_adversarial_mappers(self, case: Case, data: st.DataObject) -> None:
        """Limits of 1, one processor for all, tasks that no map places."""
        tasks = sorted({launch.task for launch in case.program.launches()})
        limited = data.draw(st.lists(st.sampled_from(tasks), unique=True))
        where = data.draw(st.sampled_from(["CPU", "GPU", "GPU,CPU"]))
        limits = "".join(f"InstanceLimit {task} 1;" for task in limited)
        one = data.draw(st.booleans())
        places = dict.fromkeys(tasks, (0, 0)) if one and where == "GPU" else {}
        kept = [line for line in case.rules.splitlines() if not line.startswith("Task ")]
        run = case.run(rules="\n".join([limits, f"Task * {where};", *kept]), places=places)
        assume(run.outcome.ok)
        assert_not_below_what_is_busy(run)

    @pytest.mark.parametrize("name", ["circuit", "stencil", "pennant", "cannon", "cosma"])
    @pytest.mark.parametrize("rules", ["", "InstanceLimit {task} 1;", "CollectMemory * *;"])
    def test_applications(self, name: str, rules: str) -> None:
        program = Application.load(name)
        task = program.launches()[-1].task
        text = f"{rules.format(task=task)}\n{program.mappers['expert']}"
        run = Run(program, Machine.load("p100x4"), text)
        if not run.outcome.ok:
            assert "InstanceLimit" in text
            return
        assert_not_below_what_is_busy(run)

    def test_iterations_that_overlap(self) -> None:
        """One CPU runs nearly all of circuit; half of an iteration once fell out of the window."""
        program = Application.load("circuit", wires=15_500_000, circuit_nodes=500_000)
        run = Run(program, Machine.load("p100x4"), MANY_OVER_ONE)
        assert_not_below_what_is_busy(run)
        busy = max(usage.busy for usage in profile_of(run.trace).processors)
        assert run.outcome.elapsed == pytest.approx(busy * program.timed, rel=1e-3)


class TestEqualSchedules:
    """Tasks take a tenth of a second, which no binary number is."""

    def seconds(self, setup: float, warmup: int = 10) -> float | None:
        line = region("line", 100)
        loop = [
            launch("put", updates("line"), seconds=0.1),
            launch("get", reads("line"), seconds=0.7),
        ]
        program = tiny.application(
            [line],
            loop,
            setup=[launch("make", writes("line"), seconds=setup)],
            warmup=warmup,
            timed=30,
        )
        return Run(program, tiny.machine(), mapper(put=(0, 0), get=(0, 1))).outcome.elapsed

    @pytest.mark.parametrize("setup", [0.0, 0.3, 1 / 3, 17.1, 123.456])
    def test_whenever_they_begin(self, setup: float) -> None:
        assert self.seconds(setup) == self.seconds(0.1)

    @pytest.mark.parametrize("warmup", [2, 3, 4])
    def test_however_many_iterations_come_before(self, warmup: int) -> None:
        assert self.seconds(0.1, warmup) == self.seconds(0.1)

    @pytest.mark.parametrize("name", ["circuit", "stencil", "pennant"])
    def test_limits_that_nobody_reaches(self, name: str) -> None:
        program = Application.load(name)
        evaluator = Evaluator(program, Machine.load("p100x4"))
        text = program.mappers["expert"]
        tasks = {launch.task for launch in program.launches()}
        limits = "\n".join(f"InstanceLimit {task} 100000;" for task in sorted(tasks))
        plain, limited = (evaluator.evaluate_text(each) for each in (text, f"{text}\n{limits}"))
        assert plain.elapsed == limited.elapsed


class TestWindows:
    def windows(self, warmup: int, timed: int) -> list[tuple[int, ...]]:
        program = tiny.application([region("line", 1)], [launch("put", writes("line"))])
        program = replace(program, warmup=warmup, timed=timed)
        return [tuple(window) for window in windows(flatten(program))]

    def test_a_short_program_counts_as_it_is(self) -> None:
        assert self.windows(0, 3) == [(0, 3, 3)]
        assert self.windows(3, 5) == [(3, 8, 8)]

    def test_iterations_follow_on_those_that_are_measured(self) -> None:
        assert self.windows(30, 10) == [(4, 8, 9), (8, 20, 21)]
        assert self.windows(0, 10) == [(4, 8, 9), (8, 20, 21)]
        assert self.windows(1, 10) == [(1, 5, 6), (5, 17, 18)]

    @pytest.mark.parametrize(
        ("times", "settled"),
        [
            ([2, 2, 2, 2], True),
            ([1, 3, 1, 3], True),
            ([1, 3, 1, 4], False),
            ([2, 2, 2, 3], False),
            ([1, 2, 3] * 4, True),
            ([1, 2, 3, 4, 5, 6] * 2, True),
            ([1, 2, 3, 4, 5] * 2 + [1, 2], False),  # no whole periods
        ],
    )
    def test_times_that_repeat_are_settled(self, times: list[float], settled: bool) -> None:
        ends = np.cumsum([0.0, 10.0, *times]).tolist()
        window = Window(1, 1 + len(times), 2 + len(times))
        assert is_settled(window, [*ends, 1000.0], busiest=0.0) is settled
        assert not is_settled(window, ends, busiest=sum(times) + 0.5)

    def test_the_last_iterations(self) -> None:
        assert Window(4, 8, 9).latest == (5, 9, 9)
        assert Window(0, 3, 3).latest == (0, 3, 3)

    def test_periods_are_no_longer_than_asked_for(self) -> None:
        ends = np.cumsum([0.0, 1, 3, 1, 3]).tolist()
        assert is_settled(Window(0, 4, 4), ends, busiest=0.0, longest=2)
        assert not is_settled(Window(0, 4, 4), ends, busiest=0.0, longest=1)

    def test_the_measured_time(self) -> None:
        window = Window(1, 3, 4)
        ends = [1.0, 5.0, 7.0, 10.0, 99.0]
        whole = measure(window, ends, [], segmented=False, busiest=0.0)
        assert whole == (5.0, 10.0)
        assert measure(window, ends, [], segmented=False, busiest=6.0) == (5.0, 11.0)

    def test_an_iteration_ends_when_all_before_it_have(self) -> None:
        ends = [1.0, 5.0, 12.0, 10.0, 99.0]
        assert measure(Window(1, 3, 4), ends, [], segmented=False, busiest=0.0) == (5.0, 12.0)

    def test_the_parts_for_which_the_clock_runs(self) -> None:
        timed, untimed = [0.0, 4.0, 9.0], [1.0, 3.0, 6.0]
        found = measure(Window(1, 2, 2), timed, untimed, segmented=True, busiest=0.0)
        assert found == (6.0, 9.0)


def test_what_settles_one_iteration_later_is_not_measured_again() -> None:
    """It has the times to the bit that the later and longer window has."""
    program, machine = Application.load("circuit"), Machine.load("p100x4")
    template = dsl.template_for(program, machine)
    run = Run(program, machine, template.render(template.defaults()))
    assert (run.trace.first, run.trace.iterations) == (5, 4)
    assert_not_below_what_is_busy(run)
    later = Simulator(program, machine)
    later._windows = later._windows[1:]
    assert later.trace(run.trace.decisions)[0] == run.outcome
    assert Simulator(program, machine).run_decisions(run.trace.decisions) == run.outcome


def test_what_is_not_settled_is_measured_again() -> None:
    program = Application.load("transformer")
    strided = program.mappers["expert"].replace("F_order", "C_order")
    run = Run(program, Machine.load("p100x4"), strided)
    assert (run.trace.first, run.trace.iterations) == (8, 12)
    assert_not_below_what_is_busy(run)
