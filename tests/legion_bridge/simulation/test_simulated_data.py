"""Where simulated data lies and how it travels, against times worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.legion_bridge.tiny import (
    Moved,
    application,
    launch,
    machine,
    mapper,
    pieces,
    reads,
    reduces,
    region,
    run,
    updates,
    writes,
)

LINE = region("line", 100)
HALVES = pieces("halves", "line", (0, 49), (50, 99))


class TestInstances:
    def test_only_what_is_stale_is_copied(self) -> None:
        loop = [
            launch("all", writes("line")),
            launch("see", reads("line")),
            launch("half", updates("line", "halves"), colors=[[0]]),
            launch("again", reads("line")),
        ]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper(all=(0, 0), see=(0, 1), half=(0, 0), again=(0, 1)))
        assert found.copies() == [
            ("line", "FB 0.0", "FB 0.1", 100.0),
            ("line", "FB 0.0", "FB 0.1", 50.0),
        ]

    def test_a_piece_of_a_wider_instance_is_found(self) -> None:
        loop = [
            launch("all", writes("line")),
            launch("half", reads("line", "halves"), colors=[[1]]),
        ]
        found = run(
            application([LINE], loop, partitions=[HALVES]), mapper(all=(0, 0), half=(0, 0))
        )
        assert found.moves == []
        assert found.peaks() == {"FB 0.0": 100.0}

    def test_an_exact_instance_is_made_beside_a_wider_one(self) -> None:
        loop = [
            launch("all", writes("line")),
            launch("half", reads("line", "halves"), colors=[[1]]),
        ]
        text = mapper("Layout half * * Compact Exact;", all=(0, 0), half=(0, 0))
        found = run(application([LINE], loop, partitions=[HALVES]), text)
        assert found.copies() == [("line", "FB 0.0", "FB 0.0", 50.0)]
        assert found.peaks() == {"FB 0.0": 150.0}

    def test_pieces_come_from_where_each_is_newest(self) -> None:
        loop = [launch("put", writes("line", "halves"), domain=(2,)), launch("get", reads("line"))]
        text = mapper("Task get CPU;")
        found = run(application([LINE], loop, partitions=[HALVES]), text)
        assert found.copies() == [
            ("line", "FB 0.0", "SYS 0", 50.0),
            ("line", "FB 0.1", "SYS 0", 50.0),
        ]

    def test_the_nearest_source_is_taken(self) -> None:
        """GPU 1 of node 1 has the choice between node 0 and its neighbour."""
        loop = [
            launch("put", writes("line")),
            launch("near", reads("line")),
            launch("get", reads("line")),
        ]
        text = mapper(put=(0, 0), near=(1, 0), get=(1, 1))
        found = run(application([LINE], loop), text, machine(nodes=2, net_in=5.0))
        assert found.copies() == [
            ("line", "FB 0.0", "FB 1.0", 100.0),
            ("line", "FB 1.0", "FB 1.1", 100.0),
        ]

    def test_layouts_have_instances_of_their_own(self) -> None:
        two = region("two", 50, ("a", "b"))
        loop = [
            launch("put", writes("two", None, "a", "b")),
            launch("get", reads("two", None, "a", "b")),
        ]
        text = mapper("Layout get * * AOS;", put=(0, 0), get=(0, 0))
        found = run(application([two], loop), text)
        assert found.copies() == [("two", "FB 0.0", "FB 0.0", 100.0)]
        assert found.peaks() == {"FB 0.0": 200.0}

    def test_an_order_means_nothing_in_one_dimension_nor_aos_for_one_field(self) -> None:
        loop = [launch("put", writes("line")), launch("get", reads("line"))]
        text = mapper("Layout get * * AOS C_order;", put=(0, 0), get=(0, 0))
        assert run(application([LINE], loop), text).moves == []

    def test_a_requirement_without_data_moves_nothing(self) -> None:
        none = replace(reads("line"), privilege="NO_ACCESS", fields=())
        virtual = replace(reads("line"), virtual=True)
        loop = [launch("put", writes("line"), seconds=4.0), launch("get", none, virtual)]
        found = run(application([LINE], loop), mapper(put=(0, 0), get=(0, 1)))
        assert found.moves == []
        assert found.times("get") == [(0.0, 1.0)]


class TestLinks:
    def test_copies_queue_for_a_link_that_they_share(self) -> None:
        """Two copies leave one GPU: its outward link takes one after the other."""
        loop = [launch("put", writes("line")), launch("get", reads("line", "halves"), domain=(2,))]
        program = application([LINE], loop, partitions=[HALVES])
        text = mapper(
            """
            m = Machine(GPU);
            def others(Task t) { return m[0, t.ipoint[0] + 1]; }
            IndexTaskMap get others;
        """,
            put=(0, 0),
        )
        found = run(program, text, machine(gpus=3))
        assert [(m.target, m.start, m.end) for m in found.moves] == [
            ("FB 0.1", 1.0, 6.0),
            ("FB 0.2", 6.0, 11.0),
        ]
        assert found.times("get") == [(6.0, 7.0), (11.0, 12.0)]

    def test_a_way_is_as_fast_as_its_slowest_link(self) -> None:
        loop = [launch("put", writes("line")), launch("get", reads("line"))]
        on = machine(outward=50.0, inward=20.0, latency=0.25)
        found = run(application([LINE], loop), mapper(put=(0, 0), get=(0, 1)), on)
        assert found.moves == [Moved("copy", "line", "FB 0.0", "FB 0.1", 100.0, 1.0, 6.25)]
        busy = found.trace.operations.link_busy
        names = found.trace.machine.link_names
        used = {name: float(b) for name, b in zip(names, busy, strict=True) if b}
        assert used == {"inward GPU 1 of node 0": 5.0, "outward GPU 0 of node 0": 2.0}

    def test_a_latency_does_not_hold_the_link(self) -> None:
        loop = [
            launch("put", writes("line"), seconds=0.0),
            launch("get", reads("line", "halves"), domain=(2,)),
        ]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper(put=(0, 0), get=(0, 1)), machine(latency=2.0))
        assert [(m.start, m.end) for m in found.moves] == [(0.0, 7.0), (5.0, 12.0)]

    def test_zero_copy_traffic_holds_the_link(self) -> None:
        """Each task moves 40 bytes over its GPU's inward link, one after the other."""
        loop = [
            launch("put", writes("line")),
            launch("scan", reads("line"), traffic=40.0),
            launch("get", reads("line")),
        ]
        text = mapper(
            "Region put line GPU ZCMEM; Region scan line GPU ZCMEM;",
            put=(0, 0),
            scan=(0, 1),
            get=(0, 1),
        )
        found = run(application([LINE], loop), text)
        assert found.times("scan") == [(1.0, 5.0)]
        # The copy into GPU 1's frame buffer waits for the link.
        assert found.moves == [Moved("copy", "line", "ZC 0", "FB 0.1", 100.0, 5.0, 15.0)]

    @pytest.mark.parametrize(
        ("root", "end"), [(1000.0, 4.0), (20.0, 6.0), (10.0, 8.0), (5.0, 16.0)]
    )
    def test_zero_copy_traffic_of_all_gpus_shares_the_root(self, root: float, end: float) -> None:
        loop = [launch("scan", reads("line", "halves"), domain=(2,), traffic=40.0)]
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper("Region * * GPU ZCMEM;"), machine(root=root))
        assert [t.where for t in found.tasks] == ["GPU 0.0", "GPU 0.1"]
        assert found.times("scan")[1] == pytest.approx((0.0, end), rel=0.02)

    def test_a_task_waits_for_the_link_that_a_copy_holds(self) -> None:
        other = region("other", 40)
        loop = [
            launch("put", writes("line"), seconds=0.0),
            launch("get", reads("line"), seconds=2.0),
            launch("scan", reads("other"), traffic=40.0),
        ]
        text = mapper("Region scan other GPU ZCMEM;", put=(0, 0), get=(0, 1), scan=(0, 1))
        found = run(application([LINE, other], loop), text)
        assert found.times("scan") == [(0.0, 14.0)]
        assert found.times("get") == [(14.0, 16.0)]


