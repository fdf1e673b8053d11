"""What holds for every simulated run, on random small programs, machines and mappers."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from legion_bridge.applications import application_names
from legion_bridge.machines.machine import Machine
from legion_bridge.programs.application import Application
from legion_bridge.programs.flat_program import FlatProgram
from legion_bridge.simulation.kernel_arrays import OperationKind
from legion_bridge.traces.critical_path import critical_path
from legion_bridge.traces.spans import Track, tracks
from tests.legion_bridge.tiny import Run, application, launch, machine, mapper, region, updates

from .fair_shares import flows_of, replay_flows
from .random_runs import Case, cases
from .reference_run import OutOfMemoryError, Plan, Replay

EXAMPLES = settings(max_examples=100, deadline=None)
SCARCE = (30, 40, 60, 80, 100, 140)


def makespan(run: Run) -> float:
    return float(np.max(run.trace.operations.end, initial=0.0))


def busy_tracks(run: Run) -> list[Track]:
    return [track for track in tracks(run.trace) if track.group != "critical path"]


@EXAMPLES
@given(cases())
def test_every_read_finds_the_newest_value(case: Case) -> None:
    """As it begins and as it ends; so does every copy, and no two operations write at once."""
    run = case.run()
    assume(run.outcome.ok)  # else an instance limit is a deadlock
    Replay(run)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", [n for n in application_names() if n != "transformer"])
@pytest.mark.parametrize("which", ["expert", "default"])
def test_every_read_of_an_application_finds_the_newest_value(
    name: str, which: str, nodes: int
) -> None:
    program = Application.load(name, nodes=nodes)
    run = Run(program, Machine.load("p100x4", nodes=nodes), program.mappers[which])
    assert run.outcome.ok, run.outcome.raw
    Replay(run)


@EXAMPLES
@given(cases(capacities=SCARCE))
def test_memory_in_use_never_exceeds_capacity(case: Case) -> None:
    run = case.run()
    if "failed allocation" in run.outcome.raw:
        with pytest.raises(OutOfMemoryError):
            Plan(run)
        return
    assume(run.outcome.ok)
    replay = Replay(run)
    for memory, most in replay.most_in_use().items():
        assert most <= run.trace.machine.memory_capacity[memory]
        # Under a limit, memory that points keep for those behind them counts as used, too.
        if "InstanceLimit" not in case.rules:
            assert run.trace.peak[memory] <= most


@settings(EXAMPLES, max_examples=50)
@given(cases(iterations=6))
def test_memory_in_use_returns_to_what_it_was(case: Case) -> None:
    """Once data has found its place, an iteration leaves as much in use as it found."""
    run = case.run()
    assume(run.outcome.ok)
    *_, before, after = Plan(run).held
    assert before == after


@EXAMPLES
@given(cases())
def test_nothing_is_used_by_two_at_once(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    for track in busy_tracks(run):
        for first, second in pairwise(track.spans):
            assert first.end <= second.start + 1e-9, track.name


@EXAMPLES
@given(cases(chunks=(1.0,), placed=True))
def test_copies_that_share_links_have_fair_shares_and_links_no_more_than_they_can(
    case: Case,
) -> None:
    """Their rates, found by a textbook's method, add up to no more than each link's bandwidth.

    And at these rates they end when the run says.
    """
    run = case.run()
    assume(run.outcome.ok)
    flows = flows_of(run)
    ends = replay_flows(flows)
    for flow in flows:
        assert ends[flow.operation] == pytest.approx(flow.end, rel=1e-9, abs=1e-9)


@EXAMPLES
@given(cases())
def test_the_time_is_never_below_what_is_busy_nor_above_all_of_it(case: Case) -> None:
    """The upper bound is Graham's: at any time something is busy, or a copy is on its way."""
    run = case.run()
    assume(run.outcome.ok)
    total = 0.0
    for track in busy_tracks(run):
        busy = sum(span.end - span.start for span in track.spans)
        assert busy <= makespan(run) + 1e-9, track.name
        total += busy
    copies = np.isin(run.trace.operations.kind, (OperationKind.COPY, OperationKind.FOLD,
                                                 OperationKind.FILL)).sum()  # fmt: skip
    latency = case.machine.routes[0].latency
    assert makespan(run) <= total + copies * latency + 1e-9


