"""What tests of real runs share: the runtime, or a reason to skip, and our own programs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from legion_bridge import LegionError
from legion_bridge.legion import LegionInstallation, build_program, find_legion
from legion_bridge.legion.compilers import find_cxx

PROGRAMS = Path(__file__).parents[2] / "legion_bridge/legion/programs"
RUNTIME = ["-ll:util", "0", "-lg:safe_mapper", "1", "-logfile", "stderr"]
RUNTIME += ["-level", "gpu=6,threads=6"]


@cache
def legion_or_skip() -> LegionInstallation:
    """The runtime; skips the test where there is none."""
    try:
        legion = find_legion()
        find_cxx()  # its programs are compiled
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    return legion


@cache
def our_program(name: str, *, gpu: bool = False) -> Path:
    """A program of ``legion_bridge/legion/programs``, compiled; with CUDA variants if asked."""
    sources = sorted((PROGRAMS / name).glob("*.c*" if gpu else "*.cc"))
    return build_program(sources, name, legion_or_skip())
