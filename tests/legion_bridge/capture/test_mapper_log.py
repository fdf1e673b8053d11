"""Logs of mappers, written for these tests: of several ranks, of several threads, with holes."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

import pytest

import dsl
from legion_bridge import Application, CaptureError, Evaluator, Machine
from legion_bridge.capture import capture_log
from legion_bridge.capture.mapper_log import read_mapper_log
from legion_bridge.programs.application_json import to_json

MACHINE = """\
Memories on rank 0:
  1e00000000000000 (SYSTEM_MEM): 157286400000 bytes
  1e00000000000002 (GPU_FB_MEM): 15728640000 bytes
Processors on rank 0:
  1d00000000000000 (UTIL_PROC) can see 1e00000000000000(bw=100)
  1d00000000000001 (LOC_PROC) can see 1e00000000000000(bw=100)
  1d00000000000002 (TOC_PROC) can see 1e00000000000001(bw=200)
  1d00000000000003 (TOC_PROC) can see 1e00000000000002(bw=200)
"""
PLACE = " @ /home/user/blocks.rg:"
EXTENT = 10


def lines(text: str, *, thread: str = "7f00", category: str = "mapper") -> list[str]:
    """Lines as Legion's logger writes them."""
    return [f"[0 - {thread}]    0.125000 {{2}}{{{category}}}: {x}" for x in text.splitlines()]


def block(x: int, y: int, z: int, extent: int = EXTENT) -> str:
    low = (x * extent, y * extent, z * extent)
    high = tuple(corner + extent - 1 for corner in low)
    return f"<{','.join(map(str, low))}>..<{','.join(map(str, high))}>"


def mapping(
    task: str, number: int, processor: int, requirements: list[str], *, point: str | None = None,
    place: str = "1",
) -> str:  # fmt: skip
    index = "" if point is None else f"(index_point=({point}))"
    target = f"1d{processor >> 32:04x}00{processor & 0xFFFFFFFF:08x}"
    text = f"MAP_TASK for {task}{index}<{number}>{PLACE}{place}\n  TARGET PROCS: {target}\n"
    return text + "  CHOSEN INSTANCES:\n" + "".join(requirements)


def requirement(
    index: int,
    privilege: str,
    space: int,
    domain: str,
    fields: str,
    *,
    instance: str = "LOCAL_MACHINE",
) -> str:
    region = f"region=(5,({space},4),5)"
    chosen = (
        f"      Instance({instance})\n"
        if instance == "VIRTUAL"
        else f"      Instance[4000000000800001](region=(5,*,5),memory=1e00000000000002,"
        f"domain={domain},fields={fields},layout=SoA:XYZ)\n"
    )
    return (
        f"    Requirement[{index}](privilege={privilege},{region},domain={domain},"
        f"fields={fields})\n{chosen if fields else ''}"
    )


def points() -> Iterator[tuple[int, int, int]]:
    return ((x, y, z) for x in range(2) for y in range(2) for z in range(1))


def launch(number: int, place: str) -> str:
    """A launch of ``flux`` over 2 x 2 x 2 points, of which rank 0 has those with z = 0."""
    head = f"SELECT_SHARDING_FUNCTOR for flux<{number}>{PLACE}{place}\n"
    mine = " ".join(f"({x},{y},0)" for x, y, _ in points())
    others = " ".join(f"({x},{y},1)" for x, y, _ in points())
    head += f"  0 <- {mine}\n  1 <- {others}\n"
    head += f"SLICE_TASK for flux<{number + 2}>{PLACE}{place}\n"
    head += "  <0,0,0>..<0,1,0> -> 1d00000000000002\n  <1,0,0>..<1,1,0> -> 1d00000000000003\n"
    for i, (x, y, z) in enumerate(points()):
        wanted = [
            requirement(0, "READ_WRITE", 40 + i, block(x, y, z), "rho+vel.x"),
            requirement(1, "READ_ONLY", 60 + i, block(x, y, z), "p"),
            requirement(2, "REDUCE", 39, "<0,0,0>..<19,19,19>", "sum"),
            requirement(3, "NO_ACCESS", 39, "<0,0,0>..<19,19,19>", ""),
        ]
        head += mapping("flux", number + 4 + i, 2 + x, wanted, point=f"{x},{y},{z}", place=place)
    return head


