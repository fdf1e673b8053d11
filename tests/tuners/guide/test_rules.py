"""Every rule is heard where it should be, and says what it should say."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import dsl
import tuners.guide
from dsl.checks.diagnostics import CODES
from dsl.units import percent, seconds
from legion_bridge import Application, Machine
from legion_bridge.outcome import Outcome
from tests.dsl.checks.clashes import clash_at_one
from tests.dsl.checks.test_check import EXAMPLES, machine
from tuners import Evaluation, MapperProblem
from tuners.guide import Guidance, Rule, explain, load_rules, read_rules
from tuners.guide.predicates import PREDICATES
from tuners.guide.repairs import REPAIRS

GPUS = "Task * GPU,CPU; Region * * GPU FBMEM; Region * * CPU SYSMEM;\n"


@cache
def problem_of(name: str, on: str = "p100x4", nodes: int = 1) -> MapperProblem:
    parameters = {"nodes": nodes} if nodes > 1 else {}
    return MapperProblem(Application.load(name, **parameters), machine(on, nodes))


def guidance_on(text: str, name: str = "stencil", *place: object) -> Guidance:
    problem = problem_of(name, *place)
    return explain(problem, problem.evaluate_text(text))


def named(rule: str) -> Rule:
    return next(each for each in load_rules() if each.name == rule)


def said_of(raw: str, text: str = GPUS, name: str = "stencil") -> Guidance:
    """What is said where a run of the real runtime ended in these words."""
    problem = problem_of(name)
    program = dsl.parse(text)
    outcome = Outcome("execution_error", 0.0, problem.application.unit, raw=raw)
    return explain(problem, Evaluation(text, program, None, (), outcome, cached=False))


# What the runtime says


class Message(NamedTuple):
    """Words of a runtime, and parts of what they mean."""

    rule: str
    raw: str
    explanation: str


MESSAGES = [
    Message("function-with-colon", "syntax error, unexpected ':', expecting '{'", "colon"),
    Message("undefined-mapping-function", "mapping function blok is undefined", "blok"),
    Message("undefined-mapping-function", "the function f is not defined here", "function f"),
    Message("machine-not-found", "mgpu not found", "uses mgpu"),
    Message("stride-mismatch", "stride does not match expected value", "layout is unexpected"),
    Message("dgemm-parameter", "DGEMM parameter number 8 had an illegal value", "layout"),
    Message("dgemm-parameter", "** On entry DGEMM parameter 8 had an illegal value", "layout"),
    Message("index-out-of-bound", "Slice processor index out of bound", "leaves the machine"),
    Message("event-exists", "Assertion `event.exists()' failed", "Instance limits clash"),
    Message("execution-time", "Execution time is 0.03s", "0.03s"),
    Message("gflops", "GFLOPS: achieved 1843.2 GFLOPS", "1843.2"),
    Message(
        "allocation-failed",
        "Default mapper failed allocation of size 33554432 bytes for region  requirement 0 of "
        "task init (UID 11) in memory 1e00000000000000 (SYSTEM_MEM) for processor "
        "1d00000000000001 (LOC_PROC). This means the working set of your application is too big",
        "init finds no room for region argument 0, 33.6 MB a point",
    ),
    Message(
        "slices-miss-points",
        "Mapper returned slices with a total volume 3 that does not match the expected volume "
        "of 4 when slicing task init (ID 5).",
        "cover 3 of its 4 points",
    ),
    Message(
        "slices-overlap",
        "Duplicate future set! This can be either a runtime bug or a user error.",
        "run twice",
    ),
    Message("no-slices", "Mapper failed to specify any slices for task init (ID 5).", "no slices"),
    Message(
        "slice-on-no-processor",
        "Mapper returned a slice for task init (ID 5) with an invalid processor 0.",
        "init names a processor",
    ),
    Message(
        "no-valid-variant",
        "Failed to find any valid variants for task top_level on the current machine. All "
        "variants (IO_PROC ) for this task are for processor kinds which are not present.",
        "top_level was compiled for IO_PROC",
    ),
    Message("task-not-registered", "task 10 not registered on 1d00000000000000", "no variant"),
    Message(
        "invalid-variant",
        "Mapper failed to specify a valid task variant or generator",
        "does not have",
    ),
    Message(
        "illegal-ordering",
        "Illegal ordering constraint used during instance creation contained multiple instances "
        "of dimension 0",
        "dimension 0 twice",
    ),
    Message(
        "no-accessor",
        "Unable to create Realm AffineAccessor for field 101 of instance 4000 in task "
        "init(UID: 15).",
        "init was given",
    ),
    Message(
        "virtual-instance",
        "Illegal implicit mapping of a virtual mapped region in task init(UID: 15).",
        "init uses the data itself",
    ),
    Message(
        "co-location",
        "requires that field 2 of region requirements 1 be co-located with prior requirement 0 "
        "but it is not.",
        "0 and 1 need the same memory",
    ),
    Message(
        "single-map-leaves-node",
        "Assertion failed: the single task map of task_4 sends it to node 1, but its parent runs",
        "on the node of the task that launches it",
    ),
    Message("realm-copy-race", "Assertion 'read_pointer == max_entries'", "again"),
    Message("timed-out", "timed out after 60 s", "did not come to an end"),
    Message("syntax-error", "mapper:2:11: a ';' is missing", ""),
    Message("timed-out", "The program still ran after 60 seconds, and was stopped.", "waits"),
    *(
        Message(rule, f"mappertune: error: {raw}", explanation)
        for rule, raw, explanation in (
            (
                "mapper-out-of-memory",
                (
                    "out-of-memory: task stencil region 0: an instance of 7312896 bytes (SOA "
                    "F_order) cannot be made in SYSMEM, which has 1048576 bytes in all: name "
                    "another memory, or a layout that is smaller"
                ),
                (
                    "SYSMEM is full: stencil finds no room for private, 7.31 MB a point as SOA "
                    "F_order, in the 1.05 MB"
                ),
            ),
            (
                "mapper-map",
                (
                    "processor-range: task stencil: point (0) is mapped to processor -1 of node "
                    "0, but the machine has 1 nodes with 2 CPU processors each"
                ),
                "The map of stencil has no good answer",
            ),
            (
                "mapper-map",
                (
                    "proc-bounds: task stencil: mapper:3:24: CPU processor 2 is out of range: the "
                    "machine has 2 CPU processors per node at point (1) def f(Task t) { return "
                    "m[0, 1 + t.ipoint[0]]; }"
                ),
                "The map of stencil has no good answer",
            ),
            (
                "mapper-map",
                "division-by-zero: task stencil: mapper:3:29: 1 is divided by zero at point (0)",
                "The map of stencil has no good answer",
            ),
            (
                "mapper-load",
                "division-by-zero: policy: mapper:1:5: 1 is divided by zero x = 1 / 0;",
                "A top-level statement of the mapper fails (division-by-zero)",
            ),
            (
                "mapper-virtual",
                (
                    "virtual-leaf: task stencil region 0: it is mapped to VIRTUAL, but a leaf "
                    "task touches its data: name a memory"
                ),
                "stencil uses the data of private itself",
            ),
            (
                "mapper-variant",
                (
                    "no-variant: task stencil: it has no variant for any kind of processor that "
                    "this machine has"
                ),
                "stencil was not compiled for",
            ),
            (
                "mapper-alignment",
                "alignment: task stencil: an instance cannot be aligned to 0 bytes",
                "an alignment of stencil that no instance can have",
            ),
            (
                "mapper-memory",
                (
                    "memory: task stencil region 0: its processor does not see the memory of its "
                    "instance"
                ),
                "The instance of private of stencil",
            ),
            (
                "mapper-replicable",
                (
                    "not-replicable: task stencil: ControlReplicate names it, but none of its "
                    "variants is marked as replicable"
                ),
                "ControlReplicate names stencil",
            ),
            (
                "mapper-installation",
                (
                    "policy-version: policy: /tmp/p.so has version 2 of the interface, not "
                    "version 1: compile the mapper again"
                ),
                "how it was built or installed (policy)",
            ),
        )
    ),
    Message("crashed", "The program ended with signal 11 (SIGSEGV).", "crashed (SIGSEGV)"),
    Message("aborted", "The program ended with signal 6 (SIGABRT).", "the lines before"),
    Message(
        "killed",
        "The program was killed (SIGKILL): by the system, if its memory ran out.",
        "its own memory ran out",
    ),
    Message(
        "memory-limit",
        "The program took 45 MB of memory, more than the 1 MB that it may have, and was stopped.",
        "came to 45 MB and may have 1 MB",
    ),
    Message(
        "endless-output", "The program printed without end, and was stopped.", "what it printed"
    ),
    Message("exit-code", "no such input\nThe program ended with exit code 3.", "the code 3"),
    Message(
        "no-metric",
        "ELAPSED 0.03 s\nThe program ended well, but nothing that it printed matches "
        "'GFLOPS ([0-9.]+)': see that the metric is spelt as it prints it.",
        "not found by 'GFLOPS ([0-9.]+)'",
    ),
    Message(
        "not-asked",
        "The mapper was not asked anything: true is no Legion program, or has Legion linked into "
        "it (mappertune needs a shared Legion library).",
        "not in force in true",
    ),
    Message(
        "not-found",
        "The program ./nothere was not found: see whether the path is right.",
        "./nothere did not run at all",
    ),
]

MORE = ("-library", "-slow", "-maps")  # further suggestions of the rule before them


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.rule)
def test_what_a_runtime_says_is_explained(message):
    problem = problem_of("stencil")
    rule = named(message.rule)
    outcome = Outcome("execution_error", 0.0, problem.application.unit, raw=message.raw)
    case = Evaluation(GPUS, dsl.parse(GPUS), None, (), outcome, cached=False)
    explanations = explain(problem, case, rules=[rule]).explanations
    assert rule.raw.search(message.raw)
    assert message.explanation in " ".join(explanations)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.rule)
def test_a_message_is_heard_by_its_own_rule_alone(message):
    heard = {rule.name for rule in load_rules() if rule.raw and rule.raw.search(message.raw)}
    further = {f"{message.rule}{end}" for end in MORE}
    assert message.rule in heard
    assert heard <= {message.rule, *further, "syntax-error"}


FURTHER = [rule for rule in load_rules() if rule.raw is not None and rule.name.endswith(MORE)]


@pytest.mark.parametrize("rule", FURTHER, ids=lambda rule: rule.name)
def test_a_message_has_a_further_suggestion(rule):
    text = (
        "Task * CPU; Region * * CPU SYSMEM; Region * * GPU FBMEM; m = Machine(CPU);\n"
        "def f(Task t) { return m[0, t.ipoint[0] % m.size[1]]; }\nIndexTaskMap stencil f;"
    )
    base = re.sub(r"-[a-z]+$", "", rule.name)
    raw = next(m.raw for m in MESSAGES if m.rule == base).replace("task init", "task stencil")
    problem = problem_of("stencil")
    outcome = Outcome("execution_error", 0.0, problem.application.unit, raw=raw)
    evaluation = Evaluation(text, dsl.parse(text), None, (), outcome, cached=False)
    first = explain(problem, evaluation, rules=[rule]).suggestions[0]
    wanted = (
        "Task stencil GPU;" if rule.name == "timed-out-slow" else "IndexTaskMap stencil block1d"
    )
    assert wanted in first.statements


def test_every_rule_over_raw_text_has_a_message():
    told = {message.rule for message in MESSAGES}
    over_raw = {rule.name for rule in load_rules() if rule.raw is not None}
    further = {name for name in over_raw if name.endswith(MORE)}
    assert over_raw - further == told
    assert {re.sub(r"-[a-z]+$", "", name) for name in further} <= told


def test_guidance_follows_the_words_of_a_real_runtime():
    text = GPUS + "InstanceLimit stencil 1;\n"
    found = said_of("Assertion `event.exists()' failed.", text)
    assert "Instance limits clash" in found.explanations[0]
    assert found.suggestions[0].replaces == ("InstanceLimit stencil 1;",)
    text = GPUS + "Layout * * * SOA C_order;\n"
    found = said_of("stride does not match expected value", text)
    assert "F_order" in found.suggestions[0].statements


def test_more_tasks_go_to_gpus_where_there_is_no_profile():
    """Rule 8 of the paper, for runs of which the time alone is known."""
    problem = problem_of("stencil")
    text = "Task * CPU; Region * * CPU SYSMEM; Region * * GPU FBMEM;"
    program = dsl.parse(text)
    outcome = Outcome("ok", 1.0, "points/s", 3.0, "ELAPSED TIME = 3.000 s")

    class Silent:
        def evaluate(self, program, *, profile=False):
            return outcome

    silent = MapperProblem(problem.application, problem.machine, problem.template, Silent())
    found = explain(silent, Evaluation(text, program, None, (), outcome, cached=False))
    assert found.suggestions[0].rule == "execution-time"
    assert "Task stencil GPU;" in found.suggestions[0].statements


# What a check finds


def test_every_diagnostic_has_a_rule():
    assert {rule.diagnostic for rule in load_rules() if rule.diagnostic} == set(CODES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)
def test_a_diagnostic_is_explained(example, monkeypatch):
    if example.code == "limits-clash":
        clash_at_one(monkeypatch, "task_4")
    found = guidance_on(example.text, *example[-3:])
    rules = [rule for rule in load_rules() if rule.diagnostic == example.code]
    problem = problem_of(*example[-3:])
    said = next(d for d in problem.check(example.text) if d.code == example.code)
    assert any(rule.explanation for rule in rules)
    assert any(said.sentence.rstrip(".") in text for text in found.explanations)


ERRORS = [example for example in EXAMPLES if CODES[example.code].severity == "error"]


@pytest.mark.parametrize("example", ERRORS, ids=lambda example: example.code)
def test_an_error_is_mended(example, monkeypatch):
    if example.code == "limits-clash":
        clash_at_one(monkeypatch, "task_4")
    problem, text = problem_of(*example[-3:]), example.text
    if example.code == "no-variant":
        assert not guidance_on(text, *example[-3:]).suggestions
        return
    for _ in range(3):
        found = explain(problem, problem.evaluate_text(text))
        text = found.suggestions[0].apply(text)
        if problem.evaluate_text(text).outcome.ok:
            return
    pytest.fail(f"still wrong after three suggestions: {text}")


FURTHER_REPAIRS = {
    "load-fails-statement": ("x = 1 / 0;\nTask * GPU,CPU;", "- x = 1 / 0;"),
    "machine-undefined": ("q = mgpu.merge(0, 1);", "+ mgpu = Machine(GPU);"),
    "map-fails-machine": (
        "def f(Task t) { return mgpu[0, 0]; }\nIndexTaskMap stencil f;",
        "+ mgpu = Machine(GPU);",
    ),
    "map-leaves-machine-library": (
        "m = Machine(GPU);\ndef f(Task t) { return m[0, 9]; }\nIndexTaskMap stencil f;",
        "+ IndexTaskMap stencil block1d_GPU;",
    ),
}


@pytest.mark.parametrize("rule", FURTHER_REPAIRS)
def test_an_error_has_a_further_suggestion(rule):
    text, wanted = FURTHER_REPAIRS[rule]
    problem = problem_of("stencil")
    first = explain(problem, problem.evaluate_text(text), rules=[named(rule)]).suggestions[0]
    shown = [f"- {line}" for each in first.replaces for line in each.splitlines()]
    assert wanted in shown + [f"+ {line}" for line in first.statements.splitlines()]


@pytest.mark.parametrize("lower", [(3,), (-5,)])
def test_a_map_that_counts_from_zero_is_told_where_the_domain_begins(lower):
    stencil = Application.load("stencil")
    moved = replace(
        stencil,
        setup=tuple(replace(launch, lower=lower) for launch in stencil.setup),
        loop=tuple(replace(launch, lower=lower) for launch in stencil.loop),
    )
    problem = MapperProblem(moved, machine("p100x4"))
    text = (
        "m = Machine(GPU);\ndef f(Task t) { i = t.ipoint[0] * m.size[1] / t.ispace[0]; "
        "return m[0, i]; }\nIndexTaskMap GPU f;"
    )
    rules = [named("map-leaves-machine-lower"), named("map-fails-lower")]
    found = explain(problem, problem.evaluate_text(text), rules=rules)
    (suggestion,) = found.suggestions
    assert "(t.ipoint - t.ilower)[0] * m.size[1]" in suggestion.statements
    assert problem.evaluate_text(suggestion.apply(text)).outcome.ok


# Where the time goes


class Slow(NamedTuple):
    """A mapper with a flaw, and what is said of it."""

    rule: str
    application: str
    text: str
    explanation: str
    statements: str


ALL = "Region * * GPU FBMEM; Region * * CPU SYSMEM; Region * * OMP SYSMEM;\n"
ONE_GPU = "m = Machine(GPU);\ndef f(Task t) { return m[0, 0]; }\nIndexTaskMap GPU f;\n"
REVERSED = (
    "m = Machine(GPU);\ndef f(Task t) { return m[0, m.size[1] - 1 - t.ipoint[0] % m.size[1]]; }\n"
)
SLOW = [
    Slow("slow-processors", "stencil", f"Task * CPU; {ALL}", "runs on CPU", "Task stencil GPU;"),
    Slow(
        "made-elsewhere",
        "stencil",
        f"Task increment CPU; Task * GPU; {ALL}",
        "points is used on CPU by increment",
        "Task increment GPU;",
    ),
    Slow(
        "imbalance",
        "circuit",
        f"Task * GPU,CPU; {ALL}{ONE_GPU}",
        "run on 1 of 4 GPU",
        "IndexTaskMap calculate_new_currents",
    ),
    Slow(
        "needless-communication",
        "stencil",
        f"Task * GPU; {ALL}{REVERSED}IndexTaskMap increment f;",
        "memories of the same kind",
        "",
    ),
    Slow(
        "far-from-parent",
        "cannon",
        f"Task * GPU,OMP,CPU; {ALL}Layout * * * SOA C_order;\n"
        "m = Machine(GPU);\ndef f(Task t) { return m[0, 0]; }\nSingleTaskMap task_4 f;\n",
        "run on other processors than the task_5",
        "SingleTaskMap task_4 same_point_GPU;",
    ),
    Slow(
        "zero-copy-traffic",
        "circuit",
        f"Task * GPU,CPU; Region distribute_charge rp_private GPU ZCMEM; {ALL}",
        "reaches rp_private in ZCMEM",
        "FBMEM",
    ),
    Slow(
        "unsuited-layout",
        "stencil",
        f"Task * GPU; Layout * * * AOS F_order; {ALL}",
        "as AOS, which its code does not stream",
        "SOA",
    ),
    Slow(
        "layout-conversion",
        "stencil",
        f"Task * GPU; Layout increment private * AOS F_order; {ALL}",
        "is wanted as",
        "Layout increment private * SOA F_order;",
    ),
    Slow(
        "instance-limit",
        "circuit",
        f"Task * GPU,CPU; {ALL}InstanceLimit calculate_new_currents 1;",
        "The limit of 1 makes points of calculate_new_currents wait",
        "",
    ),
]


@pytest.mark.parametrize("slow", SLOW, ids=lambda slow: slow.rule)
def test_a_flaw_is_explained_and_a_remedy_suggested(slow):
    problem = problem_of(slow.application)
    evaluation = problem.evaluate_text(slow.text)
    assert evaluation.outcome.ok
    found = explain(problem, evaluation, most=20)
    rule = named(slow.rule)
    assert any(slow.explanation in text for text in found.explanations)
    own = explain(problem, evaluation, most=20, rules=[rule]).suggestions
    assert any(slow.statements in each.statements for each in own)
    better = problem.evaluate_text(own[0].apply(slow.text)).outcome
    assert better.throughput > evaluation.outcome.throughput


def test_a_success_is_explained_by_its_critical_path():
    text = problem_of("circuit").application.mappers["expert"]
    found = guidance_on(text, "circuit")
    assert "Critical path: " in found.explanations[0]
    assert "task calculate_new_currents" in found.explanations[0]


def test_it_is_told_how_full_memories_get():
    text = problem_of("cannon").application.mappers["expert"]
    told = guidance_on(text, "cannon").explanations[0]
    assert re.search(r"; in use at most: .*FBMEM [\d.]+ GB of 15.7 GB", told)
    assert "in use" not in guidance_on("Task * GPU,CPU;", "circuit").explanations[0]


def test_waits_that_cost_nothing_are_told_as_hidden():
    """All copies of Cannon's B are behind those of C, or behind products."""
    application, nodes = Application.load("cannon", nodes=2), Machine.load("lassen", nodes=2)
    problem = MapperProblem(application, nodes)
    evaluation = problem.evaluate_text(application.mappers["expert"])
    found = explain(problem, evaluation, rules=[named("copies")]).explanations
    profile = problem.simulation.evaluate(evaluation.program, profile=True).profile
    for region in ("B", "C"):
        waited = sum(s.seconds for s in profile.critical_path if s.region == region)
        share = percent(waited / profile.iteration, decimals=1)
        (said,) = [text for text in found if text.startswith(f"{region} is copied")]
        hidden = "all of it is hidden" in said
        assert hidden == (waited < 5e-4 * profile.iteration)
        assert hidden or f"an iteration waits {seconds(waited)} for that ({share})" in said


