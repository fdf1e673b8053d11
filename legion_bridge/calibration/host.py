"""What this machine does without the Legion runtime: streams and arithmetic, with numpy."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from legion_bridge.calibration.figure import Figure, guess, measured

__all__ = [
    "cache_bytes",
    "cores",
    "line_bytes",
    "memory_bytes",
    "near_bytes",
    "numpy_rates",
    "processor_name",
]

_CACHE = Path("/sys/devices/system/cpu/cpu0/cache")
_WORDS = 4_000_000  # of an array that no cache holds
_TIMES = 2000


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def processor_name() -> str:
    """What the processor calls itself; empty where nothing tells."""
    try:
        found = re.search(
            r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE
        )
    except OSError:
        return ""
    return found[1].strip() if found else ""


def cache_bytes() -> Figure:
    """The last cache, shared out over the cores here."""
    sizes = [_read(level / "size") for level in sorted(_CACHE.glob("index*"))]
    last = next((size for size in reversed(sizes) if size), "")
    if found := re.fullmatch(r"(\d+)([KM])", last):
        size = int(found[1]) << (10 if found[2] == "K" else 20)
        return Figure(size / cores(), "told by the kernel: the last cache, over the cores here")
    return guess(4 << 20, "the kernel does not tell the caches")


def memory_bytes() -> int:
    """Of all memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def line_bytes() -> Figure:
    """A cache line."""
    told = _read(_CACHE / "index0" / "coherency_line_size")
    if told.isdigit():
        return Figure(int(told), "told by the kernel")
    return guess(64, "the kernel does not tell the caches")


def near_bytes() -> Figure:
    """The second cache, which a core has to itself."""
    for level in sorted(_CACHE.glob("index*")):
        found = re.fullmatch(r"(\d+)([KM])", _read(level / "size"))
        if found and _read(level / "level") == "2":
            size = int(found[1]) << (10 if found[2] == "K" else 20)
            return Figure(size, "told by the kernel: the second cache")
    return guess(1 << 20, "the kernel does not tell the caches")


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""


def numpy_rates(rounds: int) -> dict[str, Figure]:
    """Of one core the ``bandwidth`` of a stream, and rates of arithmetic."""
    found: dict[str, list[float]] = {}
    data = np.zeros(_WORDS)
    small: dict[str, NDArray[np.floating]] = {
        "fp32": np.ones(4096, np.float32),
        "fp64": np.ones(4096),
    }
    for _ in range(rounds):
        seconds = _timed(lambda: np.add(data, 1.0, out=data))
        found.setdefault("bandwidth", []).append(2 * data.nbytes / seconds)
        for rate, values in small.items():
            seconds = _timed(partial(_multiply, values))
            found.setdefault(rate, []).append(_TIMES * values.size / seconds)
    return {name: measured(values, "numpy, one thread") for name, values in found.items()}


def _multiply(values: NDArray[np.floating]) -> None:
    for _ in range(_TIMES):
        np.multiply(values, 0.5, out=values)


def _timed(action: Callable[[], object]) -> float:
    action()
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
