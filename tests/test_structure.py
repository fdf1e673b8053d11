"""The house stands: one-way imports, explicit exports, tests beside what they test."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("dsl", "legion_bridge", "tuners", "studies")
HEAVY = {"mlflow", "litellm", "opentuner", "dask", "matplotlib"}

# Files that import each other, each with the import that closes the circle, and why it may.
LATE = {
    # `load` makes an object of the class by a reader, which imports the class.
    ("legion_bridge.machines.machine", "legion_bridge.machines.machine_file"),
    ("legion_bridge.programs.application", "legion_bridge.applications"),
}
TYPING_ONLY = {
    # What an application's tasks are is told by functions over applications.
    ("legion_bridge.programs.task_summary", "legion_bridge.programs.application"),
}


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


def test_one_package_has_the_public_names_of_all() -> None:
    import mappertune

    packages = [importlib.import_module(package) for package in FLOORS]
    assert mappertune.__all__ == sorted(mappertune.__all__, key=_isort_key)
    assert set(mappertune.__all__) == {name for each in packages for name in each.__all__}
    for package in reversed(packages):
        for name in package.__all__:
            first = next(each for each in packages if name in each.__all__)
            assert getattr(mappertune, name) is getattr(first, name)


def test_the_one_package_imports_nothing_by_itself() -> None:
    script = (
        "import sys, mappertune; mappertune.parse; "
        "print({'optuna', 'tuners', 'studies', 'legion_bridge'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "set()\n", done.stderr


def _isort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: ruff's order (RUF022)."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("package", FLOORS)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = [p for p in modules(package) if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


# What tests of programs compile or read: no folder of a package answers to it.
TEST_MATERIAL = {
    "dsl/c_output/golden",
    "legion_bridge/capture/programs",
    "legion_bridge/legion/programs",
    "studies/programs",
}


def folders(root: Path) -> set[str]:
    """All folders with files below a root, as paths from it."""
    kept = (path.parent for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(folder.relative_to(root)) for folder in kept if folder.name != "__pycache__"}


@pytest.mark.parametrize("package", FLOORS)
def test_test_folders_mirror_the_tree(package: str) -> None:
    tests = {f"{package}/{folder}" for folder in folders(ROOT / "tests" / package)}
    assert list((ROOT / "tests" / package).rglob("test_*.py"))
    assert tests - TEST_MATERIAL <= {f"{package}/{folder}" for folder in folders(ROOT / package)}


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_with_python_has_tests_of_its_own(package: str) -> None:
    """In a folder of its name, or of one that it is a part of, but not of the whole package."""
    with_code = {path.parent for path in modules(package)} - {ROOT / package}
    tested = {path.parent for path in (ROOT / "tests" / package).rglob("test_*.py")}
    untested = {
        str(folder.relative_to(ROOT))
        for folder in with_code
        if not {ROOT / "tests" / each.relative_to(ROOT) for each in (folder, *folder.parents)
                if each.is_relative_to(ROOT / package) and each != ROOT / package} & tested
    }  # fmt: skip
    assert not untested


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if path.name == "__init__.py" else parts)


@cache
def files() -> dict[str, Path]:
    return {module_name(path): path for floor in FLOORS for path in modules(floor)}


def nodes_of(node: ast.AST, *, typing: bool, late: bool) -> Iterator[ast.AST]:
    """What is in a file, with or without what only type checkers read, and function bodies."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not typing:
            continue
        if isinstance(child, ast.FunctionDef) and not late:
            continue
        yield child
        yield from nodes_of(child, typing=typing, late=late)


@cache
def imported_files(path: Path, *, typing: bool, late: bool = True) -> AbstractSet[str]:
    found: set[str] = set()
    for node in nodes_of(ast.parse(path.read_text("utf-8")), typing=typing, late=late):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & files().keys()) or {node.module}
    return found & files().keys()


def circle(exceptions: set[tuple[str, str]], *, typing: bool) -> list[str]:
    """Files that import each other in turn, but for some imports; empty where there are none."""
    graph = {
        name: {
            other
            for other in imported_files(path, typing=typing)
            if (name, other) not in exceptions
        }
        for name, path in files().items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_when_the_code_runs() -> None:
    assert circle(LATE, typing=False) == []


def test_at_most_one_pair_of_files_imports_each_other_for_types() -> None:
    assert len(TYPING_ONLY) <= 1
    assert circle(LATE | TYPING_ONLY, typing=True) == []


@pytest.mark.parametrize("edge", sorted(LATE | TYPING_ONLY))
def test_each_exception_is_needed_and_is_what_it_says(edge: tuple[str, str]) -> None:
    others = (LATE | TYPING_ONLY) - {edge}
    assert edge[1] in circle(others, typing=edge in TYPING_ONLY)
    at_start = imported_files(files()[edge[0]], typing=False, late=False)
    assert edge[1] not in at_start
