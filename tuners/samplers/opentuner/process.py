"""The process that OpenTuner runs in: starting it, asking it, ending it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from dsl.scratch_folder import ScratchFolder
from tuners.errors import MissingPackageError, TunerError

__all__ = ["Asked", "OpenTunerDiedError", "OpenTunerProcess", "require_opentuner"]

CHILD = Path(__file__).with_name("child.py")

# Seconds that it has to end by itself once nobody asks any more.
ENDS_WITHIN = 5.0

# How much of what it said last an error repeats.
LAST_WORDS = 300


class OpenTunerDiedError(TunerError):
    """OpenTuner's process has ended, or answers nonsense."""


class Asked(NamedTuple):
    """A configuration that OpenTuner wants to be run."""

    number: int
    values: list[float]


def require_opentuner() -> None:
    """Raises at once where OpenTuner is missing.

    Raises:
        MissingPackageError: It is not installed.
    """
    if importlib.util.find_spec("opentuner") is None:
        raise MissingPackageError(
            "the tuner opentuner needs the package opentuner: pip install 'mappertune[opentuner]'"
        )


class OpenTunerProcess:
    """One tuning run in a process of its own.

    The process ends when this object is closed or forgotten, and with the process that holds it.

    Args:
        space: For each parameter the number of its choices, or a pair of bounds.
        seed: Equal seeds and equal results give equal configurations.
        technique: Name of an OpenTuner technique; empty for OpenTuner's own default, the bandit
            ensemble ``AUCBanditMetaTechniqueA``.

    Raises:
        OpenTunerDiedError: It does not start.
    """

    def __init__(self, space: Sequence[Any], seed: int, technique: str = "") -> None:
        self._folder = ScratchFolder("opentuner")
        self._errors = Path(self._folder.name) / "errors"
        with self._errors.open("wb") as errors:
            # -P: the script's folder holds this package's modules, which are none of its business.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder.name,
                env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"},
                text=True,
                encoding="utf-8",
            )
        self.close = weakref.finalize(self, _end, self._process, self._folder)
        self._exchange({"space": list(space), "seed": seed, "technique": technique})

    @property
    def number(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self) -> Asked | None:
        """The next configuration; None where OpenTuner has none.

        Raises:
            OpenTunerDiedError: The process has ended.
        """
        answer = self._exchange({"ask": True})
        return None if answer is None else Asked(answer["id"], answer["values"])

    def tell(self, number: int, time: float | None) -> None:
        """The result of a configuration that was asked for; None for a failure.

        Raises:
            OpenTunerDiedError: The process has ended.
        """
        self._exchange({"tell": number, "time": time})

    def inject(self, values: Sequence[float], time: float | None) -> None:
        """A result from elsewhere; None for a failure.

        Raises:
            OpenTunerDiedError: The process has ended.
        """
        self._exchange({"inject": list(values), "time": time})

    def _exchange(self, request: dict[str, Any]) -> Any:
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None  # noqa: S101  (both are pipes)
        assert writer is not None  # noqa: S101
        try:
            writer.write(json.dumps(request) + "\n")
            writer.flush()
            return json.loads(reader.readline())
        except (OSError, ValueError) as error:
            raise self._death() from error

    def _death(self) -> OpenTunerDiedError:
        try:
            code: int | str = self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            code = "none yet"
        words = "nothing"
        if self._errors.exists():
            words = self._errors.read_text("utf-8", "replace").strip()[-LAST_WORDS:] or "nothing"
        self.close()
        return OpenTunerDiedError(
            f"OpenTuner's process ended (exit code {code}); its last words: {words}"
        )


def _end(process: subprocess.Popen[str], folder: ScratchFolder) -> None:
    """Closes the pipes, which ends the process, and waits for it, so that no zombie stays."""
    for pipe in (process.stdin, process.stdout):
        _close(pipe)
    try:
        process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    folder.cleanup()


def _close(pipe: IO[str] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:  # what was not sent yet goes nowhere
        pass
