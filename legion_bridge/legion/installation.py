"""Where the Legion runtime is, and what it takes to compile for it and to run with it."""

from __future__ import annotations

import importlib.util
import mmap
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from legion_bridge.errors import LegionError
from legion_bridge.legion.cuda_driver import driver_version, stub_folder

__all__ = ["LegionInstallation", "find_legion"]

_MAIN_HEADER, _VERSION_HEADER = "legion.h", "legion_defines.h"
_NAMES = {  # of the libraries, the best first
    "legion": ("liblegion-legate.so.1", "liblegion.so", "liblegion-legate.so"),
    "realm": ("librealm-legate.so.25", "librealm.so", "librealm-legate.so"),
}


@dataclass(frozen=True)
class LegionInstallation:
    """A Legion runtime: headers, libraries, flags.

    Attributes:
        source: ``"LEGION_ROOT"`` or ``"legate wheel"``.
        root: Its folder.
        version: As its headers tell it, such as ``"legion-25.12.0-75-g7b770cff5-dirty"``.
        headers: Folders of headers.
        libraries: The shared libraries of Legion and Realm.
        uses_cuda: Whether it was built with CUDA.
        needs_cuda_stub: Whether it needs a CUDA driver and this machine has none.
    """

    source: str
    root: Path
    version: str
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]
    uses_cuda: bool
    needs_cuda_stub: bool

    @property
    def library_folders(self) -> tuple[Path, ...]:
        """Where its libraries lie, and where they really lie if those are links."""
        folders = [library.parent for library in self.libraries]
        folders += [library.resolve().parent for library in self.libraries]
        return tuple(dict.fromkeys(folders))

    @property
    def compile_flags(self) -> tuple[str, ...]:
        """What a C++ compiler must be told; the headers count as the system's: no warnings."""
        return ("-std=c++17", *(f"-isystem{folder}" for folder in self.headers))

    @property
    def link_flags(self) -> tuple[str, ...]:
        """What a linker must be told. The CUDA driver need not be there."""
        return (
            *(f"-L{folder}" for folder in self.library_folders),
            *(f"-l:{library.name}" for library in self.libraries),
            *(f"-Wl,-rpath,{folder}" for folder in self.library_folders),
            "-Wl,--allow-shlib-undefined",
            "-lpthread",
            "-ldl",
        )

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment to run a Legion program in.

        Args:
            base: What it is made from; by default that of this process.

        Returns:
            The base, with the libraries on ``LD_LIBRARY_PATH``, and with what stands in for the
            CUDA driver if there is none.

        Raises:
            LegionError: What stands in for the driver cannot be built.
        """
        variables = dict(os.environ if base is None else base)
        folders = [stub_folder()] if self.needs_cuda_stub else []
        path = [*map(str, (*folders, *self.library_folders))]
        if earlier := variables.get("LD_LIBRARY_PATH"):
            path += [folder for folder in earlier.split(":") if folder and folder not in path]
        return variables | {"LD_LIBRARY_PATH": ":".join(path)}


def find_legion() -> LegionInstallation:
    """Finds the Legion runtime: in ``$LEGION_ROOT`` if that is set, else in the legate wheel.

    Raises:
        LegionError: There is none, or ``$LEGION_ROOT`` holds none.

    Example::

        legion = find_legion()
        program = build_program([Path("stencil.cc")], "stencil", legion)
        subprocess.run([program], env=legion.environment(), timeout=60)
    """
    if named := os.environ.get("LEGION_ROOT"):
        return _named(Path(named))
    package = importlib.util.find_spec("legate")
    if package is None or not package.submodule_search_locations:
        raise LegionError(
            "there is no Legion runtime here: pip install 'mappertune[legion]' (Linux on x86-64 "
            "or ARM), or name an installation in the environment variable LEGION_ROOT"
        )
    return _wheel(Path(package.submodule_search_locations[0]))


def _named(root: Path) -> LegionInstallation:
    """An installation of Legion's own CMake build: ``include``, and ``lib`` or ``lib64``."""
    found = _libraries([root / "lib64", root / "lib", *_multiarch(root)])
    headers = root / "include"
    if found is None or not (headers / _MAIN_HEADER).is_file():
        raise LegionError(
            f"LEGION_ROOT is {root}, but there is no installed Legion with shared libraries: it "
            f"should hold include/{_MAIN_HEADER} and lib/liblegion.so; unset it to use the wheel"
        )
    return _described("LEGION_ROOT", root, (headers,), found)


def _multiarch(root: Path) -> list[Path]:
    return [lib for lib in (root / "lib").glob("*-linux-gnu*") if lib.is_dir()]


def _wheel(root: Path) -> LegionInstallation:
    headers = tuple(
        folder
        for folder in (root / "include/legate/deps", root / "include/rapids")
        if folder.is_dir()
    )
    found = _libraries([root / "lib64", root / "lib"])
    if found is None or not headers or not (headers[0] / _MAIN_HEADER).is_file():
        raise LegionError(
            f"the package legate in {root} holds no Legion runtime: mappertune knows that of "
            "legate 26.6.1; pip install 'mappertune[legion]'"
        )
    return _described("legate wheel", root, headers, found)


def _libraries(folders: list[Path]) -> tuple[Path, ...] | None:
    """Legion's library and Realm's; None unless both are there."""
    found = [
        next((f / name for name in names for f in folders if (f / name).is_file()), None)
        for names in _NAMES.values()
    ]
    libraries = tuple(library for library in found if library is not None)
    return libraries if len(libraries) == len(_NAMES) else None


def _described(
    source: str, root: Path, headers: tuple[Path, ...], libraries: tuple[Path, ...]
) -> LegionInstallation:
    needs_driver = any(_mentions(library, b"libcuda.so.1") for library in libraries)
    defines = _defines(headers[0])
    version = re.search(r'^#define LEGION_VERSION "(.*)"', defines, re.MULTILINE)
    return LegionInstallation(
        source=source,
        root=root,
        version=version[1] if version else "unknown",
        headers=headers,
        libraries=libraries,
        uses_cuda=re.search(r"^#define LEGION_USE_CUDA\b", defines, re.MULTILINE) is not None,
        needs_cuda_stub=needs_driver and driver_version() is None,
    )


def _defines(headers: Path) -> str:
    try:
        return (headers / _VERSION_HEADER).read_text("utf-8", "replace")
    except OSError:
        return ""


def _mentions(library: Path, name: bytes) -> bool:
    """Whether a library names another one, as it does where it is linked with it."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(name) >= 0
