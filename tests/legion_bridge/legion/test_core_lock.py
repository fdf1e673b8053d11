"""Two measured runs do not share the cores of a host."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from legion_bridge import LegionError
from legion_bridge.legion.core_lock import cores_to_itself

HOLD = """
import sys, time
from legion_bridge.legion.core_lock import cores_to_itself
with cores_to_itself():
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def lock_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Real measurements may be under way on this host.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def holder(seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_waits_for_the_other() -> None:
    with holder(0.5):
        begin = time.monotonic()
        with cores_to_itself():
            assert time.monotonic() - begin > 0.2


def test_a_killed_holder_holds_no_more() -> None:
    with holder(60) as process:
        process.send_signal(signal.SIGKILL)
        begin = time.monotonic()
        with cores_to_itself():
            assert time.monotonic() - begin < 5


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mappertune-cores.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LegionError, match="share the cores"), cores_to_itself():
        pass
    assert not (tmp_path / "elsewhere").exists()