def replicated() -> list[str]:
    start = "MAP_REPLICATE_TASK for main<4>\n  REPLICANT 0 -> 1d00000000000001\n"
    start += "  TARGET PROCS: 1d00000000000001\n  CHOSEN INSTANCES:\n"
    start += f"SELECT_SHARDING_FUNCTOR for read_config<8>{PLACE}9\n  0 <- (0)\n  1 <-\n"
    start += mapping("read_config", 8, 1, [], place="9")
    text = MACHINE + start + "".join(launch(100 * i, "20") for i in (1, 2, 3))
    end = mapping("report", 900, 1, [requirement(0, "READ_ONLY", 39, "<0,0,0>..<19,19,19>", "p")])
    shard = f"SELECT_SHARDING_FUNCTOR for report<900>{PLACE}1\n  0 <- (0)\n  1 <-\n"
    return lines(text + shard + end)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "blocks.log"
    path.write_text("\n".join(replicated()))
    return path


def test_domains_of_three_dimensions_and_their_loop(log: Path) -> None:
    application = capture_log([log]).application
    assert application.name == "blocks"
    assert [launch.task for launch in application.setup] == ["read_config"]
    assert [(launch.task, launch.domain) for launch in application.loop] == [("flux", (2, 2, 2))]
    assert [launch.task for launch in application.finish] == ["report"]
    assert (application.warmup, application.timed) == (1, 2)


def test_requirements_of_a_task(log: Path) -> None:
    application = capture_log([log]).application
    (flux,) = application.loop
    assert [(r.privilege, r.fields) for r in flux.requirements] == [
        ("READ_WRITE", ("rho", "vel.x")),
        ("READ_ONLY", ("p",)),
        ("REDUCE", ("sum",)),
        ("NO_ACCESS", ()),
    ]
    assert [r.partition is None for r in flux.requirements] == [False, False, True, True]
    assert application.task_kinds["flux"].variants == ("GPU",)
    assert application.task_kinds["report"].variants == ("CPU",)
    assert application.tasks["flux"].requirements[1].names == ("1",)


def test_points_of_other_ranks_lie_beside_those_of_this_one(log: Path) -> None:
    application = capture_log([log]).application
    (flux,) = application.loop
    pieces = application.piece_bounds(flux.requirements[0])
    assert len({tuple(map(tuple, piece)) for piece in pieces.tolist()}) == 8
    assert set(application.piece_volumes(flux.requirements[0])) == {EXTENT**3}
    region = application.regions[flux.requirements[0].region]
    assert (pieces[:, 1] <= region.upper).all()
    assert "4 of 8 points were mapped by other ranks" in application.unknown["*.flux.pieces"]


