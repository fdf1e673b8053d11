"""Machines of cores alone: free processors, recorded traces, and cores that all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dsl
from legion_bridge import Evaluator, Machine
from legion_bridge.calibration.probes import copies
from legion_bridge.machines.machine import Runtime
from legion_bridge.traces.critical_path import critical_path
from legion_bridge.traces.spans import tracks
from tests.legion_bridge import tiny
from tests.legion_bridge.simulation.random_runs import Case, cases
from tests.legion_bridge.simulation.reference_run import Replay

REGIONS = (tiny.region("data", 40),)
QUARTERS = tiny.pieces("quarters", "data", (0, 9), (10, 19), (20, 29), (30, 39))
POINTS = tiny.launch("work", domain=(4,))


def machine(*, pooled: bool = True, **runtime: Any) -> Machine:
    """Two GPUs whose unmapped tasks run on either."""
    made = tiny.machine(runtime=replace(tiny.FREE, **runtime))
    gpu = replace(made.processors["GPU"], pooled=pooled)
    return replace(made, processors={**made.processors, "GPU": gpu})


def starts(run: tiny.Run) -> list[float]:
    return sorted(task.start for task in run.tasks)


class TestFreeProcessors:
    @pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
    def test_no_processor_idles_while_a_task_waits(self, count: int) -> None:
        program = tiny.application(REGIONS, [tiny.launch("work", domain=(count,))])
        run = tiny.Run(program, machine(), tiny.mapper())
        assert starts(run) == [float(number // 2) for number in range(count)]

    def test_those_that_a_map_places_stay(self) -> None:
        program = tiny.application(REGIONS, [POINTS])
        run = tiny.Run(program, machine(), tiny.mapper(work=(0, 1)))
        assert starts(run) == [0.0, 1.0, 2.0, 3.0]

    def test_they_go_round_those_that_stay(self) -> None:
        """Three wait for the second GPU, and three for either."""
        stay = tiny.launch("stay", domain=(3,))
        roam = tiny.launch("roam", domain=(3,))
        program = tiny.application(REGIONS, [stay, roam])
        run = tiny.Run(program, machine(), tiny.mapper(stay=(0, 1)))
        assert starts(run) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]


def steady(text: str, loop: Sequence[Any], on: Machine) -> float:
    """Seconds of one iteration of a traced loop, after some that do not count."""
    program = tiny.application(
        REGIONS, loop, partitions=[QUARTERS], warmup=4, timed=8, traced=True
    )
    outcome = tiny.Run(program, on, text).outcome
    assert outcome.elapsed is not None
    return outcome.elapsed / 8


class TestRecordedTraces:
    LIMIT = tiny.mapper("InstanceLimit work 1;")
    WAITS = (tiny.launch("work", tiny.updates("data", "quarters"), domain=(4,)),)

    def test_limits_hold_where_the_mapper_is_asked(self) -> None:
        assert steady(self.LIMIT, self.WAITS, machine()) == pytest.approx(4.0)

    def test_limits_do_not_hold_in_a_replay(self) -> None:
        assert steady(self.LIMIT, self.WAITS, machine(recorded=True)) == pytest.approx(2.0)
        assert steady(tiny.mapper(), self.WAITS, machine()) == pytest.approx(2.0)

    def test_what_is_collected_keeps_a_trace_from_being_replayed(self) -> None:
        loop = (
            tiny.launch("write", tiny.updates("data", "quarters"), domain=(4,)),
            tiny.launch("work", tiny.reads("data", "quarters"), domain=(4,)),
        )
        text = "InstanceLimit work 1; Region work * GPU ZCMEM;"
        replayed = steady(tiny.mapper(text), loop, machine(recorded=True))
        collects = tiny.mapper(f"{text} CollectMemory work *;")
        assert steady(collects, loop, machine(recorded=True)) > replayed + 1.0

    def test_it_then_costs_what_it_costs_without_a_trace(self) -> None:
        loop = (
            tiny.launch("write", tiny.updates("data", "quarters"), domain=(4,), seconds=0.0),
            tiny.launch("work", tiny.reads("data", "quarters"), domain=(4,), seconds=0.0),
        )
        slow = machine(recorded=True, point=10.0, untraced=3.0)
        moved = "Region work * GPU ZCMEM;"
        assert steady(tiny.mapper(moved), loop, slow) == pytest.approx(80.0, rel=0.1)
        collects = tiny.mapper(f"{moved} CollectMemory work *;")
        assert steady(collects, loop, slow) == pytest.approx(240.0, rel=0.1)

    def test_it_is_recorded_anew_behind_a_fence(self) -> None:
        """Two chains of tasks, of which the longer keeps the shorter from running ahead."""
        loop = (
            tiny.launch("long", tiny.updates("data", "quarters"), seconds=3.0),
            tiny.launch("short", tiny.updates("other", "ends"), seconds=1.0),
            tiny.launch("work", tiny.reads("data", "quarters"), seconds=0.0),
        )
        program = tiny.application(
            (*REGIONS, tiny.region("other", 40)),
            loop,
            partitions=[QUARTERS, tiny.pieces("ends", "other", (0, 9))],
            warmup=4,
            timed=8,
            traced=True,
        )
        moved = "Region work * GPU ZCMEM;"
        for text, runs_ahead in ((moved, True), (f"{moved} CollectMemory work *;", False)):
            places = {"long": (0, 0), "short": (0, 1), "work": (0, 0)}
            run = tiny.Run(program, machine(recorded=True), tiny.mapper(text, **places))
            ends, starts_ = run.times("long"), run.times("short")
            assert (starts_[-1][0] < ends[-2][1]) == runs_ahead

    def test_recording_costs_a_factor(self) -> None:
        loop = (
            tiny.launch("write", tiny.updates("data", "quarters"), domain=(4,), seconds=0.0),
            tiny.launch("work", tiny.reads("data", "quarters"), domain=(4,), seconds=0.0),
        )
        text = tiny.mapper("Region work * GPU ZCMEM; CollectMemory work *;")
        slow = machine(recorded=True, point=10.0, recording=2.0)
        assert steady(text, loop, slow) == pytest.approx(160.0, rel=0.1)


def test_what_is_reduced_into_is_collected_when_it_is_stale() -> None:
    """An instance that is made takes ten seconds; a second reader finds that of the first one."""
    read = tiny.reads("data", "quarters")
    loop = (
        tiny.launch("add", tiny.reduces("data", "quarters"), domain=(4,)),
        tiny.launch("fold", tiny.updates("data", "quarters"), domain=(4,)),
        tiny.launch("work", read, domain=(4,)),
        tiny.launch("again", read, domain=(4,)),
    )
    moved = "Region work * GPU ZCMEM; Region again * GPU ZCMEM;"
    collects = "CollectMemory work *; CollectMemory again *;"

    def made(collected: str, **runtime: Any) -> int:
        text = tiny.mapper(moved + collected)
        return round(steady(text, loop, machine(instance=10.0, **runtime)) / 10.0 - 0.4)

    assert made(collects) == 8
    assert made(collects, keeps_folded=True) == 4
    assert made("", keeps_folded=True) == 0


def test_what_is_collected_beside_data_that_stays_is_copied_each_time() -> None:
    """The instance of another task's piece stays, so that a trace with it is replayed."""
    tail = tiny.pieces("tail", "data", (30, 39))
    setup = [
        tiny.launch("made", tiny.writes("data", "quarters"), domain=(4,), seconds=0.0),
        tiny.launch("held", tiny.reads("data", "tail"), seconds=0.0),
    ]
    loop = [tiny.launch("work", tiny.reads("data", "quarters"), domain=(4,))]
    program = tiny.application(
        REGIONS, loop, setup=setup, partitions=[QUARTERS, tail], warmup=4, timed=8, traced=True
    )

    def copies_and_seconds(text: str) -> tuple[int, float]:
        moved = "Region work * GPU ZCMEM; Region held * GPU ZCMEM;"
        run = tiny.Run(program, machine(recorded=True, point=1.0, untraced=9.0), moved + text)
        assert run.outcome.elapsed is not None
        return len(run.copies()), run.outcome.elapsed

    mapper = tiny.mapper()
    once, plain = copies_and_seconds(mapper)
    each, collected = copies_and_seconds(f"CollectMemory work *; {mapper}")
    assert each > once + 8
    assert collected < 2 * plain


