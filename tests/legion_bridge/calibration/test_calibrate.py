"""Machine files of this machine: every number has a source, with the real runtime and without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from legion_bridge import LegionError, Machine
from legion_bridge.calibration import Calibration, calibrate
from legion_bridge.calibration.figure import guess, measured
from legion_bridge.legion import find_legion

SOURCES = ("measured, median of ", "told", "guess: ")


def check(found: Calibration, folder: Path) -> Machine:
    """The file reads back as a machine, and says of every number where it is from."""
    path = folder / "here.toml"
    path.write_text(found.text, "utf-8")
    machine = Machine.load(path)
    assert machine.source == found.text
    numbers = re.findall(r"^(\w+) = [-\d.e+]+( *# *(.*))?$", found.text, re.MULTILINE)
    assert len(numbers) > 30
    for name, _, source in numbers:
        assert name in {"schema", "nodes"} or source.startswith(SOURCES), name
    return machine


def test_without_a_runtime_the_rest_is_called_a_guess(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEGION_ROOT", str(tmp_path))
    found = calibrate(1)
    machine = check(found, tmp_path)
    assert "LEGION_ROOT" in found.without_runtime
    assert machine.shape.count("CPU") >= 1
    for name in ("bandwidth", "fp32", "fp64"):
        assert found.figures[name].source.startswith("measured")
        assert found.figures[name].value > 1e8
    for name in ("point", "copy", "strided"):
        assert found.figures[name].is_guess
        assert "LEGION_ROOT" in found.figures[name].source


def test_without_a_compiler_the_rest_is_called_a_guess(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/c++")
    found = calibrate(1)
    check(found, tmp_path)
    assert found.without_runtime
    assert found.figures["launch"].is_guess


def test_the_real_runtime_is_measured(tmp_path: Path) -> None:
    try:
        find_legion()
    except LegionError as error:
        pytest.skip(f"no Legion runtime: {error}")
    found = calibrate(1)
    machine = check(found, tmp_path)
    assert found.without_runtime == ""
    assert not found.figures["copy"].is_guess
    assert machine.processors["CPU"].strided > 0
    assert machine.whole_region_instances


def test_figures_tell_their_rounds() -> None:
    found = measured([1.0, 3.0, 2.0], "copies", of=lambda seconds: 6 / seconds)
    assert found.value == 3.0
    assert found.source.startswith("measured, median of 3, spread ")
    assert not found.is_guess
    assert measured([1.0], "copies").source == "measured, median of 1: copies"
    assert measured([1e-9, 1.0, 1e-9], "x").source == "measured, median of 3, mostly noise: x"
    assert guess(2.0, "why").is_guess
