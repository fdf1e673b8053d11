from __future__ import annotations

import subprocess
import sys
import time

import optuna
import pytest

from studies.errors import StorageError
from studies.journal import FileLock, open_journal

HOLD = """
import sys, time
from pathlib import Path
from studies.journal import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def written(path, count=3):
    study = optuna.create_study(storage=open_journal(path), study_name="s", load_if_exists=True)
    for _ in range(count):
        study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"long": "x" * 500}))
    return study


def count(path):
    return len(optuna.load_study(study_name="s", storage=open_journal(path)).trials)


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_torn_last_line_is_cut_off_and_the_rest_is_kept(tmp_path, cut):
    path = tmp_path / "study.journal"
    written(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert count(path) == 2
    written(path, 1)
    assert count(path) == 3


def test_a_journal_torn_in_its_first_line_begins_anew(tmp_path):
    path = tmp_path / "study.journal"
    written(path, 1)
    path.write_bytes(path.read_bytes()[:30])
    written(path, 1)
    assert count(path) == 1


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path):
    path = tmp_path / "study.journal"
    written(path, 2)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"x":"' + b"y" * 200_000)
    assert count(path) == 2


@pytest.mark.parametrize("text", ["precious notes\nwithout an end", "{}", '{"op_code": 1}\n'])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(StorageError, match="no journal"):
        open_journal(path)
    assert path.read_text() == text


def test_damage_in_the_middle_is_told(tmp_path):
    path = tmp_path / "study.journal"
    written(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "garbage\n" + "".join(lines[1:]))
    with pytest.raises(StorageError, match="damaged"):
        open_journal(path)


def test_a_folder_in_the_place_of_a_journal_is_told(tmp_path):
    with pytest.raises(StorageError, match="is a directory"):
        open_journal(tmp_path)


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
