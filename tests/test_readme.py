"""What the README shows works, and pages name what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_reaches_the_expert(capsys: pytest.CaptureFixture[str]) -> None:
    example = blocks("python")[0]
    assert len(example.splitlines()) < 30
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  (our own README)
    said = capsys.readouterr().out
    assert float(re.findall(r"([0-9.]+) x expert", said)[0]) >= 1.0


def test_the_plain_example_asks_the_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tuners.llm.scripted import Scripted

    _, example = blocks("python")
    replies = iter([{"rate": 0.01, "depth": 5}, {"rate": 0.01, "depth": 6}])
    model = Scripted(lambda _: json.dumps(next(replies, {})))
    monkeypatch.setattr("tuners.llm.lazy_model.open_model", lambda *_, **__: model)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  (our own README)
    assert capsys.readouterr().out.endswith("{'rate': 0.01, 'depth': 6} model\n")
    assert "boosted trees" in model.requests[0].messages[0].content


def test_the_commands_exist() -> None:
    from studies.cli.arguments import parse_arguments

    joined = (text.replace("\\\n", " ") for text in blocks("console"))
    lines = [line for text in joined for line in text.splitlines()]
    commands = [shlex.split(line, comments=True)[1:] for line in lines if "mappertune " in line]
    assert len(commands) >= 7
    for command in commands:
        assert parse_arguments(command).module, command


def test_links_lead_somewhere() -> None:
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README) if not t.startswith("http")]
    assert len(targets) >= 5
    for target in targets:
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:dsl|legion_bridge|tuners|studies)/[\w./]*)`", text)
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_table_of_rooms_names_every_room() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rooms = [
        f"`{folder.relative_to(ROOT)}/`"
        for floor in ("dsl", "legion_bridge", "tuners", "studies")
        for folder in (ROOT / floor).iterdir()
        if folder.is_dir() and folder.name[0] not in "_." and any(folder.iterdir())
    ]
    assert len(rooms) > 15
    assert not [room for room in rooms if room not in table]
