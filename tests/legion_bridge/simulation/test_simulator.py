"""When simulated tasks run, against times worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from legion_bridge.machines.machine import Runtime
from tests.legion_bridge.tiny import (
    Moved,
    Ran,
    application,
    launch,
    machine,
    mapper,
    pieces,
    reads,
    region,
    run,
    updates,
    writes,
)

LINE = region("line", 100)
HALVES = pieces("halves", "line", (0, 49), (50, 99))


class TestOrder:
    def test_a_reader_waits_for_the_writer_and_for_the_copy(self) -> None:
        program = application(
            [LINE], [launch("put", writes("line")), launch("get", reads("line"))]
        )
        found = run(program, mapper(put=(0, 0), get=(0, 1)))
        assert found.tasks == [
            Ran("put", 0, "GPU 0.0", 0.0, 1.0),
            Ran("get", 0, "GPU 0.1", 11.0, 12.0),
        ]
        assert found.moves == [Moved("copy", "line", "FB 0.0", "FB 0.1", 100.0, 1.0, 11.0)]
        assert found.outcome.elapsed == pytest.approx(12.0)

    def test_readers_of_one_instance_do_not_wait_for_each_other(self) -> None:
        loop = [
            launch("put", writes("line")),
            launch("one", reads("line"), seconds=5.0),
            launch("two", reads("line")),
        ]
        text = mapper("Region * line GPU ZCMEM;", put=(0, 0), one=(0, 0), two=(0, 1))
        found = run(application([LINE], loop), text)
        assert found.times("one") == [(1.0, 6.0)]
        assert found.times("two") == [(1.0, 2.0)]

    def test_who_waits_goes_before_who_is_ready_when_the_processor_is_free(self) -> None:
        loop = [launch(task, updates("line", "halves"), domain=(2,)) for task in ("one", "two")]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, on=machine(gpus=1))
        # The first half of "two" is ready at 1, when the second half of "one" has waited.
        assert found.times("one") == [(0.0, 1.0), (1.0, 2.0)]
        assert found.times("two") == [(2.0, 3.0), (3.0, 4.0)]

    @pytest.mark.parametrize("second", [writes, updates])
    def test_a_writer_waits_for_readers_of_its_instance(self, second) -> None:
        loop = [
            launch("put", writes("line")),
            launch("get", reads("line"), seconds=5.0),
            launch("again", second("line")),
        ]
        text = mapper("Region * line GPU ZCMEM;", put=(0, 0), get=(0, 0), again=(0, 1))
        assert run(application([LINE], loop), text).times("again") == [(6.0, 7.0)]

    def test_a_writer_elsewhere_does_not_wait_for_readers(self) -> None:
        loop = [
            launch("put", writes("line")),
            launch("get", reads("line"), seconds=5.0),
            launch("again", writes("line")),
        ]
        found = run(application([LINE], loop), mapper(put=(0, 0), get=(0, 0), again=(0, 1)))
        assert found.times("again") == [(0.0, 1.0)]

    def test_a_writer_waits_for_the_writer_before(self) -> None:
        loop = [launch("put", writes("line"), seconds=3.0), launch("again", writes("line"))]
        text = mapper("Region * line GPU ZCMEM;", put=(0, 0), again=(0, 1))
        assert run(application([LINE], loop), text).times("again") == [(3.0, 4.0)]

    def test_a_writer_waits_for_copies_out_of_its_instance(self) -> None:
        loop = [
            launch("put", writes("line")),
            launch("get", reads("line")),
            launch("again", writes("line")),
        ]
        found = run(application([LINE], loop), mapper(put=(0, 0), get=(0, 1), again=(0, 0)))
        assert found.times("get") == [(11.0, 12.0)]
        assert found.times("again") == [(11.0, 12.0)]

    def test_what_nobody_wrote_costs_nothing(self) -> None:
        found = run(application([LINE], [launch("get", reads("line"))]))
        assert found.moves == []
        assert found.times("get") == [(0.0, 1.0)]

    def test_tasks_share_their_processor_in_program_order(self) -> None:
        other = region("other", 10)
        loop = [launch("one", writes("line")), launch("two", writes("other"))]
        found = run(application([LINE, other], loop), mapper(one=(0, 0), two=(0, 0)))
        assert found.times("two") == [(1.0, 2.0)]

    def test_different_fields_are_different_data(self) -> None:
        two = region("two", 50, ("a", "b"))
        loop = [
            launch("put_a", writes("two", None, "a"), seconds=9.0),
            launch("get_b", reads("two", None, "b")),
        ]
        found = run(application([two], loop), mapper(put_a=(0, 0), get_b=(0, 1)))
        assert found.times("get_b") == [(0.0, 1.0)]
        assert found.moves == []


class TestLaunches:
    def test_points_spread_over_the_processors(self) -> None:
        loop = [launch("put", writes("line", "halves"), domain=(2,))]
        found = run(application([LINE], loop, partitions=[HALVES]))
        assert [(t.where, t.start) for t in found.tasks] == [("GPU 0.0", 0.0), ("GPU 0.1", 0.0)]

    def test_a_blocking_launch_holds_up_what_follows(self) -> None:
        other = region("other", 10)
        loop = [
            launch("one", writes("line"), seconds=7.0, blocking=True),
            launch("two", writes("other")),
        ]
        found = run(application([LINE, other], loop), mapper(one=(0, 0), two=(0, 1)))
        assert found.times("two") == [(7.0, 8.0)]

    def test_a_launch_waits_for_the_results_that_it_takes(self) -> None:
        other = region("other", 10)
        loop = [
            launch("one", writes("line", "halves"), domain=(2,), seconds=7.0),
            launch("two", writes("other"), after=(0,)),
        ]
        program = application([LINE, other], loop, partitions=[HALVES])
        found = run(program, mapper("Task two CPU;"))
        assert found.times("two") == [(7.0, 8.0)]

    def test_a_result_of_the_iteration_before_is_waited_for(self) -> None:
        other = region("other", 10)
        loop = [
            launch("two", writes("other"), after=(1,)),
            launch("one", writes("line"), seconds=7.0),
        ]
        program = application([LINE, other], loop, warmup=0, timed=2)
        found = run(program, mapper(one=(0, 0), two=(0, 1)))
        assert found.times("two") == [(0.0, 1.0), (7.0, 8.0)]

    def test_children_run_after_the_task_that_launches_them(self) -> None:
        loop = [
            launch("above", seconds=2.0, domain=(2,)),
            launch("below", writes("line", "halves"), parent=0, above=2, seconds=3.0),
            launch("next", after=(0,)),
        ]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper("Task above CPU; Task next CPU;", below=(0, 0)))
        assert found.times("above") == [(0.0, 2.0), (2.0, 4.0)]
        assert found.times("below") == [(2.0, 5.0), (5.0, 8.0)]
        # Who takes the parents' results waits for their children.
        assert found.times("next") == [(8.0, 9.0)]

    def test_inner_tasks_take_no_time_and_move_no_data(self) -> None:
        loop = [
            launch("put", writes("line")),
            launch("above", reads("line"), seconds=2.0),
            launch("below", reads("line"), parent=1),
        ]
        program = application([LINE], loop, inner=["above"])
        found = run(program, mapper(put=(0, 0), above=(0, 1), below=(0, 0)))
        assert found.moves == []
        assert found.times("above") == [(0.0, 0.0)]
        assert found.times("below") == [(1.0, 2.0)]

    def test_a_limit_makes_points_of_a_task_take_turns(self) -> None:
        loop = [launch("put", writes("line", "halves"), domain=(2,), seconds=3.0)]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper("InstanceLimit put 1;"))
        assert found.times("put") == [(0.0, 3.0), (3.0, 6.0)]
        assert run(program, mapper("InstanceLimit put 2;")).times("put") == [(0.0, 3.0)] * 2

    @pytest.mark.parametrize(
        ("parents", "expected"),
        [
            ("", [(0.0, 3.0), (3.0, 6.0), (3.0, 6.0), (6.0, 9.0)]),
            ("IndexTaskMap above first;", [(0.0, 3.0), (3.0, 6.0), (6.0, 9.0), (9.0, 12.0)]),
        ],
        ids=["parents on two GPUs", "parents on one GPU"],
    )
    def test_a_limit_holds_for_each_launching_processor(
        self, parents: str, expected: list[tuple[float, float]]
    ) -> None:
        """Each of two parents launches a point on GPU 0 and one on GPU 1."""
        loop = [
            launch("above", domain=(2,)),
            launch("below", domain=(2,), parent=0, above=2, seconds=3.0),
        ]
        text = f"""
            m = Machine(GPU);
            def first(Task t) {{ return m[0, 0]; }}
            InstanceLimit below 1;
            {parents}
        """
        found = run(application([LINE], loop, inner=["above"]), mapper(text))
        assert found.times("below") == expected

    def test_a_limit_ends_with_all_that_the_task_launched(self) -> None:
        loop = [
            launch("above", domain=(2,), seconds=1.0),
            launch("below", writes("line", "halves"), parent=0, above=2, seconds=5.0),
        ]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper("InstanceLimit above 1;"))
        assert found.times("above") == [(0.0, 1.0), (6.0, 7.0)]


class TestRuntime:
    COSTS = Runtime(launch=1.0, point=0.25, requirement=0.5, untraced=2.0, message=4.0)

    def test_launches_points_and_requirements_cost(self) -> None:
        loop = [launch("put", writes("line", "halves"), domain=(2,), seconds=0.0)]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, on=machine(runtime=self.COSTS))
        # Without a trace: twice 1 for the launch, 0.25 a point, 0.5 a requirement.
        assert found.times("put") == [(3.5, 3.5), (5.0, 5.0)]

    def test_traced_iterations_cost_less(self) -> None:
        loop = [launch("put", writes("line"), seconds=0.0)]
        traced = application([LINE], loop, warmup=4, timed=4, traced=True)
        untraced = replace(traced, traced=False)
        on = machine(runtime=self.COSTS)
        assert run(traced, on=on).outcome.elapsed == pytest.approx(4 * 1.75)
        assert run(untraced, on=on).outcome.elapsed == pytest.approx(4 * 3.5)

    def test_each_rank_has_a_runtime_and_pays_for_every_launch(self) -> None:
        loop = [launch("put", writes("line", "halves"), domain=(2,), seconds=0.0)]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, on=machine(nodes=2, gpus=1, runtime=self.COSTS))
        assert [t.where for t in found.tasks] == ["GPU 0.0", "GPU 1.0"]
        # 1 for the launch and 4 for the message, and the point: all twice, on both nodes at once.
        assert found.times("put") == [(11.5, 11.5)] * 2

    def test_ranks_of_a_node_share_its_host_memory_but_not_its_runtime(self) -> None:
        loop = [
            launch("put", writes("line", "halves"), domain=(2,), seconds=0.0),
            launch("get", reads("line", "halves"), domain=(2,), colors=[[1, 0]]),
        ]
        program = application([LINE], loop, partitions=[HALVES], ranks_per_node=2)
        found = run(program, mapper("Task * CPU;"), machine(gpus=2))
        assert [t.where for t in found.tasks][:2] == ["CPU 0.0", "CPU 1.0"]
        assert [(m.source, m.target, m.start, m.end) for m in found.moves] == [
            ("SYS 1", "SYS 0", 0.0, 5.0),
            ("SYS 0", "SYS 1", 5.0, 10.0),
        ]


class TestOutcome:
    def test_throughput_is_work_over_time(self) -> None:
        program = application(
            [LINE], [launch("put", writes("line"), seconds=2.0)], work=30.0, warmup=2, timed=10
        )
        found = run(program).outcome
        assert found.elapsed == pytest.approx(20.0)
        assert found.throughput == pytest.approx(15.0)
        assert found.unit == "iterations/s"
        assert found.raw.startswith("ELAPSED TIME =  20.000 s")

    def test_the_clock_may_leave_a_part_of_an_iteration_out(self) -> None:
        loop = [
            launch("prepare", writes("line"), seconds=5.0, timed=False),
            launch("work", updates("line"), seconds=2.0),
        ]
        program = application([LINE], loop, warmup=1, timed=3)
        assert run(program, mapper(prepare=(0, 0), work=(0, 0))).outcome.elapsed == pytest.approx(
            6.0
        )

    def test_the_setup_decides_where_data_lies(self) -> None:
        setup = [launch("fill", writes("line"))]
        program = application([LINE], [launch("get", reads("line"))], setup=setup)
        found = run(program, mapper("Task fill CPU;", get=(0, 0)))
        assert found.copies() == [("line", "SYS 0", "FB 0.0", 100.0)]
