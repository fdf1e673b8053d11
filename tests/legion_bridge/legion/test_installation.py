"""Finding Legion: in the wheel, in LEGION_ROOT, or not at all."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from legion_bridge import LegionError
from legion_bridge.legion import build_program, find_legion, installation
from legion_bridge.legion.cuda_driver import stub_folder
from tests.legion_bridge.real_legion import legion_or_skip

from .probe_runs import run_policy


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the wheel and without LEGION_ROOT."""
    monkeypatch.delenv("LEGION_ROOT", raising=False)
    monkeypatch.setattr(installation.importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nowhere")
def test_no_legion_is_one_sentence_with_a_remedy() -> None:
    with pytest.raises(LegionError, match=r"no Legion runtime here: pip install 'mappertune\[le"):
        find_legion()


@pytest.mark.usefixtures("nowhere")
def test_a_root_without_legion_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    with pytest.raises(LegionError, match=r"LEGION_ROOT is .*it should hold include/legion\.h"):
        find_legion()
    (tmp_path / "include").mkdir()
    (tmp_path / "include/legion.h").write_text("")
    with pytest.raises(LegionError, match="LEGION_ROOT is"):
        find_legion()


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("libraries", ["lib", "lib64", "lib/x86_64-linux-gnu"])
def test_a_root_is_laid_out_as_cmake_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, libraries: str
) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include/legion.h").write_text("")
    (tmp_path / "include/legion_defines.h").write_text('#define LEGION_VERSION "legion-7.8"\n')
    (tmp_path / libraries).mkdir(parents=True)
    for name in ("liblegion.so", "librealm.so"):
        (tmp_path / libraries / name).write_bytes(b"\x7fELF")
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    legion = find_legion()
    assert (legion.source, legion.version) == ("LEGION_ROOT", "legion-7.8")
    assert not legion.uses_cuda
    assert not legion.needs_cuda_stub
    assert f"-isystem{tmp_path / 'include'}" in legion.compile_flags
    assert f"-L{tmp_path / libraries}" in legion.link_flags
    path = legion.environment({"LD_LIBRARY_PATH": "/a:/b", "HOME": "/h"})
    assert path == {"LD_LIBRARY_PATH": f"{tmp_path / libraries}:/a:/b", "HOME": "/h"}


def test_a_wheel_without_the_runtime_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "legate").mkdir()
    (tmp_path / "legate/__init__.py").write_text("")
    monkeypatch.delenv("LEGION_ROOT", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(LegionError, match="holds no Legion runtime"):
        find_legion()


def test_legion_is_found_without_importing_legate() -> None:
    legion_or_skip()
    code = (
        "import sys; from legion_bridge.legion import find_legion; print(find_legion().version);"
        "assert 'legate' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.startswith("legion-")


def test_programs_run_with_an_installation_of_one_s_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wheel's files, laid out as CMake installs them, are such an installation."""
    wheel = legion_or_skip()
    (tmp_path / "lib").mkdir()
    (tmp_path / "include").symlink_to(wheel.headers[0])
    for library, name in zip(wheel.libraries, ("liblegion.so", "librealm.so"), strict=True):
        (tmp_path / "lib" / name).symlink_to(library)
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    legion = find_legion()
    assert legion.source == "LEGION_ROOT"
    assert legion.version == wheel.version
    assert legion.needs_cuda_stub == wheel.needs_cuda_stub
    source = tmp_path / "version.cc"
    source.write_text(
        '#include <cstdio>\n#include "legion.h"\n'
        "int main() { puts(Legion::Runtime::get_legion_version()); }\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = build_program([source], "version", legion)
    done = subprocess.run(
        [program], env=legion.environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{wheel.version}\n"


def test_the_stub_stands_in_for_a_driver() -> None:
    stub = ctypes.CDLL(str(stub_folder() / "libcuda.so.1"))
    assert stub.mappertune_cuda_stub
    assert stub.cuInit(0) == 100
    version = ctypes.c_int()
    assert stub.cuDriverGetVersion(ctypes.byref(version)) == 0
    assert version.value == 13000
    for function in ("cuGetErrorName", "cuGetErrorString"):
        text, found = ctypes.c_char_p(), ctypes.c_void_p()
        assert getattr(stub, function)(100, ctypes.byref(text)) == 0
        assert text.value
        status = ctypes.c_int(1)
        asked = (ctypes.byref(found), 13000, ctypes.c_ulonglong(0), ctypes.byref(status))
        assert stub.cuGetProcAddress_v2(function.encode(), *asked) == 0
        assert found.value == ctypes.cast(getattr(stub, function), ctypes.c_void_p).value
    found = ctypes.c_void_p()
    assert stub.cuGetProcAddress(b"cuAnything", ctypes.byref(found), 1, ctypes.c_ulonglong(0)) == 0
    assert found.value, "Realm insists on a pointer for every name"


def test_the_stub_is_on_the_path_only_where_there_is_no_driver() -> None:
    legion = legion_or_skip()
    path = legion.environment({})["LD_LIBRARY_PATH"].split(os.pathsep)
    assert (str(stub_folder()) in path) == legion.needs_cuda_stub
    assert str(legion.libraries[0].parent) in path


def test_legion_starts() -> None:
    run = run_policy(None)
    assert run.code == 0, run.errors
    assert run.said("CHECKSUM")
