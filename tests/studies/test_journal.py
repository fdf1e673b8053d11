from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from datetime import datetime

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from studies import StorageError, StudyStore
from studies.journal import FileLock
from studies.journal_records import HEADER, write_line

SPACE = {
    "kind": CategoricalDistribution(("CPU", "GPU", "OMP")),
    "limit": IntDistribution(1, 9),
    "share": FloatDistribution(0.0, 1.0),
}
VALUES = {"kind": "GPU", "limit": 4, "share": 0.25}

HOLD = """
import sys, time
from pathlib import Path
from studies.journal import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def trial(value=1.0, names=("kind", "limit", "share"), **notes):
    return FrozenTrial(
        number=0,
        trial_id=0,
        state=TrialState.COMPLETE,
        value=value,
        datetime_start=datetime(2026, 3, 29, 1, 30),
        datetime_complete=datetime(2026, 3, 29, 1, 31),
        params={name: VALUES[name] for name in names},
        distributions={name: SPACE[name] for name in names},
        user_attrs={"mappertune:status": "ok", **notes},
        system_attrs={"constraints:valid": 0.0},
        intermediate_values={},
    )


def written(path, count=3, first=0):
    with StudyStore.open_study("s", str(path)) as store:
        for number in range(first, first + count):
            store.add(trial(float(number)))
        store.leave_note("identity", {"seed": 0})


def opened(path, *, repair=False, tell=lambda sentence: None):
    with StudyStore.open_study("s", str(path), repair=repair, tell=tell) as store:
        return [int(each.value) for each in store.trials]


def forget_end(path):
    """What a journal was like that no process has closed yet."""
    path.with_name(f"{path.name}.end").unlink(missing_ok=True)


def by_optuna(path, count=3):
    """A journal as Optuna writes it, and as this program did at first."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(study_name="s", storage=storage, direction="maximize")
    study.set_user_attr("identity", {"seed": 0})
    for number in range(count):
        study.add_trial(trial(float(number)))
    return study


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.journal"


# What is kept


def test_trials_are_there_again_as_they_were(path):
    kept = [
        trial(1.5),
        trial(2.5, ("limit", "kind"), text="Task a GPU;\n", cost=None, nested={"a": [1, "é"]}),
        trial(3.5, ()),
        trial(4.5, ("share",)),
    ]
    with StudyStore.open_study("s", str(path)) as store:
        for each in kept:
            store.add(each)
    with StudyStore.open_study("s", str(path)) as store:
        again = store.trials
    for number, (before, after) in enumerate(zip(kept, again, strict=True)):
        before.number = before._trial_id = number
        assert after == before
        assert list(after.params) == list(before.params)


def test_parameters_that_change_are_told_apart(path):
    other = trial(1.0, ("kind",))
    other.distributions = {"kind": CategoricalDistribution(("GPU", "TPU"))}
    with StudyStore.open_study("s", str(path)) as store:
        store.add(trial(0.0, ("kind",)))
        store.add(other)
    with StudyStore.open_study("s", str(path)) as store:
        assert [each.params for each in store.trials] == [{"kind": "GPU"}, {"kind": "GPU"}]
        assert store.trials[1].distributions == other.distributions


def test_notes_without_a_number_in_json_are_kept_without_it(path):
    with StudyStore.open_study("s", str(path)) as store:
        store.add(trial(1.0, elapsed=float("inf")))
    with StudyStore.open_study("s", str(path)) as store:
        assert store.trials[0].user_attrs["elapsed"] is None


def test_a_long_study_takes_little_room_and_opens_at_once(path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)
    space = {f"mem.calculate_new_currents.{n}": CategoricalDistribution("abc") for n in range(80)}
    many = trial(1.0, ())
    many.distributions, many.params = space, dict.fromkeys(space, "b")
    many.system_attrs = {"tpe:relative_params:0": "x" * 3000}  # which is read while it runs alone
    with StudyStore.open_study("s", str(path)) as store:
        for _ in range(1100):
            store.add(many)
    assert path.stat().st_size / 1100 < 600  # 9,000 as Optuna writes it
    begun = time.process_time()
    assert len(opened(path)) == 1100
    assert time.process_time() - begun < 1.0


# Sudden ends