def test_data_that_several_partitions_reach_is_analysed_longer() -> None:
    others = tiny.pieces("others", "data", (0, 9), (10, 19), (20, 29), (30, 39))

    def elapsed(second: str, **runtime: Any) -> float:
        loop = [
            tiny.launch("one", tiny.updates("data", "quarters"), domain=(4,), seconds=0.25),
            tiny.launch("two", tiny.updates("data", second), domain=(4,), seconds=0.25),
        ]
        program = tiny.application(
            REGIONS, loop, partitions=[QUARTERS, others], warmup=4, timed=8, traced=True
        )
        found = tiny.Run(program, machine(refinement=1.0, **runtime), tiny.mapper()).outcome
        assert found.elapsed is not None
        return found.elapsed / 8

    assert elapsed("quarters") == pytest.approx(1.0)
    assert elapsed("others") == pytest.approx(8.0)
    assert elapsed("others", recorded=True) == pytest.approx(1.0)  # a replay analyses nothing


def test_a_permit_takes_its_time_to_come_back() -> None:
    text = tiny.mapper("InstanceLimit work 1;")
    program = tiny.application(REGIONS, [POINTS])
    at_once = tiny.Run(program, machine(), text)
    late = tiny.Run(program, machine(permit=0.5), text)
    assert starts(at_once) == [0.0, 1.0, 2.0, 3.0]
    assert starts(late) == [0.0, 1.5, 3.0, 4.5]


