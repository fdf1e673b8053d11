"""``explain``."""

from __future__ import annotations

import re

import pytest

SLOW = "# mapper of stencil: slow\nTask * CPU;\n"
BROKEN = "# mapper of stencil: broken\nTask * GPU\nRegion * * GPU FBMEM;\n"
REFUSED = "Task stencil GPU; Region * * GPU FBMEM; Layout * * * SOA C_order;\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "own.map"
        path.write_text(text)
        return path

    return write


def test_it_tells_why_a_mapper_is_slow_and_what_to_try(ask, written):
    answer = ask("explain", written(SLOW))
    assert answer.code == 0
    assert answer.out.startswith("ELAPSED TIME")
    assert "stencil runs on CPU" in answer.out
    assert "+ Task stencil GPU;" in answer.out


def test_levels_leave_out_what_was_not_asked_for(ask, written):
    path = written(SLOW)
    raw = ask("explain", path, "--level", "raw").out
    explained = ask("explain", path, "--level", "explained").out
    assert "runs on CPU" not in raw
    assert "runs on CPU" in explained
    assert "Suggestions" not in explained


def test_json_holds_all_parts(ask, written):
    path = written(REFUSED)
    answer = ask("explain", path, "--json", "--app", "stencil")
    assert answer.code == 1
    assert answer.json["status"] == "execution_error"
    assert "stride does not match" in answer.json["raw"]
    assert any("F_order" in text for text in answer.json["explanations"])
    first = answer.json["suggestions"][0]
    assert first["block"] == "layout"
    assert "F_order" in first["statements"]
    assert "suggestions" not in ask("explain", path, "--json", "--level", "explained").json


def test_how_far_from_the_floor_a_mapper_is_stands_in_words_and_in_json(ask, written):
    path = written("Task * GPU,CPU;\nRegion * * GPU FBMEM;\n")
    said = ask("explain", path, "--app", "stencil").out
    assert re.search(
        r"At \d\d\.\d % of the floor of .* an iteration, .*; what is left: \S+ .s ", said
    )
    assert "of the floor" not in ask("explain", path, "--app", "stencil", "--level", "raw").out
    found = ask("explain", path, "--app", "stencil", "--json").json
    assert ask("eval", path, "--app", "stencil", "--json").json["left"] == found["left"]
    gap = found["floor"] / found["of_floor"] - found["floor"]
    assert sum(part["seconds"] for part in found["left"]) == pytest.approx(gap, rel=1e-6)


def test_the_first_suggestion_can_be_applied(ask, written, tmp_path):
    path, better = written(SLOW), tmp_path / "better.map"
    slow = ask("eval", path, "--json").json["throughput"]
    assert "wrote" in ask("explain", path, "--apply", better).out
    assert ask("eval", better, "--json").json["throughput"] > 10 * slow


def test_a_syntax_error_is_explained_and_mended(ask, written, tmp_path):
    answer = ask("explain", written(BROKEN), "--apply", tmp_path / "mended.map")
    assert answer.code == 1
    assert "';' is missing" in answer.out
    assert "+ Task * GPU;" in answer.out
    assert ask("check", tmp_path / "mended.map").code == 0


def test_a_syntax_error_of_an_unknown_application_asks_for_it(ask, written):
    answer = ask("explain", written("Task * GPU"))
    assert answer.code == 2
    assert "--app" in answer.err


def test_nothing_to_apply_is_said(ask, written, tmp_path):
    text = "# mapper of stencil: nonsense\nmove it to the GPU"
    answer = ask("explain", written(text), "--apply", tmp_path / "out.map")
    assert answer.code == 2
    assert "no suggestion" in answer.err
    assert not (tmp_path / "out.map").exists()


def test_suggestions_can_be_verified(ask, written):
    found = ask("explain", written(SLOW), "--verify", "--most", "2", "--json").json
    assert 0 < len(found["suggestions"]) <= 2
    assert all(each["verified"] for each in found["suggestions"])
