"""Fetches Legion programs that others wrote, and compiles them for the processors of the CPU.

    python -m tests.field.build SOURCES BED [--only NAME,...]

A source that lies in SOURCES already, as ``SOURCES/legion``, is taken as it is; else git fetches
the commit of the table. One program is compiled at a time. What does not compile is told, and the
exit code is 1; what was compiled before is not compiled again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from legion_bridge import LegionError
from legion_bridge.legion import LegionInstallation, find_legion
from legion_bridge.legion.compilers import compile_with, find_cxx

from .table import HERE, Build, Source, read_table

__all__ = ["compile_command", "main"]

_SUFFIXES = (".c", ".cc")
# The wheel is built with CUDA and its headers say so; programs would ask for their GPU variants.
_HEADS = '#ifdef __cplusplus\n#include "legion.h"\n#undef LEGION_USE_CUDA\n#endif\n'


def main(words: Sequence[str] | None = None) -> int:
    """Builds what is not built; the exit code is 1 where something cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tests.field.build")
    parser.add_argument("sources", type=Path, help="where repositories lie or are fetched to")
    parser.add_argument("bed", type=Path, help="where the programs go")
    parser.add_argument("--table", type=Path, default=HERE / "programs.toml")
    parser.add_argument("--only", metavar="NAME,...", help="these binaries (default: all)")
    given = parser.parse_args(words)
    table = read_table(given.table)
    wanted = given.only.split(",") if given.only else list(table.builds)
    if unknown := [name for name in wanted if name not in table.builds]:
        raise SystemExit(f"{given.table} builds no {', '.join(unknown)}")
    legion, failed = find_legion(), 0
    given.bed.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        build, product = table.builds[name], given.bed / name
        if product.exists():
            continue
        folder = _fetched(table.sources[build.source], given.sources / build.source)
        try:
            _compile(build, folder / build.folder, product, legion)
            sys.stdout.write(f"{name}: built\n")
        except LegionError as error:
            failed += 1
            sys.stdout.write(f"{name}: not built: {error}\n")
    return int(failed > 0)


def compile_command(
    build: Build, files: Sequence[str], headers: Path, legion: LegionInstallation
) -> list[str]:
    """How a binary is compiled, within the folder of its files, but for its name."""
    mappers = [f"-I{folder / 'mappers'}" for folder in legion.headers]
    c_files = [word for f in files if f.endswith(".c") for word in ("-x", "c", f, "-x", "none")]
    head = ["-include", str(headers / "cpu_only.h")]
    return [
        *find_cxx(),
        "-O1",
        "-w",
        *legion.compile_flags,
        f"-I{headers}",
        "-I.",
        *mappers,
        *build.flags,
        *head,
        *(f for f in files if not f.endswith(".c")),
        *c_files,
        *legion.link_flags,
    ]


def _compile(build: Build, folder: Path, product: Path, legion: LegionInstallation) -> None:
    headers = product.parent.resolve() / "headers" / product.name
    for header in build.empty:
        path = headers / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    headers.mkdir(parents=True, exist_ok=True)
    (headers / "cpu_only.h").write_text(_HEADS, "utf-8")
    files = build.files or sorted(f.name for f in folder.glob("*.c*") if f.suffix in _SUFFIXES)
    draft = product.resolve().with_suffix(".draft")
    command = compile_command(build, files, headers, legion)
    compile_with([*command, "-o", str(draft)], cwd=folder)
    draft.replace(product)


def _fetched(source: Source, folder: Path) -> Path:
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    for words in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth", "1", source.url, source.commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        done = subprocess.run(["git", "-C", str(folder), *words], check=False)
        if done.returncode:
            raise SystemExit(
                f"{source.url} cannot be fetched: put its commit {source.commit} into {folder}"
            )
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