class TestReductions:
    LOOP = (
        launch("put", writes("line")),
        launch("add", reduces("line", "halves"), domain=(2,), seconds=2.0),
        launch("get", reads("line")),
    )

    def test_the_next_reader_folds(self) -> None:
        program = application([LINE], self.LOOP, partitions=[HALVES])
        found = run(program, mapper(put=(0, 0), get=(0, 0)), machine(inside=100.0))
        kinds = [(m.kind, m.source, m.target, m.bytes) for m in found.moves]
        assert kinds == [
            ("fill", "FB 0.0", "FB 0.0", 50.0),
            ("fill", "FB 0.1", "FB 0.1", 50.0),
            ("fold", "FB 0.0", "FB 0.0", 50.0),
            ("fold", "FB 0.1", "FB 0.0", 50.0),
        ]
        fill_0, fill_1, fold_0, fold_1 = found.moves
        # Reductions do not wait for the value that they are added to, only for their fills.
        assert found.times("add") == [(1.0, 3.0), (0.5, 2.5)]
        assert (fill_0.end, fill_1.end) == (0.5, 0.5)
        # Folds into different halves of the line do not wait for each other.
        assert (fold_0.start, fold_1.start) == (3.0, 2.5)
        assert found.times("get")[0][0] == max(fold_0.end, fold_1.end)

    def test_folds_of_one_piece_take_turns(self) -> None:
        loop = (
            launch("put", writes("line")),
            launch("add", reduces("line"), domain=(2,), seconds=2.0),
            launch("get", reads("line")),
        )
        found = run(application([LINE], loop), mapper(put=(0, 0), get=(0, 0)))
        folds = sorted((m for m in found.moves if m.kind == "fold"), key=lambda m: m.start)
        assert [m.bytes for m in folds] == [100.0, 100.0]
        assert {m.source for m in folds} == {"FB 0.0", "FB 0.1"}
        assert folds[0].end <= folds[1].start
        assert found.times("get")[0][0] == folds[1].end

    def test_a_write_discards_reductions(self) -> None:
        loop = (*self.LOOP[:2], launch("again", writes("line")), launch("get", reads("line")))
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper(put=(0, 0), again=(0, 0), get=(0, 0)))
        assert not [m for m in found.moves if m.kind == "fold"]

    def test_reductions_to_one_piece_go_on_in_one_instance(self) -> None:
        loop = (*self.LOOP[:2], *self.LOOP[1:])
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper(put=(0, 0), get=(0, 0)))
        fills = [m for m in found.moves if m.kind == "fill"]
        folds = [m for m in found.moves if m.kind == "fold"]
        assert len(fills) == len(folds)

    def test_a_reader_of_one_piece_folds_no_more_than_it_reads(self) -> None:
        loop = (*self.LOOP[:2], launch("get", reads("line", "halves"), colors=[[1]]))
        program = application([LINE], loop, partitions=[HALVES])
        found = run(program, mapper(put=(0, 0), get=(0, 0)))
        folds = [(m.source, m.bytes) for m in found.moves if m.kind == "fold"]
        assert folds == [("FB 0.1", 50.0)]

    def test_what_was_folded_in_part_is_filled_and_folded_again(self) -> None:
        """Each iteration adds to the line, and reads half of it."""
        loop = (
            launch("add", reduces("line"), seconds=2.0),
            launch("get", reads("line", "halves"), colors=[[0]]),
        )
        program = application([LINE], loop, partitions=[HALVES], timed=2)
        found = run(program, mapper(add=(0, 0), get=(0, 1)))
        assert [(m.kind, m.bytes) for m in found.moves] == [
            ("fill", 100.0),
            ("fold", 50.0),
            ("fill", 50.0),
            ("fold", 50.0),
        ]
        fold, again = found.moves[1:3]
        assert fold.end <= again.start
        assert again.end <= found.times("add")[1][0]


