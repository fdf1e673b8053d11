"""The built-in machines: every application runs on each, or `check` says why not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

import dsl
from legion_bridge import (
    Application,
    Evaluator,
    Machine,
    Outcome,
    application_names,
    machine_names,
)

MULTIPLICATIONS = ("cannon", "summa", "pumma", "johnson", "solomonik", "cosma")
WITH_GPUS = tuple(name for name in machine_names() if name != "cpu2")
OTHERS = tuple(name for name in application_names() if name not in MULTIPLICATIONS)


@cache
def application(name: str) -> Application:
    return Application.load(name)


def run(name: str, machine: str, mapper: str) -> tuple[Outcome, list[str]]:
    """The outcome of a reference mapper, and the errors that a check finds before."""
    program = dsl.parse(application(name).mappers[mapper])
    on = Machine.load(machine)
    evaluator = Evaluator(application(name), on)
    found = dsl.check(program, application(name), on, forecast=evaluator.forecast)
    errors = [str(d) for d in found if d.severity == "error"]
    return evaluator.evaluate(program), errors


def test_the_machines_are_those_that_are_promised():
    files = ("a100x8", "cpu2", "h100x8", "lassen", "p100x4", "p100x4-sxm2")
    assert machine_names() == tuple(sorted((*files, "a100x8-nccl", "h100x8-nccl")))


@pytest.mark.parametrize("name", ["a100x8", "h100x8"])
def test_a_machine_with_nccl_differs_in_that_alone(name):
    plain, nccl = Machine.load(name, nodes=3), Machine.load(f"{name}-nccl", nodes=3)
    assert (plain.runtime.collective, nccl.runtime.collective) == ("legion", "nccl")
    assert replace(nccl.runtime, collective="legion") == plain.runtime
    assert replace(nccl, name=name, runtime=plain.runtime) == plain


@pytest.mark.parametrize("machine", WITH_GPUS)
@pytest.mark.parametrize("name", application_names())
@pytest.mark.parametrize("mapper", ["expert", "default"])
def test_every_application_runs_where_there_are_gpus(name, machine, mapper):
    outcome, errors = run(name, machine, mapper)
    assert outcome.ok, outcome.raw
    assert errors == []


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("mapper", ["expert", "default"])
def test_programs_with_cpu_variants_run_without_gpus(name, mapper):
    outcome, errors = run(name, "cpu2", mapper)
    assert outcome.ok, outcome.raw
    assert errors == []


@pytest.mark.parametrize("name", MULTIPLICATIONS)
def test_programs_for_gpus_alone_are_refused_without_them(name):
    outcome, errors = run(name, "cpu2", "expert")
    assert outcome.status == "execution_error"
    assert "valid variants" in outcome.raw
    assert "runs on GPU only, and cpu2 has CPU" in errors[0]


@pytest.mark.parametrize("machine", WITH_GPUS)
def test_gpus_are_faster_than_cpus(machine):
    assert run("stencil", machine, "default")[0].throughput > (
        10 * run("stencil", "cpu2", "default")[0].throughput
    )


def test_newer_gpus_are_faster():
    for name in ("stencil", "circuit", "pennant", "cannon", "johnson", "transformer"):
        slow, fast, fastest = (
            run(name, machine, "default")[0].throughput
            for machine in ("p100x4", "lassen", "h100x8")
        )
        assert slow < fast < fastest, name


def test_nvlink_helps_where_gpus_exchange_data():
    pcie, nvlink = Machine.load("p100x4"), Machine.load("p100x4-sxm2")
    for program in ("cannon", "cosma"):
        mapper = dsl.parse(application(program).mappers["expert"])
        outcomes = [Evaluator(application(program), m).evaluate(mapper) for m in (pcie, nvlink)]
        assert outcomes[0].throughput < outcomes[1].throughput


def test_the_two_forms_of_the_papers_node_differ_in_their_gpus_alone():
    pcie, nvlink = Machine.load("p100x4"), Machine.load("p100x4-sxm2")
    assert pcie.memories == nvlink.memories
    assert pcie.access == nvlink.access
    assert pcie.runtime == nvlink.runtime
    assert {k: p for k, p in pcie.processors.items() if k != "GPU"} == {
        k: p for k, p in nvlink.processors.items() if k != "GPU"
    }
    assert set(nvlink.links) - set(pcie.links) == {"nvlink_in", "nvlink_out"}
    assert all(nvlink.links[name] == link for name, link in pcie.links.items())


def test_lassen_has_any_number_of_nodes():
    for nodes in (1, 3, 256):
        machine = Machine.load("lassen", nodes=nodes)
        assert (machine.shape.nodes, machine.shape.count("GPU")) == (nodes, 4)
    outcome = Evaluator(
        Application.load("stencil", nodes=16), Machine.load("lassen", nodes=16)
    ).evaluate(dsl.parse(application("stencil").mappers["expert"]))
    assert outcome.ok