def test_tasks_that_no_map_places_launch_from_the_first_processor() -> None:
    """A limit counts by the processor of the parent: those on two launch beside each other."""
    loop = [
        tiny.launch("outer", domain=(2,)),
        tiny.launch("child", above=2, parent=0),
    ]
    program = tiny.application(REGIONS, loop)
    spread = (
        "InstanceLimit child 1; both = Machine(GPU);"
        "def spread(Task t) { return both[0, t.ipoint[0]]; } IndexTaskMap outer spread;"
    )
    placed = tiny.Run(program, machine(), tiny.mapper(spread))
    free = tiny.Run(program, machine(), tiny.mapper("InstanceLimit child 1;"))
    assert [start for start, _ in placed.times("child")] == [1.0, 1.0]
    assert [start for start, _ in free.times("child")] == [1.0, 2.0]


class TestUnderALimit:
    """One point at a time beside two, where the runtime's work has no core of its own."""

    def slower(self, threads: float) -> float:
        """How many times as long a loop takes under a limit of one."""

        def elapsed(limit: str) -> float:
            program = tiny.application(
                REGIONS,
                [
                    tiny.launch("work", tiny.updates("data", "quarters"), domain=(4,)),
                    tiny.launch("beside", domain=(8,), seconds=0.0),
                ],
                partitions=[QUARTERS],
                warmup=4,
                timed=8,
            )
            on = machine(point=0.25, threads=threads, shares_cores=True)
            found = tiny.Run(program, on, tiny.mapper(limit)).outcome.elapsed
            assert found is not None
            return found

        return elapsed("InstanceLimit work 1;") / elapsed("")

    def test_the_limit_costs_less_the_more_work_there_is_beside_the_tasks(self) -> None:
        """Three seconds of analysis and four of tasks: seven under the limit, one after the other;
        without it both cores share them, and what else the analysis keeps busy.
        """
        alone, two, three = self.slower(1.0), self.slower(2.0), self.slower(3.0)
        assert alone == pytest.approx(7.0 / 3.5)
        assert alone > two > three


