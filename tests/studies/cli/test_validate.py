from __future__ import annotations

import json

import pytest

from legion_bridge import Machine

GEMM = [
    {"alg": "cannon", "nodes": 1, "n": 20000, "cpp": 27117.0, "dsl": 27100.0, "dft": 7637.0},
    {"alg": "cosma", "nodes": 1, "n": 20000, "cpp": 21857.0, "dft": 0},
]


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "runs.json"
    path.write_text(json.dumps({"rows": GEMM}))
    return path


def test_validate_prints_each_run_and_the_agreement(ask, runs):
    answer = ask("validate", runs)
    assert answer.code == 0
    (line,) = [
        line for line in answer.out.splitlines() if "default (dft)" in line and "7637" in line
    ]
    assert line.split()[:2] == ["cannon", "n=20000"]
    assert float(line.split()[-1]) == pytest.approx(1.0, abs=0.05)
    assert "agreement on lassen" in answer.out
    summary = answer.out.partition("agreement on")[2].splitlines()
    names = [line.split()[0] for line in summary if "%" in line and line.startswith(" ")]
    assert names == ["cannon", "cosma", "all"]


def test_validate_answers_in_json(ask, runs):
    found = ask("validate", runs, "--json").json
    assert found["machine"] == "lassen"
    assert [row["column"] for row in found["rows"]] == ["cpp", "dsl", "dft", "cpp", "dft"]
    first = found["rows"][0]
    assert first["ratio"] == pytest.approx(first["simulated"] / first["measured"])
    assert found["rows"][-1]["measured"] is None
    summary = found["summary"]
    assert list(summary) == ["cannon", "cosma", "all"]
    assert (summary["cannon"]["pairs"], summary["cannon"]["order"]) == (1, 1.0)
    assert summary["all"]["out_of_memory"] == 1
    assert summary["cosma"]["order"] is None


def test_validate_takes_a_machine_of_ones_own(ask, runs, tmp_path):
    text = Machine.load("lassen").source.replace("dgemm = 7.64e12", "dgemm = 3.82e12")
    (tmp_path / "mine.toml").write_text(text.replace('name = "lassen"', 'name = "mine"'))
    mine = ask("validate", runs, "--machine", tmp_path / "mine.toml", "--json").json
    theirs = ask("validate", runs, "--json").json
    assert mine["machine"] == "mine"
    assert mine["rows"][2]["simulated"] < 0.6 * theirs["rows"][2]["simulated"]


def test_validate_draws(ask, runs, tmp_path):
    answer = ask("validate", runs, "--plot", tmp_path / "agreement.png")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == f"wrote {tmp_path / 'agreement.png'}"
    assert (tmp_path / "agreement.png").read_bytes().startswith(b"\x89PNG")


def test_runs_that_fail_in_simulation_alone_are_told(ask, tmp_path):
    path = tmp_path / "runs.json"
    # Three matrices of 60000 rows: 86 GB on four GPUs of 16.
    path.write_text(json.dumps({"rows": [{"alg": "cannon", "nodes": 1, "n": 60000, "cpp": 9.0}]}))
    answer = ask("validate", path)
    assert answer.code == 0
    assert "out of memory" in answer.out
    assert "1 of them fail in simulation alone: " in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["validate"], (2, "required: FILE")),
        (["validate", "absent.json"], (2, "cannot read absent.json: no such file")),
        (["validate", "{runs}", "--machine", "lasen"], (2, "did you mean lassen?")),
        (["validate", "{runs}", "--machine", "cpu2"], (2, "rows[")),
        (["validate", "{runs}", "--plot", "none/a.png"], (1, "cannot write none/a.png: no such")),
        (["validate", "{runs}", "--plot", "a.words"], (2, "no picture can be written")),
    ],
)
def test_what_cannot_be_is_told(ask, runs, monkeypatch, words, told):
    code, sentence = told
    monkeypatch.chdir(runs.parent)
    answer = ask(*[str(runs) if word == "{runs}" else word for word in words])
    assert answer.code == code
    assert sentence in answer.err


def test_validate_takes_several_files(ask, runs, tmp_path):
    row = {"nodes": 1, "nx": 2000, "ny": 2000, "ntx": 2, "nty": 2, "elapsed_s": 0.03}
    other = tmp_path / "stencil.json"
    other.write_text(json.dumps({"rows": [row]}))
    found = ask("validate", runs, other, "--json").json
    assert list(found["summary"]) == ["cannon", "cosma", "stencil", "all"]
    assert found["summary"]["all"]["rows"] == 6
