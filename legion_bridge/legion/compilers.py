"""The user's compilers: which there are, what they call themselves, how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dsl.plain_text import plain
from legion_bridge.errors import LegionError

__all__ = ["compile_with", "compiler_version", "find_cxx", "find_nvcc"]

_LONGEST = 600.0  # seconds; a file with Legion's headers takes about four
_SHOWN = 3000  # characters of what a compiler says


def find_cxx() -> list[str]:
    """The command of the user's C++ compiler: ``$CXX``, or the first of c++, g++ and clang++.

    Raises:
        LegionError: There is none.
    """
    if chosen := os.environ.get("CXX"):
        return chosen.split()
    for command in ("c++", "g++", "clang++"):
        if path := shutil.which(command):
            return [path]
    raise LegionError(
        "no C++ compiler was found: install g++ or clang++, or name one in the environment "
        "variable CXX"
    )


def find_nvcc() -> list[str] | None:
    """The command of the CUDA compiler, ``$NVCC`` or the one on the path; None without one."""
    if chosen := os.environ.get("NVCC"):
        return chosen.split()
    path = shutil.which("nvcc")
    home = os.environ.get("CUDA_HOME")
    if path is None and home:
        path = shutil.which("nvcc", path=str(Path(home) / "bin"))
    return [path] if path else None


def compiler_version(command: Sequence[str]) -> str:
    """What a compiler says of itself, one line.

    Raises:
        LegionError: It cannot be run.
    """
    return _version(tuple(command), shutil.which(command[0]))


@cache
def _version(command: tuple[str, ...], _path: str | None) -> str:
    said = compile_with([*command, "--version"], timeout=60.0)
    lines = [line for line in said.splitlines() if line.strip()]
    # nvcc tells its version in its last line but one, others in the first.
    release = [line for line in lines if "release" in line]
    return (release or lines or ["unknown"])[0].strip()


def compile_with(
    command: Sequence[str], *, cwd: Path | None = None, timeout: float = _LONGEST
) -> str:
    """Runs a compiler and returns what it printed.

    Raises:
        LegionError: It cannot be started, fails, or takes too long.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except OSError as error:
        raise LegionError(
            f"the compiler {command[0]} cannot be started ({error.strerror}): install it, or "
            "name another one in the environment variable CXX"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LegionError(
            f"the compiler {command[0]} takes more than {timeout:g} seconds: try again on a "
            "machine with less to do"
        ) from error
    if done.returncode:
        raise LegionError(
            f"the compiler {command[0]} fails: {plain(done.stdout).strip()[:_SHOWN]}"
        )
    return done.stdout
