"""``mappertune calibrate``: measures this machine, and writes its machine file."""

from __future__ import annotations

import argparse
from pathlib import Path

from studies.cli.console import print_json, say, warn
from studies.errors import StorageError, UsageError
from studies.files import ensure_writable, why

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Measures, writes the file, and says what is in it."""
    from legion_bridge.calibration import calibrate
    from legion_bridge.machines.local_machine import local_machine_file

    path = Path(arguments.write) if arguments.write else local_machine_file()
    _check(path, force=arguments.force)
    ensure_writable(path)
    found = calibrate(arguments.seconds)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found.text, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {path}: {why(error)}") from error
    guesses = sorted(name for name, figure in found.figures.items() if figure.is_guess)
    if arguments.json:
        figures = {
            name: {"value": figure.value, "source": figure.source}
            for name, figure in found.figures.items()
        }
        print_json(
            {"path": str(path), "figures": figures, "without_runtime": found.without_runtime}
        )
        return 0
    if found.without_runtime:
        warn(f"the real runtime was not measured: {found.without_runtime}")
    say(f"wrote {path}: {len(found.figures) - len(guesses)} numbers measured or told, ")
    say(f"{len(guesses)} guessed ({', '.join(guesses)})")
    name = "here" if path == local_machine_file() else str(path)
    say(f"--machine {name} takes it; mappertune show {path} prints it")
    return 0


def _check(path: Path, *, force: bool) -> None:
    if path.suffix != ".toml":
        raise UsageError(f"{path}: the name of a machine file must end in .toml")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already: add --force to measure again and replace it")
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder: give another path with --write")
