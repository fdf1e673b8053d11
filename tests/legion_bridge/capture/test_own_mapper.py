"""The mapper that a program has itself: written from its decisions, it decides the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import dsl
from legion_bridge import Application, LegionError
from legion_bridge.capture.decisions import (
    ArgumentDecision,
    TaskDecisions,
    decisions_of,
    differences,
)
from legion_bridge.capture.mapper_log import read_mapper_log
from legion_bridge.capture.own_mapper import own_mapper, with_own_mapper
from legion_bridge.capture.run import capture, recorded
from legion_bridge.legion import build_program, find_legion

STENCIL = Path(__file__).parents[3] / "legion_bridge/legion/programs/stencil2d"
ODD = """\
Task * CPU;
Region * * CPU SYSMEM;
Layout stencil halos * AOS C_order;
Layout increment tiles * SOA F_order Compact Exact;
Layout * * * SOA F_order;
machine = Machine(CPU);
def odd_CPU(Task t) { return machine[0, (t.ipoint[0] + t.ipoint[1] + 1) % 2]; }
IndexTaskMap stencil odd_CPU;
"""

# As Legion's logging wrapper writes it; tasks of legate have colons in their names.
LOG = """\
[0 - 1] 0.1 {2}{mapper}:   1e00000000000000 (SYSTEM_MEM): 536870912 bytes
[0 - 1] 0.1 {2}{mapper}:   1d00000000000000 (LOC_PROC) can see 1e00000000000000(bw=100)
[0 - 1] 0.1 {2}{mapper}:   1d00000000000001 (LOC_PROC) can see 1e00000000000000(bw=100)
[0 - 1] 0.2 {2}{mapper}: MAP_TASK for top_level<2>
[0 - 1] 0.2 {2}{mapper}:   TARGET PROCS: 1d00000000000000
[0 - 1] 0.3 {2}{mapper}: MAP_TASK for a::stencil(index_point=(0,1))<12>
[0 - 1] 0.3 {2}{mapper}:   TARGET PROCS: 1d00000000000001
[0 - 1] 0.3 {2}{mapper}:   CHOSEN INSTANCES:
[0 - 1] 0.3 {2}{mapper}:     Requirement[0](privilege=READ_WRITE,region=(7,(26,1),6),\
domain=<0,0>..<3,3>,fields=x+y)
[0 - 1] 0.3 {2}{mapper}:       Instance[4000000000000000](region=(7,*,6),\
memory=1e00000000000000,domain=<0,0>..<7,7>,fields=x+y,layout=AoS:XY)
[0 - 1] 0.4 {2}{mapper}: MAP_TASK for whole<13>
[0 - 1] 0.4 {2}{mapper}:   TARGET PROCS: 1d00000000000000 1d00000000000001
"""


def test_decisions_are_read_in_the_languages_words(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    found = decisions_of(read_mapper_log([path]))
    assert set(found) == {"a__stencil", "whole"}
    stencil = found["a__stencil"]
    assert stencil.places == {(0, 1): {((0, 1),): 1}}
    assert stencil.arguments[0] == {
        ArgumentDecision("SYSMEM", soa=False, order="C_order", own_size=False): 1
    }
    assert found["whole"].places == {(): {None: 1}}  # any processor of the node


SPARSE = "<0,0>..<3,1>+<0,3>..<3,3>"


@pytest.mark.parametrize(
    ("argument", "instance", "own"),
    [
        ("<0,0>..<3,3>", "<0,0>..<3,3>", True),
        ("<0,0>..<3,3>", "<0,0>..<7,7>", False),
        (SPARSE, SPARSE, True),  # a compact one
        (SPARSE, "<0,0>..<3,3>", False),  # its box, with the holes
        ("<0,0>..<3,3>,sparse", "<0,0>..<3,3>", False),
    ],
)
def test_a_box_around_a_sparse_argument_is_no_compact_instance(
    argument: str, instance: str, own: bool, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    log = LOG.replace("domain=<0,0>..<3,3>", f"domain={argument}")
    path.write_text(log.replace("domain=<0,0>..<7,7>", f"domain={instance}"))
    (decided,) = decisions_of(read_mapper_log([path]))["a__stencil"].arguments[0]
    assert decided.own_size == own


@pytest.mark.parametrize(("asked", "own"), [(set(), False), ({(12, 0)}, True)])
def test_what_was_asked_for_counts_and_not_what_came_of_it(
    asked: set[tuple[int, int]], own: bool, tmp_path: Path
) -> None:
    """An affine instance may happen to hold the points of a sparse argument alone."""
    path = tmp_path / "log"
    log = LOG.replace("domain=<0,0>..<3,3>", f"domain={SPARSE}")
    path.write_text(log.replace("domain=<0,0>..<7,7>", f"domain={SPARSE}"))
    found = decisions_of(read_mapper_log([path]), compact=asked)
    (decided,) = found["a__stencil"].arguments[0]
    assert decided.own_size == own


def test_shards_of_the_first_task_are_no_decisions(tmp_path: Path) -> None:
    path = tmp_path / "log"
    shard = "[0 - 1] 0.2 {2}{mapper}: MAP_TASK for top_level<3>\n"
    shard += "[0 - 1] 0.2 {2}{mapper}:   TARGET PROCS: 1d00000000000001\n"
    path.write_text(LOG + "[0 - 1] 0.1 {2}{mapper}: MAP_REPLICATE_TASK for top_level<2>\n" + shard)
    assert set(decisions_of(read_mapper_log([path]))) == {"a__stencil", "whole"}


@pytest.mark.parametrize(
    ("ordering", "order", "soa"),
    [("XYF", "F_order", True), ("YXF", "C_order", True), ("FXY", "F_order", False)],
)
def test_outputs_keep_the_order_that_their_mapper_gives_them(
    ordering: str, order: str, soa: bool, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    output = (
        f"[0 - 1] 0.4 {{2}}{{mapper}}:   OUTPUT[0]: memory=1e00000000000000,order={ordering}\n"
    )
    path.write_text(LOG.replace("whole<13>", "stencil<13>") + output)
    application = Application.load("stencil")
    found = with_own_mapper(application, decisions_of(read_mapper_log([path])))
    (launch,) = (each for each in found.loop if each.task == "stencil")
    need = launch.requirements[0].need
    assert launch.requirements[0].output
    assert need is not None
    assert (need.order, need.soa) == (order, soa)


def test_layouts_are_compact_only_where_they_are_for_all_points() -> None:
    """Tasks with affine accessors end where one of their instances is compact."""
    application = Application.load("stencil")
    tight, loose = (
        ArgumentDecision("SYSMEM", soa=True, order="F_order", own_size=own)
        for own in (True, False)
    )

    def text(*found: ArgumentDecision) -> str:
        task = TaskDecisions(Counter(CPU=1), arguments={0: Counter(found)})
        return own_mapper({"stencil": task}, application).text

    assert "Compact Exact" in text(tight, tight)
    assert "Compact" not in text(tight, tight, loose)


def test_differences_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG)
    one = decisions_of(read_mapper_log([path]))
    path.write_text(
        LOG.replace("AoS:XY", "AoS:YX").replace(
            "PROCS: 1d00000000000001", "PROCS: 1d00000000000000"
        )
    )
    other = decisions_of(read_mapper_log([path]))
    assert differences(one, one) == []
    assert differences(one, other) == [
        "a__stencil: 1 of 1 points run on other processors",
        "argument 0 of a__stencil lies differently",
    ]


@pytest.mark.timeout(120)
def test_what_a_program_did_is_written_so_that_it_does_so_again() -> None:
    try:
        program = build_program(sorted(STENCIL.glob("*.cc")), "stencil2d", find_legion())
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    command = [str(program), "-n", "64", "-t", "3", "-ll:cpu", "2"]
    application = capture(command).application
    own = application.mappers["own"]
    assert "mappers.own" not in application.unknown
    assert "IndexTaskMap" not in own  # Legion's default mapper leaves the processor open
    assert not differences(recorded(command, None), recorded(command, dsl.parse(own)))
    # The same where the program's own mapper is an odd one.
    decided = recorded(command, dsl.parse(ODD))
    again = own_mapper(decided, application)
    assert again.unknown == []
    assert "Layout stencil halos * AOS C_order;" in again.text
    assert "Compact Exact" in again.text
    assert differences(decided, recorded(command, dsl.parse(own)))
    assert not differences(decided, recorded(command, dsl.parse(again.text)))


def test_points_of_several_dimensions_and_bounds_have_tables(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        LOG.replace("a::stencil(index_point=(0,1))", "stencil(index_point=(-1,2))")
        + "[0 - 1] 0.5 {2}{mapper}: MAP_TASK for stencil(index_point=(3))<14>\n"
        "[0 - 1] 0.5 {2}{mapper}:   TARGET PROCS: 1d00000000000000\n"
    )
    application = Application.load("stencil")
    (launch,) = (launch for launch in application.loop if launch.task == "stencil")
    launches = (
        replace(launch, domain=(1, 1), lower=(-1, 2)),
        replace(launch, domain=(1,), lower=(3,)),
    )
    application = replace(application, loop=launches)
    decisions = decisions_of(read_mapper_log([path]))
    text = own_mapper(decisions, application).text
    mapper = dsl.load(dsl.parse(text), dsl.MachineShape(nodes=1, processors={"CPU": 2}))
    assert mapper.index_point("stencil", "CPU", (4, 4), (-1, 2)) == (0, 1)
    assert mapper.index_point("stencil", "CPU", (4,), (3,)) == (0, 0)
    # Where one of the points was not seen, a table would end in an error.
    unseen = replace(application, loop=(*launches, launch))
    written = own_mapper(decisions, unseen)
    assert "IndexTaskMap" not in written.text
    assert "where points of stencil ran was not seen for all of them" in written.unknown


def test_tasks_of_legate_take_their_fields_apart(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(LOG.replace("whole<13>", "stencil<13>"))
    decisions = decisions_of(read_mapper_log([path]))
    application = Application.load("stencil")
    legates = replace(application, own_mapper="legate::mapping::detail::BaseMapper")
    found = with_own_mapper(legates, decisions)
    needs = [each.need for launch in found.loop for each in launch.requirements]
    assert needs
    assert all(need is not None and need.soa for need in needs)
    known = [each.need for launch in application.loop for each in launch.requirements]
    assert [need and need.order for need in needs] == [need and need.order for need in known]
    others = with_own_mapper(replace(application, own_mapper="my::Mapper"), decisions)
    assert not any(each.need and each.need.soa for x in others.loop for each in x.requirements)