def test_a_busy_link_is_named_with_what_it_carries():
    found = guidance_on(f"Task increment CPU; Task * GPU; {ALL}")
    link = next(text for text in found.explanations if "of the time and carries" in text)
    assert "GB of points" in link


def test_a_region_that_goes_back_and_forth_is_put_into_one_memory():
    problem = MapperProblem(Application.load("stencil", nx=4000, ny=4000), machine())
    text = f"Task * GPU; Region increment private GPU ZCMEM; {ALL}"
    evaluation = problem.evaluate_text(text)
    rule = named("copies")
    found = explain(problem, evaluation, rules=[rule])
    assert "points is copied in every iteration" in found.explanations[0]
    assert found.suggestions[0].statements == "Region increment private GPU FBMEM;"
    better = problem.evaluate_text(found.suggestions[0].apply(text)).outcome
    assert better.throughput > 2 * evaluation.outcome.throughput


def test_a_memory_that_nearly_overflows_is_named():
    tight = Machine.load("p100x4")
    application = Application.load("stencil")
    problem = MapperProblem(application, tight)
    evaluation = problem.evaluate_text(f"Task * GPU; {ALL}")
    assert not any("A little more" in t for t in explain(problem, evaluation).explanations)
    profile = problem.evaluator.evaluate(evaluation.program, profile=True).profile
    peak = max(m.peak for m in profile.memories if m.name.startswith("FBMEM"))
    memories = dict(tight.memories)
    memories["FBMEM"] = replace(memories["FBMEM"], capacity=int(peak * 1.02))
    problem = MapperProblem(application, replace(tight, memories=memories))
    found = explain(problem, problem.evaluate_text(f"Task * GPU; {ALL}"))
    assert any("a little more data and the mapper fails" in text for text in found.explanations)


