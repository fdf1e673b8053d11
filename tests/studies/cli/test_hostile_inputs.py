"""Inputs that are too large, too deep or no numbers get one sentence, soon, in little room."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from studies.cli import main
from tests.hostile_inputs import INPUTS, run

ROOT = Path(__file__).parents[3]


def by_name(hostile):
    return hostile.name


@pytest.mark.parametrize("hostile", INPUTS, ids=by_name)
def test_an_input_that_is_out_of_bounds_gets_one_sentence(hostile, tmp_path, capsys, monkeypatch):
    words = hostile.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    begin = time.process_time()
    try:
        code = main(words)
    except SystemExit as left:
        code = left.code
    took = time.process_time() - begin
    said = capsys.readouterr().err.strip()
    assert code == hostile.code
    assert took < 1.5  # about 0.1 s; the first one loads what commands need
    assert "Traceback" not in said
    assert len(said) < 1500
    if code == 2:
        assert said.startswith("mappertune")


@pytest.mark.long
@pytest.mark.parametrize("hostile", INPUTS, ids=by_name)
def test_it_takes_little_time_and_room_by_itself(hostile, tmp_path):
    taken = run(hostile, tmp_path, ROOT)
    assert taken.code == hostile.code
    assert taken.megabytes < 500
    assert taken.seconds < 3.0  # under 1 s where nobody else uses the machine
