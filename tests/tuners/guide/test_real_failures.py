"""Real runs that failed, recorded from the stencil's replay on two CPU processors.

Each mapper was run by ``LegionRun``; the outcome is what it gave. The guide must say what is wrong
in the program's names, and its first suggestion must be a mapper that a check lets pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

import dsl
from dsl.unparse import unparse_statement
from legion_bridge import Machine, Outcome
from legion_bridge.legion.scaled import fitted
from tuners import Evaluation, MapperProblem
from tuners.guide import explain

HEAD = "Task * CPU; Region * * CPU SYSMEM;\nm = Machine(CPU);\n"
ABORT = (
    "[0 - 7f96ff6ad000]    0.713447 {5}{default_mapper}: Default mapper failed allocation of size "
    "7312896 bytes for region  requirement 0 of task stencil (UID 65) in memory 1e00000000000000 "
    "(SYSTEM_MEM) for processor 1d00000000000000 (LOC_PROC). This means the working set of your "
    "application is too big for the allotted capacity of the given memory under the default "
    "mapper's mapping scheme.\n"
    "replay: default_mapper.cc:2552: void Legion::Mapping::DefaultMapper::"
    "default_report_failed_instance_creation(const Legion::Task&, unsigned int, ...\n"
    "The program ended with signal 6 (SIGABRT)."
)


class Failure(NamedTuple):
    """A mapper, what its run said, and parts of what the guide makes of it."""

    text: str
    status: str
    raw: str
    explanation: str
    suggestion: str


FAILURES = {
    "impossible memory": Failure(
        HEAD,
        "execution_error",
        "mappertune: error: out-of-memory: task stencil region 0: an instance of 7312896 bytes "
        "(SOA F_order) cannot be made in SYSMEM, which has 1048576 bytes in all: name another "
        "memory, or a layout that is smaller",
        "stencil finds no room for private, 7.31 MB a point as SOA F_order, in the 1.05 MB",
        "Region stencil private CPU",
    ),
    "Legion's default mapper": Failure(
        HEAD,
        "execution_error",
        ABORT,
        "SYSMEM is full: stencil finds no room for private, 7.31 MB a point",
        "Region stencil private CPU",
    ),
    "a map that leaves the machine": Failure(
        HEAD + "q = m.merge(0, 1);\ndef f(Task t) { return q[-1]; }\nIndexTaskMap stencil f;",
        "execution_error",
        "mappertune: error: processor-range: task stencil: point (0) is mapped to processor -1 of "
        "node 0, but the machine has 1 nodes with 2 CPU processors each",
        "The map of stencil has no good answer",
        "IndexTaskMap stencil block1d_CPU;",
    ),
    "a virtual instance": Failure(
        HEAD + "Region stencil private * VIRTUAL;",
        "execution_error",
        "mappertune: error: virtual-leaf: task stencil region 0: it is mapped to VIRTUAL, but a "
        "leaf task touches its data: name a memory",
        "stencil uses the data of private itself",
        "Region stencil private * SYSMEM;",
    ),
    "an alignment": Failure(
        HEAD + "Layout stencil * * Align==0;",
        "execution_error",
        "mappertune: error: alignment: task stencil: an instance cannot be aligned to 0 bytes",
        "a power of two",
        "Layout stencil * * SOA F_order;",
    ),
    "a task that may not be replicated": Failure(
        HEAD + "ControlReplicate stencil;",
        "execution_error",
        "mappertune: error: not-replicable: task stencil: ControlReplicate names it, but none of "
        "its variants is marked as replicable",
        "ControlReplicate names stencil",
        "- ControlReplicate stencil;",
    ),
    "a crash": Failure(
        HEAD + "Layout increment * * AOS F_order;",
        "execution_error",
        "The program ended with signal 11 (SIGSEGV).",
        "crashed (SIGSEGV)",
        "- Layout increment * * AOS F_order;",
    ),
    "a hang": Failure(
        HEAD + "InstanceLimit stencil 1;\nInstanceLimit increment 1;",
        "timeout",
        "The program still ran after 60 seconds, and was stopped.",
        "it waits for ever",
        "- InstanceLimit stencil 1;",
    ),
    "memory of the host": Failure(
        HEAD,
        "execution_error",
        "The program took 945 MB of memory, more than the 512 MB that it may have, and was "
        "stopped.",
        "came to 945 MB and may have 512 MB",
        "CollectMemory * *;",
    ),
    "killed": Failure(
        HEAD,
        "execution_error",
        "The program was killed (SIGKILL): by the system, if its memory ran out.",
        "its own memory ran out",
        "CollectMemory * *;",
    ),
}


@pytest.fixture(scope="module")
def problem() -> MapperProblem:
    return MapperProblem(fitted("stencil", 0.002), Machine.load("cpu2"))


def evaluation_of(problem: MapperProblem, text: str, status: str, raw: str) -> Evaluation:
    outcome = Outcome(status, 0.0, problem.application.unit, raw=raw)
    return Evaluation(text, dsl.parse(text), None, (), outcome, cached=False)


def single(statements):
    """Statements as lines, those about several tasks once for each of them."""
    parts = dsl.parse(statements).statements if statements.strip() else ()
    return [
        line
        for each in parts
        for alone in (
            [replace(each, tasks=(task,)) for task in getattr(each, "tasks", ())] or [each]
        )
        for line in unparse_statement(alone).splitlines()
    ]


@pytest.mark.parametrize("name", FAILURES)
def test_a_real_failure_is_explained_and_a_remedy_suggested(problem, name):
    text, status, raw, explanation, suggestion = FAILURES[name]
    found = explain(problem, evaluation_of(problem, text, status, raw))
    assert found.raw == raw
    assert any(explanation in each for each in found.explanations)
    first = found.suggestions[0]
    shown = [f"- {each}" for each in first.replaces] + single(first.statements)
    assert any(suggestion in line for line in shown)
    changed = first.apply(text)
    assert changed != text
    assert not any(each.severity == "error" for each in problem.check(changed))


MAPPERS_ARE_NOT_TO_BLAME = {
    "a metric that is not printed": (
        (
            "ELAPSED 0.039613 s\nThe program ended well, but nothing that it printed matches "
            "'GFLOPS ([0-9.]+)': see that the metric is spelt as it prints it."
        ),
        "mend the metric, not the mapper",
    ),
    "no Legion program": (
        (
            "The mapper was not asked anything: true is no Legion program, or has Legion linked "
            "into it (mappertune needs a shared Legion library)."
        ),
        "not in force in true",
    ),
    "no such program": (
        "The program ./nothere was not found: see whether the path is right.",
        "mend the command, not the mapper",
    ),
}


@pytest.mark.parametrize("name", MAPPERS_ARE_NOT_TO_BLAME)
def test_no_change_is_suggested_where_the_mapper_is_not_to_blame(problem, name):
    raw, explanation = MAPPERS_ARE_NOT_TO_BLAME[name]
    found = explain(problem, evaluation_of(problem, HEAD, "execution_error", raw))
    assert any(explanation in each for each in found.explanations)
    assert not found.suggestions