def test_launch_overhead_is_told_where_tasks_are_small():
    problem = MapperProblem(Application.load("stencil", nx=200, ny=200), machine())
    found = explain(problem, problem.evaluate_text(f"Task * GPU; {ALL}"))
    assert any("Waiting for the runtime's own work is" in text for text in found.explanations)


def test_collection_that_copies_again_is_told():
    problem = problem_of("pennant")
    text = problem.application.mappers["expert"] + "CollectMemory * *;\n"
    evaluation = problem.evaluate_text(text)
    found = explain(problem, evaluation, rules=[named("collection")])
    assert "is thrown away and copied again, about" in found.explanations[0]
    assert "qcs_force" in found.explanations[0]
    assert found.suggestions[0].replaces == ("CollectMemory * *;",)
    better = problem.evaluate_text(found.suggestions[0].apply(text)).outcome
    assert better.throughput > 3 * evaluation.outcome.throughput


def test_collection_is_not_blamed_for_other_copies():
    """The expert of Cannon collects tiles that it would have to copy again anyway."""
    problem = problem_of("cannon")
    text = problem.application.mappers["expert"]
    assert "CollectMemory task_4 *;" in text
    evaluation = problem.evaluate_text(text)
    assert not explain(problem, evaluation, rules=[named("collection")]).explanations


