"""Wrong use, and the start of the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import sys
from studies.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
slow = {"optuna", "numpy", "mlflow", "scipy", "lark", "rich", "legion_bridge", "tuners"}
sys.exit(", ".join(sorted(slow & set(sys.modules))) or 0)
"""


def test_help_loads_nothing_that_is_slow():
    done = subprocess.run(
        [sys.executable, "-c", START], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("list", "show", "check", "eval", "tune", "compare"):
        assert f"\n    {command} " in done.stdout


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["show", "stancil"], ["'stancil'", "did you mean stencil?", "circuit"]),
        (["show", "stencil", "--machine", "p100"], ["did you mean p100x4?"]),
        (["show", "stencil", "--mapper", "expart"], ["did you mean expert?", "default"]),
        (["tune", "stencil", "--tuner", "tpee"], ["did you mean tpe?", "random"]),
        (["compare", "stencil", "--tuners", "tpe,ranom"], ["did you mean random?", "tpe"]),
        (["tune", "stencil", "--space", "papr"], ["did you mean paper?", "rich"]),
        (["tune", "stencil", "-p", "nz=3"], ["did you mean ny?", "radius"]),
        (["tune", "stencil", "-p", "nx"], ["'nx' is not of the form NAME=VALUE"]),
        (["tun", "stencil"], ["did you mean 'tune'?", "compare"]),
        (["tune", "stencil", "--trails", "3"], ["did you mean '--trials'?"]),
        (["tune", "stencil", "--trials", "none"], ["'none' is not a whole number from 1 on"]),
        (
            ["tune", "stencil", "--trials", "0"],
            ["'0' is not a whole number from 1 to"],
        ),
        (["tune", "stencil", "--seed", "-1"], ["'-1' is not a whole number from 0 on"]),
        (["compare", "stencil", "--seeds", "1,x"], ["'x' is not a whole number"]),
        (["compare", "stencil", "--tuners", "tpe,,random"], ["is not a list of names"]),
        (["tune", "stencil", "--template", "none.map"], ["cannot read none.map: no such file"]),
        (["tune"], ["name an application, such as stencil", "--command"]),
        ([], ["required: COMMAND"]),
    ],
)
def test_wrong_use_is_told_with_what_is_known(ask, tmp_path, monkeypatch, words, sentences):
    monkeypatch.chdir(tmp_path)
    answer = ask(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("mappertune")
    assert all(sentence in answer.err for sentence in sentences), answer.err
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_a_reader_who_leaves_early_is_no_error():
    script = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
    writer = subprocess.Popen(
        [sys.executable, "-c", script, "show", "stencil", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.stderr is not None
    complaint = writer.stderr.read()
    writer.stderr.close()
    assert (writer.wait(), complaint) == (0, b"")


def test_output_that_cannot_be_written_is_told():
    script = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
    with open("/dev/full", "w") as full:  # noqa: PTH123  (a device, not a file)
        done = subprocess.run(
            [sys.executable, "-c", script, "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "mappertune: no space left on device\n"


def test_the_version_is_told(ask):
    answer = ask("--version")
    assert answer.code == 0
    assert answer.out.startswith("mappertune ")
