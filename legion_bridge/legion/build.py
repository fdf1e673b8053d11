"""Compiles the mapper, and Legion programs, once, with the user's compiler."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from legion_bridge.cache import digest_of, find_kept, kept
from legion_bridge.errors import LegionError
from legion_bridge.legion.compilers import compile_with, compiler_version, find_cxx, find_nvcc
from legion_bridge.legion.cuda_driver import gpu_count
from legion_bridge.legion.installation import LegionInstallation

__all__ = ["build_mapper", "build_program", "build_recorder", "kept_mapper"]

_MAPPER = Path(__file__).with_name("mapper")
_RECORDER = Path(__file__).with_name("recorder") / "recorder.cc"
_ABI = Path(__file__).parents[2] / "dsl/c_output"  # of mapper_abi.h
_STRICT = ("-Wall", "-Wextra", "-Werror")
_CXX_FLAGS = ("-O2", "-fPIC")
# For the GPUs that are here; where none is, code that the driver compiles further for any.
_NVCC_FLAGS = ("-O2", "-std=c++17", "-Xcompiler", "-fPIC", "-DMAPPERTUNE_CUDA")


def build_mapper(installation: LegionInstallation) -> Path:
    """The mapper library, which is preloaded into Legion programs, compiled once.

    Returns:
        The path of ``libmappertune_mapper.so``.

    Raises:
        LegionError: There is no C++ compiler, or it fails.
    """
    return _mapper_recipe(installation).product()


def kept_mapper(installation: LegionInstallation) -> Path | None:
    """The mapper library, if it was compiled before.

    Raises:
        LegionError: There is no C++ compiler.
    """
    recipe = _mapper_recipe(installation)
    return find_kept(recipe.name, recipe.digest)


def build_recorder(installation: LegionInstallation) -> Path:
    """The library that makes a program's mapper log its decisions, compiled once.

    Returns:
        The path of ``libmappertune_recorder.so``, to be preloaded; with ``-level mapper=2`` the
        decisions are in Legion's log, as ``legion_bridge.capture.mapper_log`` reads it.

    Raises:
        LegionError: There is no C++ compiler, or it fails.
    """
    name = "libmappertune_recorder.so"
    return _recipe(name, [_RECORDER], installation, _STRICT, link=("-shared",)).product()


def build_program(
    sources: Sequence[Path],
    name: str,
    installation: LegionInstallation,
    flags: Sequence[str] = (),
) -> Path:
    """A Legion program, compiled once.

    Args:
        sources: C++ files, and CUDA files (``.cu``). Where there is no nvcc the latter are left
            out; where there is one, all files are compiled with ``MAPPERTUNE_CUDA`` defined.
            A change of a header (``.h``, ``.inl``, ``.cuh``) beside them counts as a change of
            theirs.
        name: What to call the program.
        installation: The Legion to compile for.
        flags: Further flags of the C++ compiler, such as ``-march=native``.

    Returns:
        The path of the program; run it with the installation's `environment`.

    Raises:
        LegionError: There is no C++ compiler, a compiler fails, or a source is not there.
    """
    for source in sources:
        if not source.is_file():
            raise LegionError(f"{source} is to be compiled, but there is no such file")
    beside = {
        header
        for folder in {source.parent for source in sources}
        for header in (*folder.glob("*.h"), *folder.glob("*.inl"), *folder.glob("*.cuh"))
    }
    strict = (*_STRICT, *flags)
    return _recipe(name, list(sources), installation, strict, also=sorted(beside)).product()


@dataclass(frozen=True)
class _Recipe:
    """How something is compiled, and the digest of all that it is made from."""

    name: str
    digest: str
    commands: tuple[tuple[str, ...], ...]  # one for each source, without the place of the result
    linker: tuple[str, ...]
    libraries: tuple[str, ...]

    def product(self) -> Path:
        return kept(self.name, self.digest, self._make)

    def _make(self, draft: Path) -> None:
        """Compiles each source, several at a time, and links what came of it."""
        with tempfile.TemporaryDirectory(dir=draft.parent) as folder:
            objects = [str(Path(folder) / f"{i}.o") for i in range(len(self.commands))]

            def one(i: int) -> None:
                compile_with([*self.commands[i], "-o", objects[i]])

            with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as workers:
                list(workers.map(one, range(len(self.commands))))
            # The flags that name libraries stand behind what needs them.
            compile_with([*self.linker, "-o", str(draft), *objects, *self.libraries])


def _mapper_recipe(installation: LegionInstallation) -> _Recipe:
    # One unit: Legion's headers take longer than all of the mapper.
    return _recipe(
        "libmappertune_mapper.so",
        [_MAPPER / "mapper.cc"],
        installation,
        (*_STRICT, f"-I{_ABI}"),
        link=("-shared",),
        also=[*sorted(_MAPPER.iterdir()), _ABI / "mapper_abi.h"],
    )


def _recipe(
    name: str,
    sources: list[Path],
    installation: LegionInstallation,
    flags: Sequence[str],
    *,
    link: Sequence[str] = (),
    also: Sequence[Path] = (),
) -> _Recipe:
    """A recipe; what comes of it depends on the files ``also``, too."""
    cxx = find_cxx()
    nvcc = find_nvcc() if any(source.suffix == ".cu" for source in sources) else None
    commands = [_compile_command(s, cxx, nvcc, installation, flags) for s in sources]
    commands = [command for command in commands if command]
    linker, libraries = [*cxx, *link], [*installation.link_flags, *_cuda_runtime(nvcc)]
    digest = digest_of(
        installation.version,
        *(f"{library} {library.stat().st_mtime_ns}" for library in installation.libraries),
        compiler_version(cxx),
        compiler_version(nvcc) if nvcc else "",
        *(word for command in (*commands, linker, libraries) for word in command),
        *(path.read_bytes() for path in (*sources, *also) if path.is_file()),
    )
    return _Recipe(name, digest, tuple(map(tuple, commands)), tuple(linker), tuple(libraries))


def _compile_command(
    source: Path,
    cxx: list[str],
    nvcc: list[str] | None,
    installation: LegionInstallation,
    flags: Sequence[str],
) -> list[str]:
    """How one source is compiled; nothing where it cannot be, or need not."""
    if source.suffix == ".cu":
        if nvcc is None:
            return []
        native = ("-arch=native",) if gpu_count() else ()
        headers = [f"-isystem={folder}" for folder in installation.headers]
        return [*nvcc, *_NVCC_FLAGS, *native, *headers, "-ccbin", cxx[0], "-c", str(source)]
    cuda = ("-DMAPPERTUNE_CUDA",) if nvcc else ()
    return [*cxx, *_CXX_FLAGS, *installation.compile_flags, *cuda, *flags, "-c", str(source)]


def _cuda_runtime(nvcc: Sequence[str] | None) -> list[str]:
    """How a program is linked with the CUDA runtime: statically, so that none need be there."""
    if not nvcc:
        return []
    # The compiler may be a script somewhere else: only it knows where its libraries are.
    said = compile_with([*nvcc, "--dryrun", "-x", "cu", "-c", os.devnull, "-o", os.devnull])
    found = re.search(r"^#\$ LIBRARIES=(.*)$", said, re.MULTILINE)
    folders = shlex.split(found[1]) if found else []
    return [*folders, "-lcudart_static", "-lrt"]
