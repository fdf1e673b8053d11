"""``list``, ``show``, ``check`` and ``eval``."""

from __future__ import annotations

import io

import pytest

import dsl

BROKEN = "# mapper of stencil: broken\nTask * GPU\nRegion * * GPU FBMEM;\n"
TRANSPOSED = """\
Task stencil GPU; Task increment GPU; Region * * GPU FBMEM; Layout * * * SOA C_order;
"""


@pytest.fixture
def expert(ask, tmp_path):
    path = tmp_path / "expert.mapper"
    path.write_text(ask("show", "stencil", "--mapper", "expert").out)
    return path


def written(tmp_path, text):
    path = tmp_path / "own.mapper"
    path.write_text(text)
    return path


def test_equal_domains_that_begin_elsewhere_are_told_once(ask):
    text = ask("show", "gpt", "-p", "batch=64").out
    assert "1x1x1x2, at 128 places" in text
    assert len(text.splitlines()) < 80


def test_list_names_what_there_is(ask):
    answer = ask("list")
    assert answer.code == 0
    assert "stencil" in answer.out
    assert "p100x4" in answer.out
    found = ask("list", "--json").json
    assert {"applications", "machines", "tuners"} == set(found)
    assert "tpe" in [tuner["name"] for tuner in found["tuners"]]
    assert all(entry["summary"] for entries in found.values() for entry in entries)


def test_show_explains_an_application(ask):
    text = ask("show", "stencil").out
    assert "increment" in text
    assert "READ_WRITE" in text
    shown = ask("show", "stencil", "--json").json
    assert {"stencil", "increment"} <= {task["name"] for task in shown["tasks"]}
    assert "proc.stencil" in shown["holes"]
    dsl.parse(shown["mappers"]["expert"])


def test_show_takes_sizes(ask):
    shown = ask("show", "stencil", "-p", "nx=500", "-p", "ny=700", "--json").json
    assert (shown["parameters"]["nx"], shown["parameters"]["ny"]) == (500, 700)


def test_show_prints_a_template_that_can_be_used(ask):
    template = dsl.Template(ask("show", "stencil", "--template").out)
    assert "proc.stencil" in template.parameters


def test_show_explains_a_machine(ask):
    assert "4 GPU" in ask("show", "p100x4").out
    shown = ask("show", "p100x4", "--nodes", 3, "--json").json
    assert (shown["nodes"], shown["processors"]["GPU"]) == (3, 4)
    assert shown["visible"]["GPU"][0] == "FBMEM"


def test_the_expert_is_as_fast_as_the_expert(ask, expert):
    answer = ask("eval", expert)
    assert answer.code == 0
    assert "over expert  1.000" in answer.out
    found = ask("eval", expert, "--json").json
    assert found["status"] == "ok"
    assert found["application"] == "stencil"
    assert found["throughput"] == found["expert"] > 1e9
    assert found["profile"] is None


@pytest.mark.parametrize("command", ["eval", "check"])
def test_one_mapper_needs_no_search_space(ask, expert, monkeypatch, command):
    monkeypatch.setattr(dsl, "template_for", None)
    assert ask(command, expert).code == 0


def test_a_profile_says_where_the_time_went(ask, expert):
    found = ask("eval", expert, "--profile", "--json").json["profile"]
    assert sum(share["fraction"] for share in found["critical_path"]) == pytest.approx(1, abs=0.01)
    text = ask("eval", expert, "--profile").out
    assert "critical path" in text
    assert "FBMEM of GPU 0" in text


def test_an_invalid_mapper_is_answered_with_no(ask, tmp_path):
    path = written(tmp_path, TRANSPOSED)
    answer = ask("eval", path)  # its tasks tell that it is for the stencil
    assert answer.code == 1
    assert "execution_error" in answer.out
    assert "stride does not match" in answer.out
    found = ask("eval", path, "--json").json
    assert (found["status"], found["throughput"]) == ("execution_error", 0.0)


@pytest.mark.parametrize("command", ["check", "eval"])
def test_a_mapper_that_does_not_parse_is_answered_with_no(ask, tmp_path, command):
    path = written(tmp_path, BROKEN)
    answer = ask(command, path)
    assert answer.code == 1
    assert "own.mapper" in answer.out
    assert ask(command, path, "--json").code == 1


def test_check_finds_no_error_in_the_expert(ask, expert):
    answer = ask("check", expert)
    assert (answer.code, answer.err) == (0, "")
    assert "no error for stencil on p100x4" in answer.out
    assert ask("check", expert, "--json").json["ok"]


def test_check_finds_what_would_fail(ask, tmp_path):
    path = written(tmp_path, TRANSPOSED)
    answer = ask("check", path)
    assert answer.code == 1
    assert "own.mapper:1:" in answer.out
    found = ask("check", path, "--json").json
    assert not found["ok"]
    errors = [each for each in found["diagnostics"] if each["severity"] == "error"]
    assert errors
    assert all(each["sentence"] and each["code"] for each in errors)


def test_a_syntax_error_has_its_place_in_json(ask, tmp_path):
    (found,) = ask("check", written(tmp_path, BROKEN), "--json").json["diagnostics"]
    assert found["severity"] == "error"
    assert found["line"] in (2, 3)
    assert found["sentence"]


@pytest.mark.parametrize("command", ["check", "eval"])
def test_a_mapper_whose_application_is_unknown_asks_for_it(ask, tmp_path, command):
    path = written(tmp_path, "Task * GPU; Region * * GPU FBMEM;")
    answer = ask(command, path)
    assert answer.code == 2
    assert "--app" in answer.err
    assert "stencil" in answer.err
    assert ask("eval", path, "--app", "stencil").code == 0


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"Task * GPU;\n" * 10**6])
def test_a_file_that_is_no_mapper_gets_one_sentence(ask, tmp_path, content):
    path = tmp_path / "own.mapper"
    path.write_bytes(content)
    answer = ask("eval", path, "--app", "stencil")
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert "own.mapper" in answer.err


def test_a_mapper_is_read_from_standard_input(ask, expert, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(expert.read_bytes()))
    monkeypatch.setattr("sys.stdin", stream)
    assert ask("eval", "-").code == 0


def test_check_tells_every_syntax_error_that_it_finds(ask, tmp_path):
    path = written(tmp_path, "Regin * * GPU FBMEM;\nTask stencil GPU;\nTask increment XPU;\n")
    answer = ask("check", str(path), "--app", "stencil")
    assert answer.code == 1
    assert "own.mapper:1:" in answer.out
    assert "own.mapper:3:" in answer.out
    found = ask("check", str(path), "--app", "stencil", "--json").json
    assert [each["line"] for each in found["diagnostics"]] == [1, 3]
