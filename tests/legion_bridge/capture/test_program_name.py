"""What a captured program is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from legion_bridge.capture.run import program_name


def test_programs_have_their_files_names() -> None:
    assert program_name(["/a/b/gemm", "-n", "8"]) == "gemm"
    assert program_name(["python3", "-u", "app/heat.py"]) == "heat"
    assert program_name(["python3"]) == "python3"


@pytest.mark.parametrize(
    "command",
    [
        ["mpirun", "-n", "2", "./gemm", "-n", "8"],
        ["srun", "-N", "2", "--nodelist", "node1", "./gemm"],
        ["mpirun", "--hostfile", "hosts", "python3", "gemm.py"],
        ["env", "OMP_NUM_THREADS=1", "./gemm", "8"],
        ["legate", "--cpus", "2", "gemm.py", "--size", "8"],
    ],
)
def test_what_runs_a_program_does_not_give_it_its_name(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("gemm", "gemm.py", "hosts"):
        Path(name).touch(mode=0o755 if name == "gemm" else 0o644)
    assert program_name(command) == "gemm"