def test_the_logs_of_all_ranks_belong_together(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "blocks1.log"
    text = log.read_text().replace("Processors on rank 0", "Processors on rank 1")
    for x, y, _ in points():
        text = text.replace(f"index_point=({x},{y},0)", f"index_point=({x},{y},1)")
        text = text.replace(block(x, y, 0), block(x, y, 1))
    for space in range(40, 44):
        text = text.replace(f"({space},4)", f"({space + 10},4)")
    for space in range(60, 64):
        text = text.replace(f"({space},4)", f"({space + 10},4)")
    other.write_text(text)
    application = capture_log([log, other]).application
    (flux,) = application.loop
    assert "*.flux.pieces" not in application.unknown
    assert (
        len(
            {tuple(map(tuple, p)) for p in application.piece_bounds(flux.requirements[0]).tolist()}
        )
        == 8
    )
    assert application.regions[flux.requirements[0].region].upper == (19, 19, 19)


def test_lines_of_several_threads_are_told_apart(tmp_path: Path) -> None:
    one = mapping("left", 20, 1, [requirement(0, "READ_ONLY", 7, "<0>..<9>", "a")])
    two = mapping("right", 21, 1, [requirement(0, "WRITE_DISCARD", 8, "<10>..<19>", "b")])
    mixed = chain(*zip_longest(lines(one, thread="7f01"), lines(two, thread="7f02")))
    path = tmp_path / "mixed.log"
    path.write_text("\n".join([*lines(MACHINE), *filter(None, mixed)]))
    tasks = capture_log([path]).application.tasks
    assert [(r.privilege, r.fields) for r in tasks["left"].requirements] == [("READ_ONLY", ("a",))]
    assert [(r.privilege, r.fields) for r in tasks["right"].requirements] == [
        ("WRITE_ONLY", ("b",))
    ]


def test_tasks_below_others(tmp_path: Path) -> None:
    start = f"MAP_REPLICATE_TASK for main<4>\nSELECT_SHARDING_FUNCTOR for outer<10>{PLACE}1\n"
    start += f"  0 <- (0) (1)\nSLICE_TASK for outer<10>{PLACE}1\n  <0>..<1> -> 1d00000000000001\n"
    for i, domain in enumerate(("<0>..<9>", "<10>..<19>")):
        virtual = requirement(0, "READ_WRITE", 50 + i, domain, "a", instance="VIRTUAL")
        start += mapping("outer", 12 + i, 1, [virtual], point=str(i))
    for i, domain in enumerate(("<10>..<19>", "<0>..<9>")):
        own = requirement(0, "READ_WRITE", 51 - i, domain, "a")
        start += mapping("inner", 20 + i, 1, [own], place="2")
    path = tmp_path / "nested.log"
    path.write_text("\n".join(lines(MACHINE + start)))
    application = capture_log([path]).application
    assert [(x.task, x.domain, x.parent) for x in application.loop] == [
        ("outer", (2,), None),
        ("inner", (), 0),
    ]
    assert application.task_kinds["outer"].inner
    assert not application.task_kinds["inner"].inner
    assert application.loop[0].requirements[0].virtual
    assert application.loop[0].requirements[0].partition is not None
    # The points of the inner launch take what their parents have, in their order.
    outer, inner = (launch.requirements[0] for launch in application.loop)
    assert inner == replace(outer, virtual=False)
    assert application.loop[1].colors[0] is None


def test_what_is_not_understood_is_counted(tmp_path: Path) -> None:
    text = [
        "hello from the program",
        *lines(MACHINE + mapping("a", 5, 1, [requirement(0, "SOMEHOW", 3, "<0>..<3>", "x")])),
        *lines("MAP_COPY for copy<9>\n    Requirement[0](privilege=READ_ONLY)", thread="7f09"),
        *lines("FROBNICATE everything"),
        *lines("a reservation", category="threads"),
    ]
    path = tmp_path / "odd.log"
    path.write_text("\n".join(text))
    captured = capture_log([path])
    assert captured.skipped == {
        "lines of the program itself": 1,
        "lines FROBNICATE ...": 1,
        "lines of threads": 1,
        "decisions MAP_COPY": 1,
    }
    assert (
        "'SOMEHOW' is no privilege"
        in captured.application.unknown["*.a.requirements[0].privilege"]
    )


def test_pieces_that_are_empty_or_have_holes(tmp_path: Path) -> None:
    text = f"SLICE_TASK for f<10>{PLACE}1\n  <0>..<2> -> 1d00000000000001\n"
    for i, domain in enumerate(("", "<0>..<-1>", "<2>..<3> <8>..<9>")):
        text += mapping(
            "f", 20 + i, 1, [requirement(0, "READ_ONLY", 30 + i, domain, "x")], point=str(i)
        )
    path = tmp_path / "holes.log"
    path.write_text("\n".join(lines(MACHINE + text)))
    application = capture_log([path]).application
    (f,) = application.loop
    assert application.piece_volumes(f.requirements[0]).tolist() == [0, 0, 4]
    assert application.piece_bounds(f.requirements[0])[2].tolist() == [[2], [9]]
    need = f.requirements[0].need
    assert need is not None
    assert need.compact is False


def test_what_was_captured_can_be_simulated_and_tuned(log: Path) -> None:
    application: Application = capture_log([log]).application
    machine = Machine.load("p100x4")
    evaluator = Evaluator(application, machine)
    assert evaluator.evaluate(dsl.parse(application.mappers["default"])).ok
    assert "map.flux" in dsl.template_for(application, machine).parameters


def test_damaged_logs_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    whole, path = replicated(), tmp_path / "damaged.log"
    read = 0
    for seed in range(60):
        rng = random.Random(seed)
        text = [line for line in whole if rng.random() > 0.05]
        for _ in range(6):
            at = rng.randrange(len(text))
            cut = rng.randrange(len(text[at]))
            text[at] = text[at][:cut] + rng.choice("<>(),9") + text[at][cut + rng.randrange(3) :]
        path.write_text("\n".join(text))
        try:
            capture_log([path]).application.validate()
            read += 1
        except CaptureError as error:
            assert "\n" not in str(error)  # noqa: PT017  (both ends are fine)
    assert read > 40


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the log is empty"),
        ("  \n\n", "the log is empty"),
        ("Hello, world\n", "the log tells of no decision of a mapper"),
        ("\n".join(lines(MACHINE)), "the log tells of no decision of a mapper"),
        (
            "\n".join(lines("MAP_INLINE for inline<3>")),
            "the log tells of no task that was mapped",
        ),
    ],
)
def test_a_log_that_tells_nothing_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    path.write_text(text)
    with pytest.raises(CaptureError, match=said):
        capture_log([path])


