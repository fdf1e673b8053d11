"""Whatever a model says is read in bounded time and room, and nothing raises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile_replies import KINDS, hostile_reply

ROOT = Path(__file__).parents[3]
MOST_MEGABYTES = 600


def read(count: int) -> tuple[str, float]:
    """What reading so many replies in a process of its own prints, and the peak of its memory."""
    script = str(ROOT / "tests" / "hostile_replies.py")
    child = subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning:tuners", script, str(count)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said, errors = child.communicate()
    assert child.returncode == 0, errors[-2000:]
    return said, max(float(each) for each in re.findall(r"(\d+) MB", said))


def test_hostile_replies_are_read_in_little_room():
    said, megabytes = read(3 * len(KINDS))
    assert all(kind in said for kind in KINDS)
    assert megabytes < MOST_MEGABYTES


@pytest.mark.long
def test_hundreds_of_hostile_replies_are_read_in_little_room():
    _, megabytes = read(800)
    assert megabytes < MOST_MEGABYTES


def test_a_reply_is_made_from_its_seed():
    assert [hostile_reply(seed) for seed in range(34)] == [
        hostile_reply(seed) for seed in range(34)
    ]
