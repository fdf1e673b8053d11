"""``compare --dask``: the table of one machine, what cannot be, and the scripts of the page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[3] / "docs" / "clusters").glob("*.sbatch"))


@pytest.fixture
def compare(ask, tmp_path, space):
    def run(*words):
        common = ["--template", space, "--output", tmp_path / "runs", "--no-mlflow", "--json"]
        return ask("compare", "stencil", *common, "--trials", 12, "--seeds", 1, *words)

    return run


@pytest.mark.filterwarnings("ignore")  # of Dask's own threads and sockets
def test_the_table_is_that_of_one_machine(compare, tmp_path):
    pytest.importorskip("distributed", reason="pip install 'mappertune[distributed]'")
    tuners = ("--tuners", "random,coordinate")
    here = compare(*tuners, "--jobs", 1, "--output", tmp_path / "here").json
    there = compare(*tuners, "--dask", "local:1", "--output", tmp_path / "there").json
    assert {"tuners", "references"} <= here.keys()
    assert [here[name] for name in ("tuners", "references")] == [
        there[name] for name in ("tuners", "references")
    ]
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"stencil-p100x4-template"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--dask", "circuit"), "neither the address of a Dask scheduler"),
        (("--dask", "--storage", "some.journal"), "or leave --dask out"),
        (("--dask", "--workers-per-study", "2"), "share a study in a database alone"),
        (("--workers-per-study", "2"), "add --dask"),
        (("--storage", "grpc://me:s3cr3t@host"), "'grpc://[key]@host' is no address"),
    ],
)
def test_what_cannot_be_is_told(compare, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    refused = compare("--tuners", "random", *words)
    assert (refused.code, sentence in refused.err) == (2, True), refused.err
    assert "s3cr3t" not in refused.err


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_whole(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.name in (script.parents[1] / "clusters.md").read_text("utf-8")
    assert len(SCRIPTS) == 2
