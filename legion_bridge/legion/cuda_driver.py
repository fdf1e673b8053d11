"""The CUDA driver, which the Legion of the legate wheel is linked with, or what stands in for it.

Where a driver is installed nothing is done. Where none is, a library that knows of no GPU takes
its place (``cuda_stub.c``); only then, because it would hide the GPUs from the program.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from dsl import MapperError
from dsl.c_output.compiled_policy import find_compiler
from legion_bridge.cache import digest_of, kept
from legion_bridge.errors import LegionError
from legion_bridge.legion.compilers import compile_with, compiler_version

__all__ = ["driver_version", "gpu_count", "stub_folder"]

_DRIVER = "libcuda.so.1"
_FLAGS = ("-std=c11", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
# The loader itself decides whether there is a driver; in a process of its own, because a driver
# once loaded stays.
_QUESTION = f"""
import ctypes
driver = ctypes.CDLL({_DRIVER!r})
version, gpus = ctypes.c_int(), ctypes.c_int()
if not hasattr(driver, "mappertune_cuda_stub"):
    driver.cuDriverGetVersion(ctypes.byref(version))
    if driver.cuInit(0) == 0:
        driver.cuDeviceGetCount(ctypes.byref(gpus))
    print(version.value, gpus.value)
"""


@cache
def _driver() -> tuple[int, int] | None:
    """Version of the driver, as 1000 times the major one and so on, and number of GPUs."""
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", _QUESTION],
            capture_output=True,
            text=True,
            check=False,
            timeout=60.0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = asked.stdout.split()
    if asked.returncode or len(numbers) != 2:
        return None
    return int(numbers[0]), int(numbers[1])


def driver_version() -> str | None:
    """The newest CUDA that the installed driver knows, such as ``"13.0"``; None without driver."""
    found = _driver()
    return f"{found[0] // 1000}.{found[0] % 1000 // 10}" if found else None


def gpu_count() -> int:
    """How many GPUs the driver has; 0 without driver."""
    found = _driver()
    return found[1] if found else 0


def stub_folder() -> Path:
    """The folder of the library that stands in for the driver, compiled once.

    Raises:
        LegionError: There is no C compiler.
    """
    source = Path(__file__).with_name("cuda_stub.c")
    try:
        compiler = find_compiler()
    except MapperError as error:
        raise LegionError(
            "there is no CUDA driver, and no C compiler to build what stands in for it: install "
            "gcc or clang, or name one in the environment variable CC"
        ) from error

    def build(draft: Path) -> None:
        soname = f"-Wl,-soname,{_DRIVER}"
        compile_with([*compiler, *_FLAGS, soname, "-o", str(draft), str(source)])

    digest = digest_of(source.read_bytes(), *compiler, compiler_version(compiler), *_FLAGS)
    return kept(_DRIVER, digest, build).parent
