"""Files of measured runs: what they say, and what is said of those that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from legion_bridge import MeasurementError
from legion_bridge.validation import read_measurements

DATA = Path(__file__).parents[2] / "data"
GEMM = {"alg": "cannon", "nodes": 2, "n": 28284, "cpp": 9292.1, "dft": 0, "dft_sec": None}
COLUMNS = ["nodes", "nx", "ny", "ntx", "nty", "dim", "choice(o=optimal)", "elapsed_s"]
STENCIL = [2, 88, 22628, 4, 2, 2, "c", 0.048]


@pytest.fixture
def read(tmp_path):
    def written(document):
        path = tmp_path / "runs.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return read_measurements(path)

    return written


@pytest.fixture
def complaint(read):
    def said(document):
        with pytest.raises(MeasurementError) as error:
            read(document)
        sentence = str(error.value)
        assert "\n" not in sentence
        return sentence.partition("runs.json")[2]

    return said


def test_the_measured_multiplications_are_read():
    found = read_measurements(DATA / "measured_gemm.json")
    assert len(found) == 84
    assert {m.application for m in found} == {
        "cannon", "summa", "pumma", "johnson", "solomonik", "cosma"
    }  # fmt: skip
    assert sum(m.value is None for m in found) == 5
    assert {m.parameters["ranks_per_node"] for m in found if m.application == "cosma"} == {4}
    assert {m.quantity for m in found} == {"throughput per node"}


def test_the_measured_stencil_is_read():
    found = read_measurements(DATA / "measured_stencil.json")
    assert len(found) == 645
    first = found[0]
    assert first.parameters == {
        "nodes": 1, "nx": 62, "ny": 16000, "ntx": 2, "nty": 2, "steps": 50, "prune": 30,
        "radius": 5,
    }  # fmt: skip
    assert (first.value, first.quantity, first.label) == (0.029, "seconds", "expert 2 x 2")
    assert any(m.label.endswith("in 2-D blocks") for m in found)


def test_a_zero_is_out_of_memory_and_a_null_was_not_measured(read):
    rows = [GEMM, {**GEMM, "dft": None, "dsl": 3.0}]
    assert [(m.column, m.value) for m in read({"rows": rows})] == [
        ("cpp", 9292.1), ("dft", None), ("cpp", 9292.1), ("dsl", 3.0)
    ]  # fmt: skip


def test_seconds_stand_in_for_a_throughput(read):
    row = {"alg": "cannon", "nodes": 1, "n": 20000, "cpp_sec": 0.59, "dft": None, "dft_sec": 2.1}
    assert [(m.mapper, m.quantity, m.value) for m in read({"rows": [row]})] == [
        ("expert", "seconds", 0.59), ("default", "seconds", 2.1)
    ]  # fmt: skip


def test_grids_of_a_row_are_parameters(read):
    row = {"alg": "solomonik", "nodes": 4, "n": 20000, "rpoc": 4, "c": 1, "rpoc3": 4, "dsl": 5.0}
    (found,) = read({"rows": [row]})
    assert found.parameters == {"nodes": 4, "n": 20000, "rpoc": 4, "c": 1, "rpoc3": 4}


def test_what_rows_share_may_stand_beside_them(read):
    common = {"tsteps": 20, "radius": 3, "note": "warm", "flags": ["-ll:gpu 4"]}
    document = {"columns": COLUMNS, "rows": [STENCIL], "common": common, "prune": 5}
    (found,) = read(document)
    assert [found.parameters[key] for key in ("steps", "radius", "prune")] == [20, 3, 5]


def test_a_row_names_its_mapper(read, tmp_path):
    row = {"app": "circuit", "nodes": 1, "elapsed_s": 0.5}
    found = read({"rows": [row, {**row, "mapper": "dft"}, {**row, "mapper": "mine.map"}]})
    assert [m.mapper for m in found] == ["expert", "default", str(tmp_path / "mine.map")]
    assert [m.label for m in found] == ["expert", "default", "mine"]
    assert len({m.configuration for m in found}) == 1


def test_tiles_belong_to_the_mapper_and_sizes_to_the_configuration(read):
    other = [2, 88, 22628, 1, 8, 1, "o", 0.04]
    larger = [2, 176, 22628, 1, 8, 1, "o", 0.04]
    found = read({"columns": COLUMNS, "rows": [STENCIL, other, larger]})
    assert found[0].configuration == found[1].configuration != found[2].configuration
    assert len({m.label for m in found[:2]}) == 2


def test_a_plan_of_training_belongs_to_the_mapper_and_the_model_to_the_configuration(read):
    row = {"app": "gpt", "nodes": 1, "expert_sec": 0.5, "recompute": 0, "role": "judge"}
    plan, other = {"stages": 4, "tensor_pieces": 1}, {"stages": 1, "tensor_pieces": 4}
    found = read({"rows": [{**row, **plan}, {**row, **other}, {**row, **plan, "layers": 8}]})
    assert found[0].parameters["recompute"] == 0
    assert found[0].configuration == found[1].configuration != found[2].configuration
    assert [m.label for m in found[:2]] == ["expert t=1 p=4 r=0", "expert t=4 p=1 r=0"]
    assert {m.group for m in found} == {"gpt, judge"}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"rows": [{**GEMM, "role": 3}]}, ": rows[0]: role must be a word, not 3"),
        ("{", ", line 1, column 2: this is not JSON ("),
        ("", ", line 1, column 1: this is not JSON ("),
        ("[" * 100_000, ": this is nested too deeply"),
        ("[1]", ": must be a JSON object with a list 'rows'"),
        ({}, ": needs a list 'rows' with at least one row"),
        ({"rows": []}, ": needs a list 'rows' with at least one row"),
        ({"rows": {"a": 1}}, ": needs a list 'rows' with at least one row"),
        ({"rows": [GEMM], "common": 3}, ": 'common' must be an object"),
        ({"rows": [3]}, ": rows[0]: must be an object or a list"),
        ({"rows": [STENCIL]}, ": rows[0]: is a list, so the file needs 'columns'"),
        ({"rows": [STENCIL], "columns": 7}, ": 'columns' must be a list of names"),
        (
            {"rows": [STENCIL, STENCIL[:3]], "columns": COLUMNS},
            ": rows[1]: has 3 values for the 8 names of 'columns'",
        ),
        ({"rows": [{**GEMM, "cpp": None, "dft": None}]}, ": no row holds a measured value"),
        ({"rows": [{"alg": "cannon", "nodes": 1}]}, ": rows[0]: says no measured time: it needs"),
        ({"rows": [{"nodes": 1, "cpp": 2.0}]}, ": rows[0]: needs 'application' (or 'alg')"),
        (
            {"rows": [{**GEMM, "alg": "canon"}]},
            ": rows[0]: unknown application 'canon': did you mean cannon? known are circuit,",
        ),
        (
            {"rows": [GEMM, {k: v for k, v in GEMM.items() if k != "nodes"}]},
            ": rows[1]: needs 'nodes', the number of nodes it ran on",
        ),
        ({"rows": [{**GEMM, "nodes": 0}]}, ": rows[0]: nodes must be a whole number from 1 on"),
        ({"rows": [{**GEMM, "nodes": 2.5}]}, ": rows[0]: nodes must be a whole number from 1 on"),
        ({"rows": [{**GEMM, "n": "20000"}]}, ": rows[0]: n must be a whole number from 0 on, not"),
        ({"rows": [{**GEMM, "n": True}]}, ": rows[0]: n must be a whole number from 0 on, not"),
        ({"rows": [{**GEMM, "cpp": -1}]}, ": rows[0]: cpp must be a number of at least 0, not -1"),
        ({"rows": [{**GEMM, "cpp": "fast"}]}, ": rows[0]: cpp must be a number of at least 0, no"),
        ('{"rows": [{"alg": "cannon", "nodes": 1, "cpp": NaN}]}', ": rows[0]: cpp must be a num"),
        ('{"rows": [{"alg": "cannon", "nodes": 1, "cpp": 1e999}]}', ": rows[0]: cpp must be a nu"),
        (
            {"rows": [{"alg": "circuit", "nodes": 1, "elapsed_s": 0}]},
            ": rows[0]: elapsed_s must be a number above 0, not 0",
        ),
        (
            {"rows": [{"alg": "circuit", "nodes": 1, "elapsed_s": 1, "mapper": "best"}]},
            ": rows[0]: mapper must be expert, default or the path of a .map file, not 'best'",
        ),
    ],
)
def test_what_is_malformed_is_told_in_a_sentence(complaint, document, sentence):
    assert complaint(document).startswith(sentence)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(MeasurementError, match=r"cannot read .*absent.json: no such file"):
        read_measurements(tmp_path / "absent.json")
    with pytest.raises(MeasurementError, match=r"cannot read .*: is a directory"):
        read_measurements(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(MeasurementError, match=r"binary: not a text file in UTF-8"):
        read_measurements(tmp_path / "binary")