@pytest.mark.parametrize("make", [written, by_optuna])
def test_a_torn_last_line_is_cut_off_and_the_rest_is_kept(path, make):
    make(path)
    forget_end(path)
    whole = path.read_bytes()
    last = len(whole) - whole.rstrip(b"\n").rfind(b"\n") - 1
    kept = [0, 1, 2] if make is written else [0, 1]  # the last line is a note, or a trial
    for cut in range(1, last, 40):
        path.write_bytes(whole[:-cut])
        assert opened(path) == kept
        forget_end(path)
    written(path, 1, first=7)
    assert opened(path) == [*kept, 7]


@pytest.mark.parametrize("make", [written, by_optuna])
@pytest.mark.parametrize("length", [0, 1, 6, 12, 30])
def test_a_journal_torn_in_its_first_line_begins_anew(path, make, length):
    make(path, 1)
    forget_end(path)
    path.write_bytes(path.read_bytes()[:length])
    assert opened(path) == []
    written(path, 1)
    assert opened(path) == [0]


def test_a_torn_line_longer_than_a_block_is_cut_off(path):
    written(path)
    with path.open("ab") as file:
        file.write(b'{"n":7,"x":"' + b"y" * 200_000)
    assert opened(path) == [0, 1, 2]


class Signal(KeyboardInterrupt):
    """As one that comes at the worst moment."""


@pytest.mark.parametrize(
    ("moment", "kept"),
    [("in the middle", [0, 2]), ("before it is on the disk", [0, 1, 2]), ("after", [0, 1, 2])],
)
def test_a_signal_while_a_record_is_written_leaves_no_damage(path, monkeypatch, moment, kept):
    sync = os.fsync

    def interrupted(file):
        if moment == "in the middle":
            os.ftruncate(file, os.fstat(file).st_size - 9)
            os.lseek(file, 0, os.SEEK_END)
        elif moment == "after":
            sync(file)
        raise Signal

    with StudyStore.open_study("s", str(path)) as store:
        store.add(trial(0.0))
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", interrupted)
            with pytest.raises(Signal):
                store.add(trial(1.0))
        store.leave_note("identity", {})
        store.add(trial(2.0))
    assert opened(path) == kept


# Damage


@pytest.mark.parametrize(
    "text", ["precious notes\nwithout an end", "{}", '{"op_code": 1}\n', '{"n": 0}\n', "\n", "x"]
)
@pytest.mark.parametrize("repair", [False, True])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text, repair):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(StorageError, match="is no journal"):
        opened(path, repair=repair)
    assert path.read_text() == text


def altered(line, old, new):
    """A line that somebody has changed, check sum and all."""
    assert old in line
    body = line.replace(old, new)[:-18]
    return body + b',"crc":"%08x"}' % zlib.crc32(body)