def test_a_missing_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nowhere\.log: cannot be read: No such file"):
        read_mapper_log([tmp_path / "nowhere.log"])


def _packed(data: bytes) -> bytes:
    return gzip.compress(data)


def _with_windows_line_ends(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _between_other_lines(data: bytes) -> bytes:
    others = "a line of the program\n[0 - 7f01]    0.1 {3}{taskreg}: of the runtime\n"
    return b"".join(others.encode() + line for line in data.splitlines(keepends=True))


def _behind_a_mark(data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


@pytest.mark.parametrize(
    "written", [_packed, _with_windows_line_ends, _between_other_lines, _behind_a_mark]
)
def test_the_same_log_written_in_other_ways(
    written: Callable[[bytes], bytes], log: Path, tmp_path: Path
) -> None:
    other = tmp_path / ("blocks.log.gz" if written is _packed else "blocks2.log")
    other.write_bytes(written(log.read_bytes()))
    plain, found = capture_log([log]).application, capture_log([other]).application
    alike = replace(found, name=plain.name, summary=plain.summary)
    assert to_json(alike) == to_json(plain)
    assert found.name == ("blocks" if written is _packed else "blocks2")


def test_a_packed_log_that_was_cut_is_told(log: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.log.gz"
    cut.write_bytes(gzip.compress(log.read_bytes())[:-20])
    with pytest.raises(CaptureError, match=r"cut\.log\.gz: the file is packed, but damaged"):
        capture_log([cut])


def test_a_log_that_was_cut_tells_what_it_lacks(tmp_path: Path) -> None:
    """All points belong to this rank, so that no other one can have mapped the last."""
    text = f"SLICE_TASK for f<10>{PLACE}1\n  <0>..<2> -> 1d00000000000001\n"
    for i in range(2):
        box = f"<{10 * i}>..<{10 * i + 9}>"
        wanted = [requirement(0, "READ_ONLY", 30 + i, box, "x")]
        text += mapping("f", 20 + i, 1, wanted, point=str(i))
    path = tmp_path / "cut.log"
    path.write_text("\n".join([*lines(MACHINE + text), "[0 - 7f00]    0.125 {2}{mapper}:"]))
    application = capture_log([path]).application
    assert application.loop[0].domain == (3,)
    assert application.unknown["*.f.pieces"].startswith("1 of 3 points are not in the log")


def test_a_log_tells_its_own_mapper(log: Path) -> None:
    """Points of ranks without a log run there as those of this rank do here."""
    application = capture_log([log]).application
    own = application.mappers["own"]
    assert "Task report CPU;" in own
    assert "Region * * GPU FBMEM;" in own
    mapper = dsl.load(dsl.parse(own), dsl.MachineShape(nodes=2, processors={"CPU": 1, "GPU": 2}))
    placed = {p: mapper.index_point("flux", "GPU", (2, 2, 2), p) for p in ((0, 1, 0), (1, 0, 1))}
    assert placed == {(0, 1, 0): (0, 0), (1, 0, 1): (1, 1)}
    machine = replace(Machine.load("p100x4"), nodes=2)
    assert Evaluator(application, machine).evaluate(dsl.parse(own)).ok


def test_launches_of_other_ranks_alone_are_captured_without_what_they_take(
    log: Path, tmp_path: Path
) -> None:
    text = log.read_text()
    far = f"SELECT_SHARDING_FUNCTOR for wall<{{}}>{PLACE}30\n  0 <-\n  1 <- (0,1) (1,1)\n"
    head = lines("SELECT_SHARDING_FUNCTOR for flux<100>")[0]
    assert head in text
    for number in (100, 200, 300):
        begin = lines(f"SELECT_SHARDING_FUNCTOR for flux<{number}>")[0]
        text = text.replace(begin, "\n".join([*lines(far.format(number + 50)), begin]))
    path = tmp_path / "far.log"
    path.write_text(text)
    captured = capture_log([path])
    application = captured.application
    assert [launch.task for launch in application.loop] == ["flux", "wall"]
    wall = application.loop[1]
    assert (wall.domain, wall.lower, wall.requirements) == ((2, 1), (0, 1), ())
    assert "mapped by other ranks" in application.unknown["*.wall.requirements"]
    assert not any("wall" in what for what in captured.skipped)


def test_small_tasks_that_are_repeated_are_no_loop(tmp_path: Path) -> None:
    """Between large launches that differ, the same small ones come again and again."""
    text = ""
    for i in range(6):
        text += mapping("watch", 100 * i + 10, 1, [], place="1")
        text += mapping("count", 100 * i + 11, 1, [], place="2")
    for i in range(4):
        box = f"<{1000000 * i}>..<{1000000 * i + 999999}>"
        wanted = [requirement(0, "READ_WRITE", 30 + i, box, "x")]
        text += mapping(f"large{i}", 1000 + i, 1, wanted, place=f"{3 + i}")
    path = tmp_path / "small.log"
    path.write_text("\n".join(lines(MACHINE + mapping("main", 2, 1, []) + text)))
    application = capture_log([path]).application
    assert (len(application.setup), len(application.loop), application.timed) == (0, 16, 1)
    told = application.unknown["loop"]
    assert told.startswith("what is repeated most, watch, count (6 times), takes ")
    assert told.endswith("% of the run's time: the whole run counts as one iteration")


def test_tasks_of_logs_have_names_that_a_mapper_can_write(tmp_path: Path) -> None:
    text = mapping("main", 2, 1, [])
    for number, name in enumerate(("h.fill values", "v.step", "v_step")):
        wanted = [requirement(0, "READ_WRITE", 30, "<0>..<9>", "x")]
        text += mapping(name, 10 + number, 1, wanted, place=f"{number}")
    path = tmp_path / "names.log"
    path.write_text("\n".join(lines(MACHINE + text)))
    application = capture_log([path]).application
    assert list(application.tasks) == ["h_fill_values", "v_x2e_step", "v_x5f_step"]
    assert "'v_step' would be spelt v_step, too" in application.unknown["tasks.v_x2e_step"]
    assert "h.fill" not in "".join(application.unknown.values())
