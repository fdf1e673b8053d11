from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dsl import scratch_folder
from dsl.scratch_folder import ScratchFolder, remove_abandoned

HOLD = """
import time
from dsl.scratch_folder import ScratchFolder
folder = ScratchFolder("test")
print(folder.name, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_old(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_a_folder_goes_with_its_object(temporary):
    with ScratchFolder("test") as name:
        assert Path(name).parent == temporary
        make_old(name, 1e6)
        remove_abandoned()
        assert Path(name).exists()  # it is in use
    assert list(temporary.iterdir()) == []


def test_a_folder_of_a_killed_process_goes_at_the_next_start(temporary):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert holder.stdout is not None
    folder = Path(holder.stdout.readline().strip())
    make_old(folder, 120)
    remove_abandoned()
    assert folder.exists()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    scratch_folder._remove_abandoned_once.cache_clear()
    ScratchFolder("test").cleanup()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "seconds", "kept"),
    [
        ("mappertune-opentuner-1bhx7g4j", 8 * 24 * 3600, False),  # of an earlier version
        ("mappertune-opentuner-1bhx7g4j", 3600, True),
        ("mappertune-0", 1e9, True),
        ("mappertune-my-notes", 1e9, True),
        ("precious", 1e9, True),
    ],
)
def test_what_others_have_left_stays(temporary, name, seconds, kept):
    folder = temporary / name
    folder.mkdir()
    (folder / "file").write_text("")
    make_old(folder, seconds)
    remove_abandoned()
    assert folder.exists() == kept


def test_a_link_is_not_followed(temporary):
    precious = temporary / "precious"
    precious.mkdir()
    (precious / scratch_folder.LOCK).write_text("")
    (temporary / "mappertune-test-link").symlink_to(precious)
    make_old(precious, 1e6)
    remove_abandoned()
    assert precious.exists()
