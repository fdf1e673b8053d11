"""Compiling many mappers at once, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dsl
from dsl.c_output.compiled_policy import compile_policy

__all__ = ["SANITIZE", "STRICT", "build_driver", "compile_all", "sanitizing_compiler"]

STRICT = ("-O0", "-Wall", "-Wextra", "-Werror")
SANITIZE = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_all(
    texts: Iterable[str],
    folder: Path,
    *,
    flags: tuple[str, ...] = STRICT,
    compiler: list[str] | None = None,
) -> dict[str, Path]:
    """Shared objects by mapper text; those that do not parse are left out."""

    def compiled(job: tuple[int, dsl.Program]) -> tuple[str, Path]:
        number, program = job
        target = folder / f"{number}.so"
        compile_policy(dsl.emit_c(program), target, flags=flags, compiler=compiler)
        return program.source, target

    programs = []
    for text in dict.fromkeys(texts):
        try:
            programs.append(dsl.parse(text))
        except dsl.MapperSyntaxError:
            continue
    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(compiled, enumerate(programs)))


def sanitizing_compiler() -> list[str] | None:
    """A compiler that builds with sanitizers: ``$CC``, or clang, which is faster at it, or gcc."""
    chosen = os.environ.get("CC", "").split()
    for compiler in [chosen] if chosen else [["clang"], ["gcc"], ["cc"]]:
        if shutil.which(compiler[0]) and _sanitizes(compiler):
            return compiler
    return None


def _sanitizes(compiler: list[str]) -> bool:
    command = [*compiler, *SANITIZE, "-x", "c", "-", "-o", "/dev/null"]
    done = subprocess.run(
        command, input="int main(void) { return 0; }", capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def build_driver(compiler: list[str], folder: Path) -> Path:
    """The program that asks compiled mappers, built with sanitizers."""
    here = Path(__file__).parent
    target = folder / "policy_driver"
    header = here.parents[2] / "dsl" / "c_output"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", *SANITIZE, f"-I{header}"]
    source = str(here / "policy_driver.c")
    subprocess.run([*compiler, *flags, source, "-o", str(target), "-ldl"], check=True)
    return target
