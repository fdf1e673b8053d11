"""How well simulated runs agree with the measured ones: what a change must not lose."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from legion_bridge import Validation, validate

DATA = Path(__file__).parents[2] / "data"


@cache
def multiplications() -> Validation:
    return validate(DATA / "measured_gemm.json")


@pytest.fixture(scope="module")
def stencil(tmp_path_factory) -> Validation:
    """Every twelfth configuration of the stencil, with all its mappers."""
    document = json.loads((DATA / "measured_stencil.json").read_text())
    sizes = list(dict.fromkeys(tuple(row[:3]) for row in document["rows"]))
    chosen = set(sizes[::12])
    document["rows"] = [row for row in document["rows"] if tuple(row[:3]) in chosen]
    path = tmp_path_factory.mktemp("measured") / "stencil.json"
    path.write_text(json.dumps(document))
    return validate(path)


def errors(*, nodes: int | None = None, application: str | None = None) -> list[float]:
    """Errors of the seconds of multiplications: on some nodes, of one of them."""
    return [
        abs(row.simulated_seconds / row.measured_seconds - 1.0)
        for row in multiplications().rows
        if row.measured_seconds is not None
        and nodes in (None, row.measurement.nodes)
        and application in (None, row.measurement.application)
    ]


def test_multiplications_take_the_measured_time():
    assert multiplications().overall.median_error < 0.08
    assert np.median(errors()) < 0.08
    assert np.percentile(errors(), 90) < 0.35


@pytest.mark.parametrize("nodes", [1, 2, 4, 8, 32])
def test_multiplications_take_the_measured_time_on_any_number_of_nodes(nodes):
    assert np.median(errors(nodes=nodes)) < 0.2


@pytest.mark.parametrize(
    "application", ["cannon", "pumma", "summa", "solomonik", "johnson", "cosma"]
)
def test_each_multiplication_takes_the_measured_time(application):
    assert np.median(errors(application=application)) < 0.2


def test_the_default_mapper_of_cosma_is_faster_on_four_nodes():
    seconds = {
        row.measurement.mapper: row.simulated_seconds
        for row in multiplications().rows
        if (row.measurement.application, row.measurement.nodes) == ("cosma", 4)
    }
    assert seconds["default"] < seconds["expert"]


def test_the_better_of_two_mappers_of_a_multiplication_is_told():
    assert multiplications().overall.order > 0.92


def test_runs_are_out_of_memory_exactly_where_they_were():
    found = multiplications().overall
    assert (found.out_of_memory, found.out_of_memory_found) == (5, 5)
    assert (found.out_of_memory_false, found.failed) == (0, 0)


def test_the_stencil_takes_the_measured_time(stencil):
    assert stencil.overall.rows > 40
    assert stencil.overall.failed == 0
    assert stencil.overall.median_error < 0.05


def test_the_better_of_two_mappers_of_the_stencil_is_told(stencil):
    assert stencil.overall.pairs > 10
    assert stencil.overall.order > 0.95
    assert stencil.overall.tau > 0.88


QUICK = ("table 1", "table 5", "figure 11", "figure 1")


@pytest.fixture(scope="module")
def training(tmp_path_factory) -> Validation:
    """Published training steps with few point tasks: those without a pipeline."""
    document = json.loads((DATA / "measured_training.json").read_text())
    document["rows"] = [
        row
        for row in document["rows"]
        if row["source"].endswith(QUICK) and row["stages"] == 1 and row["gpus"] < 100
    ]
    path = tmp_path_factory.mktemp("measured") / "training.json"
    path.write_text(json.dumps(document))
    return validate(path, "a100x8-nccl")


def test_training_steps_take_the_published_time(training):
    judged = training.by_application["gpt, judge"]
    assert judged.rows >= 2
    assert judged.median_error < 0.15
    assert training.overall.median_error < 0.15


def test_training_steps_run_out_of_memory_where_it_is_published(training):
    found = training.overall
    assert found.out_of_memory == found.out_of_memory_found == 1
    assert found.out_of_memory_false == 0
