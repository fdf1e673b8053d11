"""What is compiled is kept: once, whole, and where it can be written."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from legion_bridge import cache
from legion_bridge.cache import cache_folder, digest_of, find_kept, kept


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache/mappertune"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification: to be ignored
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/mappertune"


def test_a_folder_that_cannot_be_written_is_replaced_and_said_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.warns(RuntimeWarning, match="cannot be written.*set XDG_CACHE_HOME"):
        folder = cache_folder()
    assert folder == tmp_path / f"mappertune-{os.getuid()}"
    assert folder.stat().st_mode & 0o77 == 0, "what is run from there is ours alone"


def test_a_fallback_that_another_laid_out_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"mappertune-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.warns(RuntimeWarning):
        folder = cache_folder()
    assert folder.resolve() != tmp_path / "elsewhere"
    folder.rmdir()


def test_digests_tell_parts_apart() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("a", b"b") == digest_of("a", "b")


def test_a_product_is_made_once() -> None:
    made = []

    def make(draft: Path) -> None:
        made.append(draft)
        draft.write_text("product")

    assert find_kept("thing", "d1") is None
    first = kept("thing", "d1", make)
    assert kept("thing", "d1", make) == first == find_kept("thing", "d1")
    assert first.name == "thing"
    assert len(made) == 1
    assert kept("thing", "d2", make) != first
    assert len(made) == 2


def test_a_failure_leaves_nothing_behind() -> None:
    def fail(draft: Path) -> None:
        draft.write_text("half")
        raise ValueError("no compiler")

    with pytest.raises(ValueError, match="no compiler"):
        kept("thing", "d", fail)
    left = [path.name for path in cache_folder().rglob("*") if path.is_file()]
    assert left == [".lock"]
    assert kept("thing", "d", lambda draft: draft.write_text("whole")).read_text() == "whole"


def _make_slowly(log: str) -> None:
    def make(draft: Path) -> None:
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        draft.write_text("product")

    assert kept("thing", "d", make).read_text() == "product"


def test_processes_that_want_the_same_wait_for_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_make_slowly, args=(str(log),)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert log.read_text() == "made\n"