class TestMemory:
    def test_too_much_fails_in_the_runtimes_words(self) -> None:
        found = run(application([LINE], [launch("put", writes("line"))]), on=machine(capacity=99))
        assert found.outcome.status == "execution_error"
        assert found.outcome.throughput == 0.0
        assert "failed allocation of size 100 bytes" in found.outcome.raw
        assert "region requirement 0 of task put" in found.outcome.raw
        assert "FBMEM of GPU 0 of node 0" in found.outcome.raw

    def test_what_just_fits_runs(self) -> None:
        found = run(application([LINE], [launch("put", writes("line"))]), on=machine(capacity=100))
        assert found.outcome.ok
        assert found.peaks() == {"FB 0.0": 100.0}

    COLLECTING = (
        launch("put", writes("line")),
        launch("get", reads("line")),
        launch("get", reads("line")),
    )

    def test_without_collection_a_copy_serves_twice(self) -> None:
        found = run(application([LINE], self.COLLECTING), mapper(put=(0, 0), get=(0, 1)))
        assert len(found.copies()) == 1

    def test_what_is_collected_is_copied_again(self) -> None:
        text = mapper("CollectMemory get line;", put=(0, 0), get=(0, 1))
        found = run(application([LINE], self.COLLECTING), text)
        assert len(found.copies()) == 2
        assert found.times("get")[0] == (11.0, 12.0)

    def test_collection_does_not_touch_the_only_copy(self) -> None:
        text = mapper("CollectMemory get line;", put=(0, 0), get=(0, 0))
        assert run(application([LINE], self.COLLECTING), text).moves == []

    def test_collected_room_is_used_again_once_the_reader_is_done(self) -> None:
        """Two lines pass through a frame buffer that holds one: the second copy waits."""
        other = region("other", 100)
        loop = [
            launch("put", writes("line"), writes("other"), seconds=0.0),
            launch("see", reads("line"), seconds=3.0),
            launch("look", reads("other")),
        ]
        text = mapper("CollectMemory * *; Task put CPU;", see=(0, 0), look=(0, 0))
        small = run(application([LINE, other], loop), text, machine(capacity=150))
        assert small.outcome.ok
        assert small.peaks()["FB 0.0"] == 100.0
        assert small.times("look") == [(23.0, 24.0)]
        large = run(application([LINE, other], loop), text, machine(capacity=250))
        assert large.times("look") == [(20.0, 21.0)]

    def test_a_copy_that_others_made_to_stay_stays(self) -> None:
        """The short reader collects what it made itself, not what the long one reads."""
        loop = [
            launch("put", writes("line"), seconds=0.0),
            launch("long", reads("line"), seconds=20.0),
            launch("short", reads("line")),
            launch("look", writes("other")),
        ]
        text = mapper(
            "Region put line GPU FBMEM; Region * * GPU ZCMEM; CollectMemory short line;",
            put=(0, 0),
            long=(0, 0),
            short=(0, 1),
            look=(0, 1),
        )
        program = application([LINE, region("other", 100)], loop)
        assert len(run(program, text, machine(shared=200)).copies()) == 1
        assert "of task look" in run(program, text, machine(shared=199)).outcome.raw

    def test_what_is_left_of_collected_room_comes_free_no_sooner(self) -> None:
        """Two regions that each take a part of the room wait for the same reader."""
        some, more = region("some", 60), region("more", 30)
        loop = [
            launch("put", writes("line"), seconds=0.0),
            launch("see", reads("line"), seconds=5.0),
            launch("one", writes("some")),
            launch("two", writes("more")),
        ]
        text = mapper("Task put CPU; CollectMemory see line; Region one * GPU ZCMEM; "
                      "Region see * GPU ZCMEM; Region two * GPU ZCMEM;",
                      see=(0, 0), one=(0, 1), two=(0, 2))  # fmt: skip
        found = run(application([LINE, some, more], loop), text, machine(gpus=3, shared=140))
        (_, seen), (one, _), (two, _) = (found.times(t)[0] for t in ("see", "one", "two"))
        assert seen == one == two == 15.0

    def test_collected_room_does_not_count_as_used(self) -> None:
        program = application([LINE], self.COLLECTING, timed=8)
        text = mapper("CollectMemory get line;", put=(0, 0), get=(0, 1))
        assert run(program, text).peaks() == {"FB 0.0": 100.0, "FB 0.1": 100.0}

    def test_the_same_without_collection_is_out_of_memory(self) -> None:
        other = region("other", 100)
        loop = [
            launch("put", writes("line"), writes("other")),
            launch("see", reads("line")),
            launch("look", reads("other")),
        ]
        text = mapper("Task put CPU;", see=(0, 0), look=(0, 0))
        found = run(application([LINE, other], loop), text, machine(capacity=150))
        assert found.outcome.status == "execution_error"

    def test_stale_instances_make_room(self) -> None:
        other = region("other", 100)
        loop = [
            launch("put", writes("line")),
            launch("again", writes("line")),
            launch("look", writes("other")),
        ]
        text = mapper(put=(0, 0), again=(0, 1), look=(0, 0))
        found = run(application([LINE, other], loop), text, machine(capacity=150))
        assert found.outcome.ok
        assert found.times("look") == [(1.0, 2.0)]
