"""``mappertune doctor``: what was found here, and what to do about what was not."""

from __future__ import annotations

import argparse
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

from studies.cli.console import columns, print_json, say
from studies.versions import version_of

__all__ = ["Finding", "examine", "run"]

_LEGION = "real Legion programs"
_SIMULATOR = "simulator"

# By whether real programs can be run here, and whether runs can be simulated.
_VERDICTS = {
    (True, True): "real Legion programs can be run and tuned here",
    (True, False): "real Legion programs can be run and tuned here; nothing can be simulated",
    (False, True): "real Legion programs cannot be run here; everything else works",
    (False, False): "real Legion programs cannot be run here, and nothing can be simulated",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: What it is.
        found: Whether it is there.
        detail: Which one, or where; or why it is not there.
        needed: Whether real Legion programs cannot be run without it.
        cost: What does not work without it.
        remedy: How to get it.
    """

    name: str
    found: bool
    detail: str
    needed: bool = False
    cost: str = ""
    remedy: str = ""

    @property
    def mark(self) -> str:
        """``ok``, ``--`` for what one may miss, ``no`` for what stops real or simulated runs."""
        return "ok" if self.found else "no" if self.needed or self.name == _SIMULATOR else "--"


def run(arguments: argparse.Namespace) -> int:
    """Prints what was found; the exit code is 1 where runs can be neither had nor simulated.

    It is 1 where either of the two is impossible: of real Legion programs, or simulated ones.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the cache: it is one of the findings
        findings = list(examine(build=arguments.build))
    real = all(finding.found for finding in findings if finding.needed)
    simulated = all(finding.found for finding in findings if finding.name == _SIMULATOR)
    code = 0 if real and simulated else 1
    if arguments.json:
        rows = [asdict(finding) for finding in findings]
        print_json({"real_runs": real, "simulated_runs": simulated, "findings": rows})
        return code
    columns([(f"{f.mark}  {f.name}", f.detail) for f in findings], indent="")
    missing = [finding for finding in findings if not finding.found]
    if missing:
        say("\nwhat is missing:")
    for finding in missing:
        say(f"  {finding.name}: without it, no {finding.cost}; {finding.remedy}")
    say(f"\n{_VERDICTS[real, simulated]}")
    return code


def examine(*, build: bool = False) -> Iterator[Finding]:
    """Looks for everything that mappertune can use.

    Args:
        build: Whether to compile the mapper library now if it is not there yet.
    """
    yield _python()
    yield from _packages()
    yield _kernel()
    yield _cache()
    yield _c_compiler()
    yield _cxx_compiler()
    yield _legion()
    yield _driver()
    yield _nvcc()
    yield _gpu()
    yield _mapper(build=build)


def _python() -> Finding:
    detail = f"{platform.python_version()} ({sys.executable}), {platform.system()} "
    return Finding("Python", found=True, detail=detail + platform.machine())


def _packages() -> Iterator[Finding]:
    """The distribution's own requirements: one line for what it needs, one for each extra."""
    try:
        requirements = metadata.requires("mappertune") or []
    except metadata.PackageNotFoundError:
        requirements = []
    extras: dict[str, list[str]] = {}
    for requirement in requirements:
        named = re.match(r"[\w.-]+", requirement)
        asked = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        of_developers = asked is not None and asked[1] in {"dev", "test"}
        if named and not of_developers:
            extras.setdefault(asked[1] if asked else "", []).append(named[0])
    yield Finding("mappertune", found=True, detail=version_of("mappertune"))
    for extra, packages in extras.items():
        versions = {package: version_of(package) for package in packages}
        absent = [package for package, found in versions.items() if found == "not installed"]
        yield Finding(
            f"packages of [{extra}]" if extra else "packages",
            found=not absent,
            detail=", ".join(f"{package} {found}" for package, found in versions.items()),
            cost=f"use of {', '.join(absent)}",
            remedy=f"pip install 'mappertune[{extra}]'" if extra else "pip install mappertune",
        )


def _kernel() -> Finding:
    from legion_bridge.simulation.kernel_library import simulator_missing

    why = simulator_missing()
    said, _, remedy = (why or "compiled").partition(": ")
    return Finding(
        _SIMULATOR, found=why is None, detail=said, cost="simulated runs", remedy=remedy
    )


def _cache() -> Finding:
    from legion_bridge.legion import cache_folder

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        folder = cache_folder()
    return Finding(
        "cache folder",
        found=not said,
        detail=str(said[0].message) if said else str(folder),
        cost="compiled mapper that is kept for the next time",
        remedy="set XDG_CACHE_HOME to a folder that can be written",
    )


def _or_missing(look: Callable[[], str]) -> tuple[bool, str]:
    """Whether a thing is there and what it says of itself, or why it is not there."""
    from dsl import MapperError, MappertuneError

    try:
        return True, look()
    except MapperError as error:
        return False, error.sentence.split("\n")[0]
    except MappertuneError as error:
        return False, str(error).split("\n")[0]


def _c_compiler() -> Finding:
    from dsl.c_output.compiled_policy import find_compiler
    from legion_bridge.legion.compilers import compiler_version

    found, detail = _or_missing(lambda: compiler_version(find_compiler()))
    return Finding(
        "C compiler",
        found=found,
        detail=detail,
        needed=True,
        cost=_LEGION,
        remedy="install gcc or clang, or name one in CC",
    )


def _cxx_compiler() -> Finding:
    from legion_bridge.legion.compilers import compiler_version, find_cxx

    found, detail = _or_missing(lambda: compiler_version(find_cxx()))
    return Finding(
        "C++ compiler",
        found=found,
        detail=detail,
        needed=True,
        cost=_LEGION,
        remedy="install g++ or clang++, or name one in CXX",
    )


def _legion() -> Finding:
    from legion_bridge.legion import find_legion

    def look() -> str:
        legion = find_legion()
        return f"{legion.version} ({legion.source}, {legion.root})"

    found, detail = _or_missing(look)
    return Finding(
        "Legion runtime",
        found=found,
        detail=detail,
        needed=True,
        cost=_LEGION,
        remedy="pip install 'mappertune[legion]', or make legion, or set LEGION_ROOT",
    )


def _driver() -> Finding:
    from legion_bridge.legion import cuda_driver

    version = cuda_driver.driver_version()
    return Finding(
        "CUDA driver",
        found=version is not None,
        detail=f"for CUDA {version}" if version else "none; a stub stands in for it",
        cost="runs on GPUs",
        remedy="install the driver where there is a GPU",
    )


def _nvcc() -> Finding:
    from legion_bridge.legion.compilers import compiler_version, find_nvcc

    nvcc = find_nvcc()
    found, detail = _or_missing(lambda: compiler_version(nvcc)) if nvcc else (False, "none")
    return Finding(
        "CUDA compiler",
        found=found,
        detail=detail,
        cost="variants of tasks for GPUs",
        remedy="install the CUDA toolkit, or name its nvcc in NVCC",
    )


def _gpu() -> Finding:
    from legion_bridge.legion import cuda_driver

    count = cuda_driver.gpu_count()
    return Finding(
        "GPU",
        found=count > 0,
        detail=str(count) if count else "none",
        cost="runs on GPUs",
        remedy="none is needed for runs on CPUs",
    )


def _mapper(*, build: bool) -> Finding:
    from legion_bridge.legion import build_mapper, find_legion, kept_mapper

    def look() -> str:
        legion = find_legion()
        product = build_mapper(legion) if build else kept_mapper(legion)
        return str(product) if product else "not compiled yet: the first run does it, in 10 s"

    found, detail = _or_missing(look)
    return Finding(
        "mapper library",
        found=found,
        detail=detail,
        needed=True,
        cost=_LEGION,
        remedy="mend what is missing above" if not build else "see the compiler's words above",
    )
