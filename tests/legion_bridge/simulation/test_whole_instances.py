"""Machines whose instances are of whole regions: what is copied, and where tasks run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine
from legion_bridge.calibration.probes import copies, sweep
from legion_bridge.programs.application import TaskKind
from legion_bridge.simulation.kernel_arrays import OperationKind
from tests.legion_bridge import tiny

PLAIN = Machine.load("cpu2")
WHOLE = replace(
    PLAIN,
    memories={kind: replace(memory, whole=True) for kind, memory in PLAIN.memories.items()},
    processors={
        "CPU": replace(PLAIN.processors["CPU"], line=64, far=2.0, together=1.0, pooled=True)
    },
)
ONE = "all = Machine(CPU); def f(Task t) { return all[0, 0]; } IndexTaskMap CPU f;"


def seconds(rules: str, machine: Machine = WHOLE, points: int = 1_000_000) -> float:
    mapper = dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules}")
    found = Evaluator(copies(points, 2, 4, 6), machine).evaluate(mapper).elapsed
    assert found is not None
    return found


def test_alignment_tells_instances_apart() -> None:
    aligned = "Layout here * * SOA Align==64;"
    assert seconds(aligned) == seconds("")  # the other takes what is aligned
    both = "Layout here * * SOA Align==128; Layout there * * SOA Align==64;"
    assert seconds(both) > 3 * seconds("")
    assert seconds(both, PLAIN) == seconds("", PLAIN)


def test_copies_take_longer_between_unlike_layouts() -> None:
    apart = seconds("Layout here * * SOA Align==128; Layout there * * SOA Align==64;")
    together = seconds("Layout there * * AOS;")
    far = seconds("Layout there * * AOS Align==64;")
    assert apart < together < far


def test_traffic_is_that_of_lines() -> None:
    program = sweep(1_000_000, 4, 1, 6)
    evaluator = Evaluator(program, WHOLE)

    def elapsed(rules: str) -> float:
        found = evaluator.evaluate(dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules}"))
        assert found.elapsed is not None
        return found.elapsed

    plain = elapsed("")
    assert 3.5 < elapsed("Layout * * * AOS;") / plain < 4.5  # four fields share the lines
    assert 15 < elapsed("Layout * * * AOS Align==64;") / plain < 17  # a line each, and far


def on_second(machine: Machine, rules: str) -> float:
    """The share of tasks on the second of two processors."""
    evaluator = Evaluator(sweep(1_000_000, 2, 3, 6), machine)
    _, trace = evaluator.trace(dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules}"))
    assert trace is not None
    places = trace.operations.place[trace.operations.kind == OperationKind.TASK]
    return float((places == 1).mean())


def test_tasks_that_no_map_places_run_where_it_is_free() -> None:
    """Blocks of three points have one on the first of two processors, and two on the second."""
    assert on_second(PLAIN, "") == pytest.approx(2 / 3)
    assert on_second(WHOLE, "") < on_second(PLAIN, "") - 0.1
    assert on_second(WHOLE, ONE) == 0.0


def test_copies_cost_the_same_however_many_layouts_there_are() -> None:
    """A third and a fourth layout elsewhere change nothing between the first two."""
    unlike = "Layout here * * SOA Align==128; Layout there * * AOS Align==64;"
    programs = [copies(1_000_000, 2, 4, 6) for _ in range(3)]
    times = []
    for count in range(3):
        names = {f"more{number}": ("CPU",) for number in range(count)}
        times.append(_with_more(programs[count], tuple(names), unlike))
    assert times[0] == times[1] == times[2] > 3 * seconds("")


def _with_more(program: Application, tasks: tuple[str, ...], rules: str) -> float:
    """Seconds where further tasks, in the setup, read the data in layouts of their own."""
    last = program.loop[-1]
    reader = replace(last.requirements[0], privilege="READ_ONLY")
    setup = tuple(replace(last, task=task, requirements=(reader,)) for task in tasks)
    kinds = {task: TaskKind(task, ("CPU",)) for task in tasks}
    whole = replace(program, setup=setup, task_kinds={**program.task_kinds, **kinds})
    layouts = "".join(
        f"Layout {task} * * SOA Align=={256 << number};" for number, task in enumerate(tasks)
    )
    mapper = dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules} {layouts}")
    found = Evaluator(whole, WHOLE).evaluate(mapper).elapsed
    assert found is not None
    return found


def test_traffic_grows_with_the_distance_of_points() -> None:
    cpu = replace(WHOLE.processors["CPU"], farther=1.5)
    further = replace(WHOLE, processors={"CPU": cpu})
    evaluator = Evaluator(sweep(1_000_000, 2, 1, 6), further)

    def elapsed(align: int) -> float:
        rules = f"Layout * * * AOS Align=={align};"
        found = evaluator.evaluate(dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules}"))
        assert found.elapsed is not None
        return found.elapsed

    near, twice, four, most = (elapsed(align) for align in (64, 128, 256, 1024))
    assert 1.45 < twice / near < 1.51
    assert 1.45 < four / twice < 1.51
    assert most == four


def copied_to_fresh(program: Application, rules: str, fresh: float) -> float:
    """Seconds of a program whose second task's data is collected, where fresh memory is slow."""
    on = replace(WHOLE, runtime=replace(WHOLE.runtime, fresh=fresh))
    text = f"{rules} CollectMemory there *; Task * CPU; Region * * CPU SYSMEM;"
    found = Evaluator(program, on).evaluate(dsl.parse(text)).elapsed
    assert found is not None
    return found