DAMAGES = {
    "cut in the middle": lambda lines: [*lines[:5], lines[5][:40], *lines[6:]],
    "garbage": lambda lines: [*lines[:5], b"garbage", *lines[6:]],
    "binary": lambda lines: [*lines[:5], b"\xff\xfe\x00", *lines[6:]],
    "a flipped bit": lambda lines: [*lines[:5], lines[5].replace(b"2026", b"2027"), *lines[6:]],
    "an empty line": lambda lines: [*lines[:5], b"", *lines[6:]],
    "two lines in one": lambda lines: [*lines[:4], lines[4] + lines[5], *lines[6:]],
    "NaN": lambda lines: [*lines[:5], altered(lines[5], b"1.0", b"NaN"), *lines[6:]],
    "infinity": lambda lines: [*lines[:5], altered(lines[5], b"1.0", b"1e400"), *lines[6:]],
    "a long number": lambda lines: [
        *lines[:5],
        altered(lines[5], b"1.0", b"1" + b"0" * 400),
        *lines[6:],
    ],
    "a longer number": lambda lines: [
        *lines[:5],
        altered(lines[5], b"1.0", b"1" + b"0" * 5000),
        *lines[6:],
    ],
    "an unknown kind": lambda lines: [
        *lines[:5],
        altered(lines[5], b'"trial"', b'"tail"'),
        *lines[6:],
    ],
    "an unknown choice": lambda lines: [
        *lines[:5],
        altered(lines[5], b"[1,", b"[7,"),
        *lines[6:],
    ],
    "a value out of bounds": lambda lines: [
        *lines[:5],
        altered(lines[5], b"4.0,0.25", b"40.0,0.25"),
        *lines[6:],
    ],
    "deep JSON": lambda lines: [*lines[:5], b'{"n":5,"x":' + b"[" * 100_000, *lines[6:]],
    "a dropped line": lambda lines: [*lines[:5], *lines[6:]],
    "a lost parameter": lambda lines: [*lines[:2], b"?", *lines[3:]],
    "a lost beginning": lambda lines: [*lines[:1], b"?", *lines[2:]],
    "a lost header": lambda lines: [b"?", *lines[1:]],
    "a repeated line": lambda lines: [*lines[:6], lines[5], *lines[6:]],
    "swapped lines": lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "an empty last line": lambda lines: [*lines, b""],
}
LOSES_NOTHING = (
    "a lost parameter", "a lost beginning", "a lost header", "a repeated line", "swapped lines",
    "an empty last line",
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_gets_one_sentence_and_is_mended_where_asked(path, damage):
    written(path, 4)
    lines = path.read_bytes().splitlines()
    assert [b'"trial"' in line for line in lines[:8]] == [False] * 3 + [True, False] + [True] * 3
    path.write_bytes(b"".join(line + b"\n" for line in DAMAGES[damage](lines)))
    damaged = path.read_bytes()
    begun = time.process_time()
    with pytest.raises(
        StorageError, match=r"is damaged in line \d+: .*; .* --repair keeps"
    ) as told:
        opened(path)
    assert time.process_time() - begun < 1
    assert "\n" not in str(told.value)
    assert path.read_bytes() == damaged
    sentences = []
    kept = [0, 1, 2, 3] if damage in LOSES_NOTHING else [0, 2, 3]
    if damage == "two lines in one":
        kept = [0, 2, 3]
    assert opened(path, repair=True, tell=sentences.append) == kept
    (sentence,) = sentences
    assert f"{len(kept)} good trials are kept" in sentence
    assert path.with_name("study.journal.damaged").read_bytes() == damaged
    written(path, 1, first=9)
    assert opened(path) == [*kept, 9]
    with StudyStore.open_study("s", str(path)) as store:
        assert store.note("identity") == {"seed": 0}


def test_every_line_and_every_cut_is_told(path):
    written(path, 2)
    whole = path.read_bytes()
    for position in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:position] + b"#" + whole[position + 1 :])
        with pytest.raises(StorageError, match=r"damaged in line|no journal"):
            opened(path)
        opened(path, repair=True)
        assert set(opened(path)) <= {0, 1}
        for each in path.parent.glob("*.damaged*"):
            each.unlink()


@pytest.mark.parametrize("lines", [1, 2, 3, 100])
def test_lines_lost_at_the_very_end_are_told(path, lines):
    written(path, 4)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:-lines]))
    left = max(0, 5 - lines) if lines < 100 else 0
    said = (
        rf"has lost its end: of {len(whole)} lines and 4 trials .* and {left} are left; .*repair"
    )
    for _ in range(2):
        with pytest.raises(StorageError, match=said):
            opened(path)
    sentences = []
    assert opened(path, repair=True, tell=sentences.append) == list(range(left))
    assert len(sentences) == 1
    assert "has lost its end" in sentences[0]
    assert opened(path) == list(range(left))
    written(path, 1, first=7)
    assert opened(path) == [*range(left), 7]


def test_a_sudden_end_is_no_lost_one(path):
    written(path, 2)
    end = path.with_name("study.journal.end")
    kept = end.read_text()
    written(path, 2, first=2)
    end.write_text(kept)  # a killed process has not closed it
    assert opened(path) == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["", "?", "[]", '{"records": "many", "trials": 1}', "[" * 99_999])
def test_nonsense_beside_a_journal_says_nothing(path, text):
    written(path, 2)
    path.with_name("study.journal.end").write_text(text)
    assert opened(path) == [0, 1]


def test_a_journal_that_was_removed_begins_anew(path):
    written(path, 2)
    path.unlink()
    assert opened(path) == []


def test_a_line_without_an_end_is_not_read_whole(path, monkeypatch):
    monkeypatch.setattr("studies.journal.LONGEST_LINE", 1000)
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], b"x" * 12_345 + b"\n", *lines[5:]]))
    with pytest.raises(StorageError, match="damaged in line 6"):
        opened(path)
    assert opened(path, repair=True) == [0, 1, 2]


def test_several_damaged_files_are_set_aside(path):
    for _ in range(2):
        written(path, 2)
        path.write_bytes(path.read_bytes() + b"\n")
        opened(path, repair=True)
    names = {each.name for each in path.parent.iterdir()}
    assert names >= {"study.journal.damaged", "study.journal.damaged1"}


