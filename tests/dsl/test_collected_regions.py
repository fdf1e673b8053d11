"""``CollectMemory`` by index is an error that says what to write, and is mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dsl
from dsl.collected_regions import collected_by_name, with_region_names
from legion_bridge import Application, Evaluator, Machine
from studies.cli import main

STENCIL = Application.load("stencil")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("CollectMemory stencil 1;", "CollectMemory stencil interior;"),
        ("CollectMemory  stencil\n 1 ;", "CollectMemory stencil interior;"),
        ("CollectMemory stencil 01", "CollectMemory stencil interior;"),
        (
            "CollectMemory * 6;",
            "CollectMemory stencil p_times; CollectMemory increment p_times;",
        ),
        ("CollectMemory stencil 60;", None),
        ("CollectMemory nowhere 1;", None),
        (f"CollectMemory stencil {'9' * 5000};", None),
        ("CollectMemory stencil 1, 2;", None),
        ("CollectMemory stencil interior;", None),
        ("# CollectMemory stencil 1;", None),
        ('print("CollectMemory stencil 1;");', None),
    ],
)
def test_a_region_is_called_by_its_name(text, meant):
    found, said = collected_by_name(f"Task * GPU;\n{text}\n", STENCIL)
    assert found == f"Task * GPU;\n{meant or text}\n"
    assert len(said) == (meant is not None)
    if meant:
        dsl.parse(found)
        assert f"was read as {meant}" in said[0]


def test_a_region_that_differs_between_launches_is_named_in_each():
    circuit = Application.load("circuit")
    text, _ = collected_by_name("CollectMemory init_nodes 0;", circuit)
    assert text == "CollectMemory init_nodes rp_private; CollectMemory init_nodes rp_shared;"


def test_the_error_says_what_to_write():
    with pytest.raises(dsl.MapperSyntaxError) as plain:
        dsl.parse("CollectMemory stencil 1;\nTask a\nCollectMemory stencil 60;")
    assert "by name" in plain.value.hint
    error = with_region_names(plain.value, STENCIL)
    assert error.hint.endswith("write CollectMemory stencil interior;")
    assert error.others[-1].hint.endswith("pyp_in (5), p_times (6)")
    assert "interior" not in plain.value.hint


def test_a_run_says_what_to_write():
    evaluator = Evaluator(STENCIL, Machine.load("p100x4"))
    outcome = evaluator.evaluate_text("Task * GPU; CollectMemory stencil 1;")
    assert outcome.status == "syntax_error"
    assert "write CollectMemory stencil interior;" in outcome.raw


@pytest.mark.parametrize("command", ["check", "eval", "explain"])
def test_every_command_says_what_to_write(command, tmp_path, capsys):
    file = Path(tmp_path, "x.mapper")
    file.write_text("Task * GPU;\nCollectMemory stencil 1;\n", "utf-8")
    assert main([command, str(file), "--app", "stencil", "--json"]) == 1
    assert "write CollectMemory stencil interior;" in json.dumps(
        json.loads(capsys.readouterr().out)
    )


def test_it_is_mended_among_other_slips(tmp_path):
    file, out = Path(tmp_path, "x.mapper"), Path(tmp_path, "y.mapper")
    file.write_text("Task * GPU\nCollectMemory stencil 1;\nCollectMemory increment 6\n", "utf-8")
    assert main(["explain", str(file), "--app", "stencil", "--apply", str(out)]) == 1
    assert out.read_text("utf-8") == (
        "Task * GPU;\nCollectMemory stencil interior;\nCollectMemory increment p_times;\n"
    )
