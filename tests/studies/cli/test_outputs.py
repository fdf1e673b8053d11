"""What commands write for others: C files, grammars, timelines, pictures."""

from __future__ import annotations

import json
import os
import subprocess

import lark
import pytest

import dsl

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def expert(ask, tmp_path):
    path = tmp_path / "expert.mapper"
    path.write_text(ask("show", "circuit", "--mapper", "expert").out)
    return path


def test_export_writes_a_c_file_that_compiles_and_names_the_mapper(ask, expert):
    answer = ask("export", str(expert))
    target = expert.with_suffix(".c")
    assert answer.code == 0
    assert str(target) in answer.out
    text = target.read_text()
    assert "/* The mapper expert.mapper, as C." in text.splitlines()[0]
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", target]
    subprocess.run([*command, "-o", str(expert.with_suffix(".so"))], check=True)


def test_export_tells_where_it_wrote_as_json(ask, expert, tmp_path):
    target = tmp_path / "policy.c"
    answer = ask("export", str(expert), "--output", str(target), "--json").json
    assert answer == {
        "file": str(expert),
        "output": str(target),
        "bytes": len(target.read_bytes()),
    }


def test_export_of_a_broken_mapper_writes_nothing(ask, tmp_path):
    path = tmp_path / "broken.mapper"
    path.write_text("Task * GPU\n")
    answer = ask("export", str(path))
    assert answer.code == 1
    assert "broken.mapper:1" in answer.err
    assert not path.with_suffix(".c").exists()


def test_export_to_a_folder_that_is_not_there(ask, expert, tmp_path):
    answer = ask("export", str(expert), "--output", str(tmp_path / "none" / "m.c"))
    assert answer.code == 1
    assert "m.c" in answer.err
    assert "Traceback" not in answer.err


def test_the_grammar_takes_the_expert_in_portable_form(ask):
    grammar = ask("show", "stencil", "--grammar").out
    parser = lark.Lark(grammar, parser="lalr")
    text = ask("show", "stencil", "--mapper", "expert").out
    parser.parse(dsl.unparse(dsl.parse(text)))
    with pytest.raises(lark.exceptions.LarkError):
        parser.parse("Task stencils GPU;\n")


def test_the_data_flow_as_text_and_as_a_picture(ask):
    assert "stencil -> increment" in ask("show", "stencil", "--data-flow").out
    assert ask("show", "stencil", "--dot").out.startswith("digraph")


def test_a_timeline_and_a_picture_of_a_run(ask, expert, tmp_path):
    timeline, picture = tmp_path / "run.json", tmp_path / "run.png"
    answer = ask("eval", str(expert), "--timeline", str(timeline), "--plot", str(picture))
    assert answer.code == 0
    assert str(timeline) in answer.out
    events = json.loads(timeline.read_text())["traceEvents"]
    assert {"calculate_new_currents", "update_voltages"} <= {e["name"] for e in events}
    assert picture.read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_written(ask, expert, tmp_path):
    answer = ask("eval", str(expert), "--plot", str(tmp_path / "none" / "run.png"))
    assert answer.code == 1
    assert "run.png" in answer.err


def test_nodes_size_the_program_too(ask):
    shown = ask("show", "stencil", "--nodes", "2", "--json").json
    assert shown["parameters"]["nodes"] == 2
    kept = ask("show", "stencil", "--nodes", "2", "-p", "nodes=1", "--json").json
    assert kept["parameters"]["nodes"] == 1
