"""Says which compilers and tools are here, and which tests are skipped for want of them.

``python3 tests/tools_found.py`` needs nothing but Python, so that it can run before anything is
installed; ``.ci/run`` begins with it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SANITIZE = ("-fsanitize=address,undefined",)
C_COMPILERS = ("cc", "gcc", "clang")
CXX_COMPILERS = ("c++", "g++", "clang++")


@dataclass(frozen=True)
class Finding:
    """A tool, and what its absence means.

    Attributes:
        name: Of the tool.
        found: What it says of itself; empty where it is not here.
        skipped: The tests that do without it, if any.
    """

    name: str
    found: str
    skipped: str = ""


def findings() -> list[Finding]:
    """All that the tests look for, in the order in which it is told."""
    found = [*_compilers("CC", C_COMPILERS), *_compilers("CXX", CXX_COMPILERS)]
    others = (_nvcc(), _graphviz(), _chromium(), _postgresql(), _legion())
    return [*found, *_uses_of_compilers(), *others]


def report(found: list[Finding]) -> str:
    """One line a tool, and one for each thing that is skipped."""
    width = max(len(each.name) for each in found)
    lines = [f"{each.name:{width}}  {each.found or 'not found'}" for each in found]
    skipped = [each for each in found if not each.found and each.skipped]
    lines.append(
        "Skipped for want of them:" if skipped else "Nothing is skipped for want of them."
    )
    return "\n".join([*lines, *(f"- {each.skipped} ({each.name})" for each in skipped)])


def _compilers(variable: str, names: tuple[str, ...]) -> Iterator[Finding]:
    """The compilers of a language: the one that the variable names, and the usual ones."""
    if os.environ.get(variable):
        yield Finding(f"${variable}", _version(_chosen(variable, names)))
    for name in names:
        warnings = f"the check for warnings of {name}" if name in ("gcc", "clang") else ""
        yield Finding(name, _version([name]), warnings)


def _uses_of_compilers() -> Iterator[Finding]:
    policies, kernel = _chosen("CC", ("clang", "gcc", "cc")), _chosen("CC", ("cc",))
    yield Finding(
        "sanitizers of policies",
        f"address, undefined ({policies[0]})" if _sanitizes(policies) else "",
        "compiled mappers under sanitizers",
    )
    yield Finding(
        "sanitizers of the kernel",
        asan_library(kernel) if _sanitizes(kernel) else "",
        "the simulator's kernel under sanitizers",
    )


def _chosen(variable: str, names: tuple[str, ...]) -> list[str]:
    """The command of the variable, or the first name that is here and builds with sanitizers."""
    if chosen := os.environ.get(variable, "").split():
        return chosen
    return next(([name] for name in names if _sanitizes([name])), [names[-1]])


def _sanitizes(command: list[str]) -> bool:
    program = [*command, *SANITIZE, "-x", "c", "-", "-o", os.devnull]
    return _run(program, "int main(void) { return 0; }") is not None


def asan_library(command: list[str]) -> str:
    """The shared library of a compiler's address sanitizer; empty where it has none."""
    clangs = ("libclang_rt.asan.so", f"libclang_rt.asan-{os.uname().machine}.so")
    for name in (*clangs, "libasan.so"):  # clang finds gcc's, too, which is not for it
        path = (_run([*command, f"-print-file-name={name}"]) or "").strip()
        if os.path.isabs(path):  # noqa: PTH117  (a compiler that has none repeats the name)
            return path
    return ""


def _nvcc() -> Finding:
    command = os.environ.get("NVCC", "nvcc").split()
    lines = (_run([*command, "--version"]) or "").strip().splitlines()
    release = [line.strip() for line in lines if "release" in line]
    return Finding("nvcc", (release or lines or [""])[0], "programs with CUDA variants")


def _graphviz() -> Finding:
    return Finding("dot", _version(["dot"], "-V"), "graphs that graphviz draws")


def chromium_program() -> str | None:
    """A browser that needs no screen; None without."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


def _chromium() -> Finding:
    program = chromium_program()
    found = "" if program is None else _version([program])
    return Finding("Chromium", found, "pages of studies in a browser")


def postgresql_programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several; None without.

    A Debian package keeps them apart from those that are on the path.
    """
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda each: each.parent.name.zfill(9), reverse=True)
    wanted = ("initdb", "postgres")
    return next((f for f in folders if all(os.access(f / w, os.X_OK) for w in wanted)), None)


def _postgresql() -> Finding:
    folder = postgresql_programs()
    found = "" if folder is None else _version([str(folder / "postgres")])
    return Finding("PostgreSQL", found, "studies that processes share in PostgreSQL")


def _legion() -> Finding:
    """Of the interpreter that runs this; `make test` installs the wheel into ``.venv``."""
    found = "installed" if importlib.util.find_spec("legate") else ""
    wheel = sys.platform == "linux" and sysconfig.get_platform().endswith(("x86_64", "aarch64"))
    if not found and wheel:
        found = "to be installed into .venv (the wheel legate)"
    return Finding("Legion", found, "runs of the real Legion runtime")


def _version(command: list[str], option: str = "--version") -> str:
    """What a tool says of itself, in one line; empty where it is not here."""
    if not shutil.which(command[0]):
        return ""
    return next(iter((_run([*command, option]) or "of unknown version").splitlines()), "")


def _run(command: list[str], text: str = "") -> str | None:
    """What a command says; None where it fails or is not here."""
    try:
        done = subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


if __name__ == "__main__":
    sys.stdout.write(report(findings()) + "\n")
