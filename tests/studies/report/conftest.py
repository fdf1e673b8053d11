from __future__ import annotations

import importlib.util

import pytest

from studies.cli import main


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Plotly there are no pages."""
    if importlib.util.find_spec("plotly") is None:
        reason = "plotly is not installed: pip install 'mappertune[report]'"
        for item in items:
            if "studies/report/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two applications, tuned for a few trials."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["--trials", "5", "--no-mlflow", "--output", str(folder), "--quiet"]
    several = ["--tuners", "guided,random", "--seeds", "2", "--jobs", "1"]
    assert main(["compare", "stencil", *several, *common]) == 0
    assert main(["tune", "circuit", "--tuner", "random", "--start", "none", *common]) == 0
    return folder


@pytest.fixture(scope="session")
def page(runs):
    assert main(["report", str(runs)]) == 0
    return (runs / "report.html").read_text()
