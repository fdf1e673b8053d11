"""The house stands: one-way imports, explicit exports, tests beside what they test."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("dsl", "legion_bridge", "tuners", "studies")
HEAVY = {"mlflow", "litellm", "opentuner", "dask", "matplotlib"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", FLOORS)
def test_a_package_imports_only_from_the_floors_below(package: str) -> None:
    above = set(FLOORS[FLOORS.index(package) + 1 :])
    offenders = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path) & above
    }
    assert modules(package)
    assert not offenders


@pytest.mark.parametrize("package", FLOORS)
def test_heavy_packages_are_imported_late(package: str) -> None:
    offenders = {
        f"{path.relative_to(ROOT)} imports {name} at start-up"
        for path in modules(package)
        for name in imports(path, top_level_only=True) & HEAVY
    }
    assert not offenders


@pytest.mark.parametrize("package", FLOORS)
def test_exports_are_explicit_and_exist(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__, key=_isort_key)
    for name in module.__all__:
        assert getattr(module, name) is not None
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").split(".")[0] == package
    }
    assert public <= set(module.__all__)


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: ruff's order (RUF022)."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("package", FLOORS)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = [p for p in modules(package) if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


@pytest.mark.parametrize("package", FLOORS)
def test_test_folders_mirror_the_tree(package: str) -> None:
    assert list((ROOT / "tests" / package).rglob("test_*.py"))
