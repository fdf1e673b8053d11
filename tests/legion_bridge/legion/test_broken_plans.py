"""Plans that are broken: the replay program says in one sentence what is wrong with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from legion_bridge.legion.replay import build_replay
from tests.legion_bridge.real_legion import RUNTIME, legion_or_skip

pytestmark = pytest.mark.long  # builds programs, and runs them many times

HEAD = "mappertune-replay 2 tiny 0 tasks 1 work 0 1 0 1 CPU 0"
REGION = "regions 1 grid 1 0 7 1 x 8"
PARTITION = "partitions 1 halves 0 2 0 3 4 7"
LAUNCH = "0 0 1 2 0 -1 0 1 0 0 1 1 0.0 1"  # two points of task 0, with one requirement
REQUIREMENT = "0 0 2 0 F -1 1 0 0 1 64.0 1 0.0"
WHOLE = (
    f"{HEAD} {REGION} {PARTITION} launches 0 "
    f"launches 1 {LAUNCH} {REQUIREMENT} launches 0 end"
)  # fmt: skip
ANEW = ": write it anew"

BROKEN = {  # what is replaced, by what, and what is said of it
    "name": ("tiny 0", "tiny%2 0", "tiny%2 stands where a name should"),
    "name that is no number": ("tiny 0", "tiny%zz 0", "tiny%zz stands where a name should"),
    "flag": ("tiny 0", "tiny 7", "7 stands where a whole number from 0 to 1 should"),
    "word": ("tasks 1", "tasks one", "one stands where a whole number from 0 to"),
    "number and more": ("regions 1", "regions 1x", "1x stands where a whole number from 0 to"),
    "number out of reach": ("0 7 1 x", f"0 {10**30} 1 x", f"{10**30} stands where a whole number"),
    "fewer than none": ("regions 1", "regions -1", "-1 stands where a whole number from 0 to"),
    "dimension": ("grid 1", "grid 4", "4 stands where a whole number from 1 to 3 should"),
    "bytes": ("x 8", "x 0", "0 stands where a whole number from 1 to"),
    "region": ("halves 0", "halves 1", "1 stands where a whole number from 0 to 0 should"),
    "task": (LAUNCH, LAUNCH.replace("0", "1", 1), "1 stands where a whole number from 0 to 0"),
    "extent": ("0 0 1 2 0 -1", "0 0 1 0 0 -1", "0 stands where a whole number from 1 to"),
    "points": ("0 0 1 2 0 -1", f"0 0 2 {2**20} {2**20} 0 -1", "a launch has too many points"),
    "dimensions": ("0 0 1 2 0 -1", "0 0 7 1 1 1 1 1 1 2 0 -1", "a launch domain has 7 dimensions"),
    "lower bounds": ("0 0 1 2 0 -1", "0 2 0 0 1 2 0 -1", "has 1 dimensions and 2 lower bounds"),
    "parent": ("1 2 0 -1", "1 2 0 0", "0 stands where a whole number from -1 to -1 should"),
    "rate": ("0 0 1 1 0.0 1", "0 0 3 1 0.0 1", "3 stands where a whole number from 0 to 2"),
    "wait": ("1 0 0 1 1 0.0", "1 0 1 1 1 1 0.0", "1 stands where a whole number from 0 to 0"),
    "amount": ("1 64.0", "1 much", "much stands where an amount should"),
    "amount below none": ("1 64.0", "1 -64.0", "-64.0 stands where an amount should"),
    "amount without end": ("1 64.0", "1 inf", "inf stands where an amount should"),
    "amounts": ("1 64.0", "3 64.0 64.0 64.0", "a launch of 2 points has 3 amounts"),
    "no amount": ("1 64.0", "0", "a launch of 2 points has 0 amounts"),
    "partition": (REQUIREMENT, f"0 1{REQUIREMENT[3:]}", "1 stands where a whole number from -1"),
    "privilege": ("0 0 2 0 F", "0 0 5 0 F", "5 stands where a whole number from 0 to 4 should"),
    "traversal": ("2 0 F", "2 0 X", "X stands where one of the letters CF should"),
    "field": ("-1 1 0 0 1 64.0", "-1 1 1 0 1 64.0", "1 stands where a whole number from 0 to 0"),
    "piece": ("0 1 64.0", "2 0 2 1 64.0", "takes pieces that halves does not have"),
    "pieces": ("0 1 64.0", "1 0 1 64.0", "takes pieces that halves does not have"),
    "too few pieces": ("0 0 1 2 0 -1", "0 0 1 3 0 -1", "takes pieces that halves does not have"),
    "another region": (
        f"{REGION} {PARTITION}",
        f"regions 2 grid 1 0 7 1 x 8 other 1 0 7 1 x 8 {PARTITION.replace('s 0', 's 1')}",
        "a launch takes pieces of halves for another region",
    ),
    "nested": (
        f"launches 1 {LAUNCH} {REQUIREMENT}",
        f"launches 2 {LAUNCH} {REQUIREMENT} {LAUNCH.replace('1 2 0 -1', '0 0 0')} {REQUIREMENT}",
        "a nested launch takes what its parent does not hold",
    ),
    "end": (" launches 0 end", " launches 0", "ends too early"),
}  # fmt: skip


def replayed(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    plan = folder / "tiny.plan"
    plan.write_text(text)
    legion = legion_or_skip()
    return subprocess.run(
        [build_replay(legion), plan, "-warmup", "0", "-iterations", "1", *RUNTIME],
        env=legion.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_whole_plan_is_executed(tmp_path: Path) -> None:
    done = replayed(WHOLE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "CHECKSUM" in done.stdout


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plan_is_refused_in_one_sentence(what: str, tmp_path: Path) -> None:
    old, new, said = BROKEN[what]
    assert old in WHOLE
    done = replayed(WHOLE.replace(old, new, 1), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"replay: error: {tmp_path}/tiny.plan")
    assert said in line
    assert line.endswith(ANEW)