def test_room_that_alignment_adds_is_fresh_too() -> None:
    """A collected instance whose fields lie a line each takes four times as much memory."""
    read = copies(1_000_000, 2, 1, 6, reads_only=True)

    def elapsed(align: int) -> float:
        return copied_to_fresh(read, f"Layout there * * AOS Align=={align};", 100.0)

    assert 3.0 < elapsed(32) / elapsed(8) < 4.5
    assert 3.0 < elapsed(128) / elapsed(32) < 4.5


def test_fields_that_lie_beside_what_is_copied_are_fresh_too() -> None:
    """One of four fields is read: together with the others it is spread over their room."""
    read = copies(1_000_000, 4, 1, 6, reads_only=True)
    (needed,) = read.loop[1].requirements
    one = replace(read.loop[1], requirements=(replace(needed, fields=("field0",)),))
    program = replace(read, loop=(read.loop[0], one))

    def elapsed(form: str) -> float:
        rules = f"Region there * CPU RDMEM; Layout there * * {form};"
        return copied_to_fresh(program, rules, 1000.0)

    assert elapsed("AOS") / elapsed("SOA") == pytest.approx(4.0, rel=0.05)


def test_what_is_collected_is_no_home_for_others() -> None:
    """The second task takes the first's alignment, unless that one's instance goes."""
    stays = "Layout here * * AOS Align==64; Layout there * * AOS;"
    assert seconds(stays) == seconds("Layout * * * AOS Align==64;")
    read = copies(1_000_000, 2, 4, 6, reads_only=True)
    swapped = replace(read, loop=(read.loop[1], read.loop[0]))

    def elapsed(rules: str) -> float:
        text = f"Task * CPU; Region * * CPU SYSMEM; Layout there * * AOS Align==64; {rules}"
        found = Evaluator(swapped, WHOLE).evaluate(dsl.parse(text)).elapsed
        assert found is not None
        return found

    home = "Layout here * * AOS;"
    assert elapsed(f"{home} CollectMemory there *;") > 1.5 * elapsed(home)


def test_whole_instances_in_many_layouts() -> None:
    """Each task asks for a piece of one point, and makes an instance of the whole region."""
    count = 12
    line = tiny.region("line", 100, ("one", "two"))
    parts = tiny.pieces("parts", "line", *[(at, at) for at in range(count)])
    reads = tiny.reads("line", "parts", "one", "two")
    loop = [tiny.launch(f"t{at}", reads, colors=[[at]]) for at in range(count)]
    program = tiny.application([line], loop, partitions=[parts], setup=[
        tiny.launch("put", tiny.writes("line", None, "one", "two"))
    ])  # fmt: skip
    layouts = [f"Layout t{at} * * SOA Align=={1 << at};" for at in range(count)]
    run = tiny.Run(program, WHOLE, " ".join([*layouts, "Task * CPU; Region * * CPU SYSMEM;"]))
    sites = np.stack([run.decisions.memory, run.decisions.layout])
    assert len(np.unique(sites, axis=1).T) == count + 1  # and that of `put`
    copies_made = run.trace.operations.kind == OperationKind.COPY
    assert np.count_nonzero(copies_made) == count


def test_a_program_without_instances_runs() -> None:
    """Its requirements are virtual: nothing lies in any memory."""
    launched = tiny.launch("pass_on", replace(tiny.updates("data"), virtual=True))
    program = tiny.application([tiny.region("data", 10)], [launched])
    outcome = Evaluator(program, WHOLE).evaluate(dsl.parse("Task * CPU;"))
    assert outcome.ok, outcome.raw
    assert outcome.elapsed == Evaluator(program, PLAIN).evaluate(dsl.parse("Task * CPU;")).elapsed


def test_what_alignment_makes_too_large_for_a_memory_is_refused_before_a_run() -> None:
    """Two fields of 8 bytes: 128 bytes a point where both are aligned to 64, 16 where not."""
    program = copies(1_000_000, 2, 4, 6)
    memories = {k: replace(m, capacity=100_000_000) for k, m in WHOLE.memories.items()}
    small = replace(WHOLE, memories=memories)
    evaluator = Evaluator(program, small)

    def found(layout: str) -> tuple[list[str], bool]:
        mapper = dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; Layout * * * {layout};")
        checked = dsl.check(mapper, program, small, forecast=evaluator.forecast)
        outcome = evaluator.evaluate(mapper)
        assert evaluator.trace(mapper)[0].ok == outcome.ok
        return [each.code for each in checked if each.severity == "error"], outcome.ok

    assert found("AOS") == found("SOA Align==64") == ([], True)
    codes, ran = found("AOS Align==64")
    assert (codes, ran) == (["out-of-memory"], False)
    assert found("AOS Align==64 Compact Exact") == ([], True)  # a piece of it fits


def test_a_task_pays_for_the_alignment_of_the_instance_that_it_finds() -> None:
    program = copies(1_000_000, 2, 1, 6)
    evaluator = Evaluator(program, WHOLE)

    def busy(here: str, there: str) -> float:
        rules = f"Layout here * * AOS {here}; Layout there * * AOS {there};"
        mapper = dsl.parse(f"Task * CPU; Region * * CPU SYSMEM; {rules}")
        _, trace = evaluator.trace(mapper)
        assert trace is not None
        return float(trace.times.seconds[1])

    plain = copies(1_000_000, 2, 1, 6)
    assert plain.loop[1].task == "there"
    assert busy("Align==64", "") == busy("Align==64", "Align==64")


def test_copies_to_points_a_page_apart_take_longer() -> None:
    processors = {"CPU": replace(WHOLE.processors["CPU"], paged=2.0)}
    paged = replace(WHOLE, processors=processors)
    near, far = "Layout there * * AOS Align==256;", "Layout there * * AOS Align==2048;"
    assert seconds(near, paged, 100_000) == seconds(near, WHOLE, 100_000)
    assert seconds(far, paged, 100_000) > 3 * seconds(far, WHOLE, 100_000)