# The file


def test_rules_are_well_formed():
    for rule in load_rules():
        assert rule.profile is None or rule.profile in PREDICATES
        assert rule.move is None or rule.move in REPAIRS
        assert rule.explanation or rule.suggestion
    asked = {rule.profile for rule in load_rules() if rule.profile}
    assert asked == set(PREDICATES)


def test_the_nine_rules_of_the_paper_are_there():
    sources = {rule.source for rule in load_rules()}
    assert {f"paper {number}" for number in range(1, 10)} <= sources


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[rule]]\nname = "a"\nsource = ""\n', "just one of"),
        ('[[rule]]\nname = "a"\nsource = ""\nraw = "x"\nprofile = "y"\n', "just one of"),
        (
            '[[rule]]\nname = "a"\nsource = ""\nraw = "x"\nhint = "y"\n',
            "'hint' is unknown",
        ),
        ('[[rule]]\nname = "a"\nsource = ""\nraw = "x"\n' * 2, "two rules are named a"),
    ],
)
def test_a_wrong_file_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_rules(text)


def test_rules_of_ones_own_take_their_place():
    rules = read_rules(
        '[[rule]]\nname = "mine"\nsource = "me"\nraw = "boom (?P<what>.*)"\n'
        'explanation = "It went {what}."\n'
    )
    problem = problem_of("stencil")
    outcome = Outcome("execution_error", 0.0, "points/s", raw="boom bang")
    evaluation = Evaluation(GPUS, dsl.parse(GPUS), None, (), outcome, cached=False)
    assert explain(problem, evaluation, rules=rules).explanations == ("It went bang.",)


def test_the_package_exports_what_it_says():
    folder = Path(tuners.guide.__file__).parent
    assert (folder / "rules.toml").exists()
    assert all(hasattr(tuners.guide, name) for name in tuners.guide.__all__)