class TestSharedCores:
    def busy(self, points: int, on: Machine) -> tiny.Run:
        """A long task on the CPU, others on two GPUs, and one more whose data takes a second."""
        loop = [
            tiny.launch("on_cpu", seconds=20.0),
            tiny.launch("long", domain=(points,), seconds=10.0),
            tiny.launch("moved", tiny.reads("data"), seconds=1.0),
        ]
        setup = [tiny.launch("made", tiny.writes("data"), seconds=0.0)]
        program = tiny.application([tiny.region("data", 10)], loop, setup=setup)
        return tiny.Run(program, on, tiny.mapper("Region made * GPU ZCMEM; Task on_cpu CPU;"))

    def test_runtime_work_waits_for_a_processor(self) -> None:
        """The CPU and both GPUs are busy when the fourth and the fifth task are mapped."""
        apart = self.busy(3, machine(point=0.5))
        shared = self.busy(3, machine(point=0.5, shares_cores=True))
        assert [task.start for task in apart.tasks] == [0.5, 1.0, 1.5, 2.0, 11.5, 12.0]
        # The fourth is mapped when the first GPU is free, the fifth when the second is, and its
        # data takes a second to come.
        assert [task.start for task in shared.tasks][:4] == [0.5, 1.0, 1.5, 2.0]
        assert starts(shared)[4:] == [12.0, 13.5]

    def test_runtime_work_goes_before_tasks_that_wait(self) -> None:
        loop = [
            tiny.launch("on_cpu", seconds=20.0),
            tiny.launch("first", domain=(3,), seconds=10.0),
            tiny.launch("second", domain=(2,), seconds=10.0),
        ]
        text = tiny.mapper("Task on_cpu CPU;", first=(0, 0), second=(0, 1))
        on = machine(point=0.5, shares_cores=True)
        run = tiny.Run(tiny.application(REGIONS, loop), on, text)
        # The last point is mapped at 11 s, when the first GPU is free, before its next task runs.
        assert sorted(start for start, _ in run.times("first")) == [1.0, 11.5, 21.5]
        assert sorted(start for start, _ in run.times("second")) == [2.5, 12.5]

    def test_copies_hold_up_busy_processors(self) -> None:
        """A copy of a second begins while all processors have some seconds of work."""
        apart, shared = self.busy(2, machine()), self.busy(2, machine(shares_cores=True))
        assert starts(shared)[-1] == starts(apart)[-1] + 1.0

    def test_idle_processors_are_not_held_up(self) -> None:
        single = tiny.application(REGIONS, [tiny.launch("work", domain=(1,))])
        run = tiny.Run(single, machine(point=0.5, shares_cores=True), tiny.mapper())
        assert starts(run) == [0.5]


def test_copies_into_fresh_memory_take_longer() -> None:
    """Bytes of a collected instance count once more for each of ``fresh``."""

    def elapsed(fresh: float) -> float:
        runtime = replace(Machine.load("cpu2").runtime, fresh=fresh)
        on = replace(Machine.load("cpu2"), runtime=runtime)
        text = (
            "Region there * CPU RDMEM; CollectMemory there *; Task * CPU; Region * * CPU SYSMEM;"
        )
        program = copies(1_000_000, 2, 1, 6, reads_only=True)
        found = Evaluator(program, on).evaluate(dsl.parse(text))
        assert found.elapsed is not None
        return found.elapsed

    assert elapsed(3.0) / elapsed(1.0) == pytest.approx(2.0, rel=0.05)
    assert elapsed(1.0) / elapsed(0.0) == pytest.approx(2.0, rel=0.05)


def test_a_machine_says_nothing_of_this_by_itself() -> None:
    plain = Runtime(0.0, 0.0, 0.0, 1.0, 0.0)
    assert plain.fresh == 0.0
    assert not any((plain.recorded, plain.keeps_folded, plain.shares_cores))


def on_cores(case: Case, **runtime: Any) -> tiny.Run:
    """The case where unmapped tasks run wherever it is free."""
    machine = case.machine
    processors = {kind: replace(each, pooled=True) for kind, each in machine.processors.items()}
    changed = replace(machine, processors=processors, runtime=replace(machine.runtime, **runtime))
    return case.run(machine=changed)


class TestInvariants:
    EXAMPLES = settings(max_examples=50, deadline=None)

    @EXAMPLES
    @given(cases(iterations=6), st.booleans())
    def test_nothing_is_used_by_two_at_once(self, case: Case, shares: bool) -> None:
        run = on_cores(case, recorded=True, keeps_folded=True, fresh=2.0, shares_cores=shares)
        assume(run.outcome.ok)
        for track in tracks(run.trace):
            for first, second in pairwise(track.spans):
                assert first.end <= second.start + 1e-9, track.name

    @EXAMPLES
    @given(cases(iterations=6), st.booleans())
    def test_the_critical_path_explains_all(self, case: Case, shares: bool) -> None:
        run = on_cores(case, recorded=True, keeps_folded=True, fresh=2.0, shares_cores=shares)
        assume(run.outcome.ok)
        seconds = sum(segment.end - segment.start for segment in critical_path(run.trace))
        assert seconds == pytest.approx(run.trace.end - run.trace.begin)

    @EXAMPLES
    @given(cases(), st.booleans())
    def test_every_read_finds_the_newest_value(self, case: Case, shares: bool) -> None:
        run = on_cores(case, shares_cores=shares)
        assume(run.outcome.ok)
        Replay(run)