def test_a_whole_journal_is_not_repaired(path):
    written(path)
    before = path.read_bytes()
    assert opened(path, repair=True, tell=pytest.fail) == [0, 1, 2]
    assert path.read_bytes() == before


def test_a_newer_format_is_told_apart_from_damage(path):
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(write_line(0, {"journal": 3}) + b"".join(lines[1:]))
    assert lines[0].startswith(HEADER)
    with pytest.raises(StorageError, match="newer mappertune"):
        opened(path, repair=True)


def test_a_folder_in_the_place_of_a_journal_is_told(tmp_path):
    with pytest.raises(StorageError, match="is a directory"):
        opened(tmp_path)


# Journals as Optuna writes them


def test_a_journal_of_an_earlier_version_goes_on(path):
    study = by_optuna(path)
    before, size = study.trials, path.stat().st_size
    sentences = []
    assert opened(path, tell=sentences.append) == [0, 1, 2]
    (sentence,) = sentences
    assert "written by an earlier version" in sentence
    assert path.with_name("study.journal.optuna").stat().st_size == size
    with StudyStore.open_study("s", str(path), tell=pytest.fail) as store:
        assert store.note("identity") == {"seed": 0}
        for was, now in zip(before, store.trials, strict=True):
            assert now == was
    written(path, 1, first=3)
    assert opened(path) == [0, 1, 2, 3]


def test_a_journal_in_which_others_keep_trials_stays_optunas(path):
    study = by_optuna(path)
    study.optimize(lambda trial: trial.suggest_int("limit", 1, 9), n_trials=1)
    study.ask()
    assert len(opened(path, tell=pytest.fail)) == 4
    with StudyStore.open_study("s", str(path)) as store:
        store.add(trial(9.0))
    storage = JournalStorage(JournalFileBackend(str(path)))
    states = [
        each.state.name for each in optuna.load_study(study_name="s", storage=storage).trials
    ]
    assert states == ["COMPLETE"] * 4 + ["RUNNING", "COMPLETE"]


OPTUNAS = {
    "cut in the middle": lambda line: line[:100],
    "garbage": lambda line: b"garbage",
    "an empty line": lambda line: b"",
    "NaN": lambda line: line.replace(b'"value":1.0', b'"value":NaN'),
    "a long number": lambda line: line.replace(b'"value":1.0', b'"value":1' + b"0" * 400),
    "an unknown operation": lambda line: line.replace(b'"op_code":4', b'"op_code":77'),
    "deep JSON": lambda line: b'{"op_code":4,"x":' + b"[" * 100_000,
    "a lost field": lambda line: line.replace(b'"distributions"', b'"contributions"'),
    "an unknown study": lambda line: line.replace(b'"study_id":0', b'"study_id":"0"'),
    "a repeated line": lambda line: line + b"\n" + line,
    "an unknown choice": lambda line: line.replace(b'"kind":1', b'"kind":9'),
}


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("damage", OPTUNAS)
def test_damage_of_a_journal_of_optunas_is_told_and_mended(path, damage, foreign):
    study = by_optuna(path)
    if foreign:
        study.ask()
    lines = path.read_bytes().splitlines()
    assert json.loads(lines[3])["value"] == 1.0
    lines[3] = OPTUNAS[damage](lines[3])
    path.write_bytes(b"\n".join([*lines, b""]))
    damaged = path.read_bytes()
    place = 5 if damage == "a repeated line" else 4
    with pytest.raises(StorageError, match=rf"is damaged in line {place}: .*--repair"):
        opened(path)
    assert path.read_bytes() == damaged
    kept = [0, 1, 2] if damage == "a repeated line" else [0, 2]
    assert opened(path, repair=True) == kept
    assert path.with_name("study.journal.damaged").read_bytes() == damaged
    assert opened(path) == kept


# Locks


def test_a_lock_can_be_taken_again_by_its_holder(tmp_path):
    lock = FileLock(tmp_path / "x")
    assert lock.acquire()
    assert lock.try_acquire()
    lock.release()
    assert not FileLock(tmp_path / "x").try_acquire()
    lock.release()
    other = FileLock(tmp_path / "x")
    assert other.try_acquire()
    other.release()


def test_a_lock_dies_with_its_holder(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    lock = FileLock(tmp_path / "x")
    assert not lock.try_acquire()
    holder.kill()
    begun = time.monotonic()
    lock.acquire()
    assert time.monotonic() - begun < 5
    lock.release()
    holder.wait()
    holder.stdout.close()
