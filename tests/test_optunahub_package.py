"""The package for OptunaHub: loaded as the registry's users load it, and its example run."""

from __future__ import annotations

import builtins
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tuners.llm.scripted import Scripted
from tuners import LLMSampler

REGISTRY = Path(__file__).parent.parent / "packaging/optunahub/package"
NAME = "samplers/mappertune_llm"
FOLDER = REGISTRY / NAME


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads packages from here, where its users load them from GitHub."""
    optunahub = pytest.importorskip("optunahub", reason="the package optunahub is not installed")

    def load(package: str) -> Any:
        return optunahub.load_local_module(package, registry_root=str(REGISTRY))

    monkeypatch.setattr(optunahub, "load_module", load)
    return load


def test_the_registry_is_told_what_it_asks_for() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    _, front, text = readme.split("---\n", 2)
    told = yaml.safe_load(front)
    assert set(told) == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert "sampler" in told["tags"]
    assert told["license"] == "MIT License"
    assert (FOLDER / "LICENSE").read_text().startswith(told["license"])
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:2] == ["Abstract", "APIs"]
    assert "Apache License 2.0" in text


def test_it_is_the_installed_sampler(load: Any) -> None:
    assert load(NAME).LLMSampler is LLMSampler


def test_it_says_what_to_install_where_the_distribution_is_missing(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "mappertune":
            raise ModuleNotFoundError("No module named 'mappertune'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mappertune\[llm\]'"):
        load(NAME)


def test_the_example_runs_without_a_key_by_the_fallback(
    load: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("MODEL", "BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    runpy.run_path(str(FOLDER / "example.py"), run_name="__main__")
    assert capsys.readouterr().out.endswith("proposed by tpe: 10\n")


def test_the_example_asks_the_model_that_it_is_given(
    load: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    depths = iter([3, 5, 6, 7, 8, 9, 10, 11, 12])
    model = Scripted(
        lambda _: json.dumps({"rate": 0.01, "depth": next(depths), "booster": "linear"})
    )
    opened: list[Any] = []

    def open_model(*words: Any, **options: Any) -> Scripted:
        opened.append((*words, options["base_url"]))
        return model

    monkeypatch.setattr("tuners.llm.lazy_model.open_model", open_model)
    monkeypatch.setenv("MODEL", "openai/mine")
    monkeypatch.setenv("BASE_URL", "http://127.0.0.1:1/v1")
    runpy.run_path(str(FOLDER / "example.py"), run_name="__main__")
    assert opened == [("openai/mine", "http://127.0.0.1:1/v1")]
    assert "boosted models" in model.requests[0].messages[0].content
    said = capsys.readouterr().out
    assert said.startswith("best 0.04 with")
    assert said.endswith("proposed by tpe: 1, model: 9\n")