@EXAMPLES
@given(cases())
def test_the_time_is_never_below_the_longest_chain_of_data(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    plan = Plan(run)
    ends: dict[tuple[int, int], float] = {}
    for who, task in plan.tasks.items():
        seen = {w for _, _, (writer, added) in task.reads for w in (writer, *added)}
        start = max((ends[each] for each in seen if each is not None), default=0.0)
        ends[who] = start + float(run.trace.times.seconds[who[1]])
    assert makespan(run) >= max(ends.values()) - 1e-9


@EXAMPLES
@given(cases())
def test_the_critical_path_explains_all_of_the_measured_time(case: Case) -> None:
    run = case.run()
    assume(run.outcome.ok)
    trace = run.trace
    path = critical_path(trace)
    assert [path[0].end, *(s.start for s in path)] == [*(s.end for s in path), trace.begin]
    assert path[0].end == trace.end
    assert all(segment.end > segment.start for segment in path)
    assert run.outcome.elapsed == pytest.approx(
        (trace.end - trace.begin) / trace.iterations * case.program.timed
    )


@EXAMPLES
@given(cases())
def test_a_limit_is_kept(case: Case) -> None:
    """No more points of a task than its limit run at once for one launching processor.

    Those below a task of the same name are part of it, and would wait for it for ever.
    """
    run = case.run()
    assume(run.outcome.ok)
    operations, program = run.trace.operations, run.trace.program
    changes: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    limits: dict[str, int] = {}
    for number in np.flatnonzero(operations.kind == OperationKind.TASK):
        point = int(operations.point[number])
        decided = run.decisions.launches[int(program.point_launch[point])]
        task = program.launches[int(program.point_launch[point])].task
        parent = int(program.point_parent[point])
        if task in _tasks_above(program, point):
            continue
        above = int(run.decisions.processor[parent]) if parent >= 0 else -1
        rank = int(run.trace.machine.processor_rank[run.decisions.processor[point]])
        key = (task, above if parent >= 0 else -1 - rank)
        limits[task] = decided.limit
        start, end = float(operations.start[number]), float(operations.end[number])
        changes[key] += [(start, 1), (end, -1)]
    for (task, _), found in changes.items():
        at_once = np.cumsum([change for _, change in sorted(found)])
        assert limits[task] == 0 or at_once.max() <= limits[task]


def _tasks_above(program: FlatProgram, point: int) -> set[str]:
    """The names of the tasks that a point was launched by, at any depth."""
    found = set()
    while (point := int(program.point_parent[point])) >= 0:
        found.add(program.launches[int(program.point_launch[point])].task)
    return found


@EXAMPLES
@given(cases())
def test_equal_input_gives_equal_output_to_the_bit(case: Case) -> None:
    one, two = case.run(), case.run()
    assert one.outcome == two.outcome
    assume(one.outcome.ok)
    for first, second in zip(one.trace.operations, two.trace.operations, strict=True):
        assert np.array_equal(first, second)


@EXAMPLES
@given(cases(placed=True), st.randoms(use_true_random=False))
def test_renaming_gpus_changes_nothing(case: Case, random: st.randoms) -> None:
    seen = case.machine.for_ranks(case.program.ranks_per_node)
    names = list(range(seen.processors["GPU"].count))
    random.shuffle(names)
    renamed = {task: (node, names[gpu]) for task, (node, gpu) in case.places.items()}
    one, two = case.run(), case.run(places=renamed)
    assert one.outcome.elapsed == two.outcome.elapsed
    assume(one.outcome.ok)
    for name in ("start", "end", "kind", "bytes"):
        first, second = (getattr(run.trace.operations, name) for run in (one, two))
        assert np.array_equal(first, second)


# Faster links. List scheduling has anomalies: where copies follow from copies, a faster link may
# let a long copy overtake one that matters more, and the whole takes longer (Graham 1969). What
# holds in general is a bound; where all copies are there to begin with, faster is never slower.


def through_one_link(chains: list[tuple[int, list[int]]], speed: float) -> Run:
    """Chains of tasks, each on a GPU of its own, whose data is converted between any two of them.

    All conversions take place in the node's zero-copy memory and use nothing but the host's link.

    Args:
        chains: For each the size of its region, and the seconds of its tasks.
    """
    regions, loop, rules, places = [], [], [], {}
    for number, (size, seconds) in enumerate(chains):
        regions.append(region(f"r{number}", size, ("a", "b")))
        for step, time in enumerate(seconds):
            task = f"t{number}_{step}"
            loop.append(launch(task, updates(f"r{number}", None, "a", "b"), seconds=float(time)))
            rules.append(f"Layout {task} * * {('SOA', 'AOS')[step % 2]};")
            places[task] = (0, number)
    text = mapper("Region * * GPU ZCMEM;" + " ".join(rules), **places)
    return Run(application(regions, loop), machine(gpus=len(chains), host=speed), text)


chains = st.lists(
    st.tuples(st.integers(1, 30), st.lists(st.integers(1, 8), min_size=1, max_size=4)),
    min_size=1,
    max_size=5,
)


@EXAMPLES
@given(chains)
def test_twice_the_bandwidth_costs_at_most_half_as_much_time_again(
    found: list[tuple[int, list[int]]],
) -> None:
    """A run takes at most its longest chain and the link's work, each no more than a slower run.

    So the faster run takes at most the slower one, and half of it again.
    """
    slow, fast = through_one_link(found, 10.0), through_one_link(found, 20.0)
    longest = max(sum(seconds) for _, seconds in found)
    work = sum(2.0 * size * (len(seconds) - 1) for size, seconds in found)
    assert makespan(fast) <= longest + work / 20.0 + 1e-9
    assert makespan(fast) <= 1.5 * makespan(slow) + 1e-9


@EXAMPLES
@given(chains)
def test_twice_the_bandwidth_is_never_slower_where_no_copy_follows_from_another(
    found: list[tuple[int, list[int]]],
) -> None:
    once = [(size, seconds[:2]) for size, seconds in found]
    slow, fast = through_one_link(once, 10.0), through_one_link(once, 20.0)
    assert makespan(fast) <= makespan(slow) + 1e-9


def test_a_faster_link_may_be_slower() -> None:
    """The first chain's second copy is ready as early as the other's, and goes first."""
    found = [(25, [4, 1, 1]), (5, [3, 4, 8])]
    assert makespan(through_one_link(found, 10.0)) == 18.0
    assert makespan(through_one_link(found, 20.0)) == 18.5
