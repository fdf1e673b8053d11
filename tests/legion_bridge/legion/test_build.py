"""Compiling for Legion: what depends on what, and what is said when it fails."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from legion_bridge import LegionError
from legion_bridge.legion import build_mapper, build_program, kept_mapper
from legion_bridge.legion.build import _mapper_recipe, _recipe
from legion_bridge.legion.compilers import compile_with, find_cxx, find_nvcc
from tests.legion_bridge.real_legion import legion_or_skip

MAPPER = Path(__file__).parents[3] / "legion_bridge/legion/mapper"


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_mapper_is_compiled_once() -> None:
    legion = legion_or_skip()
    library = build_mapper(legion)
    assert library.name == "libmappertune_mapper.so"
    made = library.stat().st_mtime_ns
    assert build_mapper(legion) == library == kept_mapper(legion)
    assert library.stat().st_mtime_ns == made


def test_the_mapper_is_compiled_strictly_as_one_unit() -> None:
    recipe = _mapper_recipe(legion_or_skip())
    (command,) = recipe.commands
    assert {"-Wall", "-Wextra", "-Werror", "-std=c++17"} <= set(command)
    included = (MAPPER / "mapper.cc").read_text()
    for source in MAPPER.glob("*.cc"):
        assert source.name == "mapper.cc" or f'#include "{source.name}"' in included
        assert len(source.read_text().splitlines()) < 450


def test_a_product_depends_on_all_that_it_is_made_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    legion = legion_or_skip()
    source, header = tmp_path / "a.cc", tmp_path / "a.h"
    source.write_text("int main() {}")
    header.write_text("")

    def digest(flags: tuple[str, ...] = ()) -> str:
        return _recipe("a", [source], legion, flags, also=[header]).digest

    digests = [digest(), digest(("-O3",))]
    header.write_text("// changed")
    digests.append(digest())
    source.write_text("int main() { return 1; }")
    digests.append(digest())
    digests.append(_recipe("a", [source], replace(legion, version="8"), ()).digest)
    wrapper = tmp_path / "c++"
    wrapper.write_text(f'#!/bin/sh\nexec {" ".join(find_cxx())} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", str(wrapper))
    digests.append(digest())
    assert len(set(digests)) == len(digests)
    assert digest() == digests[-1]


@pytest.mark.usefixtures("own_cache")
def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    source = tmp_path / "wrong.cc"
    source.write_text("int main() { return nothing; }")
    with pytest.raises(LegionError, match=r"(?s)fails: .*nothing.*not declared|undeclared"):
        build_program([source], "wrong", legion_or_skip())


def test_a_missing_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(LegionError, match=r"missing\.cc is to be compiled, but there is no such"):
        build_program([tmp_path / "missing.cc"], "missing", legion_or_skip())


def test_compilers_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(LegionError, match="cannot be started"):
        compile_with([str(tmp_path / "c++"), "--version"])
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LegionError, match=r"no C\+\+ compiler was found: install"):
        find_cxx()
    monkeypatch.delenv("NVCC", raising=False)
    monkeypatch.delenv("CUDA_HOME", raising=False)
    assert find_nvcc() is None


def test_a_compiler_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(LegionError, match=r"takes more than 0\.2 seconds"):
        compile_with(["sleep", "10"], timeout=0.2)


KERNEL = """\
__global__ void fill(double *values) { values[threadIdx.x] = 1; }
void launch(double *values) { fill<<<1, 32>>>(values); }
"""
MAIN = """\
#include <cstdio>
#ifdef MAPPERTUNE_CUDA
void launch(double *values);
void (*volatile kernel)(double *) = launch;
int main() { puts(kernel ? "with CUDA" : "?"); }
#else
int main() { puts("without CUDA"); }
#endif
"""


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("cuda", [True, False])
def test_cuda_sources_are_compiled_where_there_is_nvcc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cuda: bool
) -> None:
    legion = legion_or_skip()
    if cuda and find_nvcc() is None:
        pytest.skip("no CUDA compiler (nvcc)")
    if not cuda:
        monkeypatch.setattr("legion_bridge.legion.build.find_nvcc", lambda: None)
    sources = [tmp_path / "main.cc", tmp_path / "kernel.cu"]
    for source, text in zip(sources, (MAIN, KERNEL), strict=True):
        source.write_text(text)
    program = build_program(sources, "kernel", legion)
    done = subprocess.run(
        [program], env=legion.environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ("with CUDA\n" if cuda else "without CUDA\n")
