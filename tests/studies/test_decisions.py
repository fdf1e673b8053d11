"""What statements and decisions gain, against outcomes that are worked out by hand or anew."""

from __future__ import annotations

import json

import pytest

import dsl
from legion_bridge.outcome import Outcome
from studies.cli import main
from studies.decision_gains import decision_gains
from studies.suite import Case
from tuners.problems.statement_gains import Gain, statement_gains


def outcome(throughput, status="ok"):
    return Outcome(status, throughput, "toys/s", raw="" if throughput else "no room")


def test_each_statement_stands_beside_the_mapper_without_it():
    whole, found = statement_gains(
        _toy, "Task * GPU;\nRegion * a GPU FBMEM;\nRegion * b GPU ZCMEM;"
    )
    assert whole.throughput == 10.0
    told = [(each.label, each.line, each.by.told) for each in found]
    assert told == [
        ("Task GPU", 1, "needed"),
        ("Region a FBMEM", 2, "+25 %"),
        ("Region b ZCMEM", 3, "-50 %"),
    ]


def _toy(text):
    if "Task" not in text:
        return outcome(0.0, "execution_error")
    return outcome(10.0 * (1 if " a " in text else 0.8) * (1 if " b " in text else 2))


def test_a_definition_goes_with_what_uses_it():
    text = (
        "Task * GPU;\nm = Machine(GPU);\ndef f(Task task) { return m[0, 0]; }\nIndexTaskMap t f;"
    )
    seen = []
    statement_gains(lambda text: seen.append(text) or outcome(1.0), text)
    assert [len(dsl.parse(each).statements) for each in seen] == [4, 3, 1, 2, 3]


def test_what_is_not_tried_is_told_and_a_mapper_that_fails_has_no_gains():
    _, found = statement_gains(_toy, "Task * GPU;\nRegion * a GPU FBMEM;", most=1)
    assert [each.by.told for each in found] == ["needed", "not tried"]
    whole, found = statement_gains(_toy, "Region * a GPU FBMEM;")
    assert (whole.ok, found) == (False, [])


@pytest.mark.parametrize(
    ("gain", "told"),
    [
        (0.244, "+24 %"),
        (0.014, "+1.4 %"),
        (-0.19, "-19 %"),
        (24.0, "25 times as fast"),
        (3e-8, "under +0.01 %"),
        (0.0, "changes nothing"),
        (None, "not tried"),
    ],
)
def test_gains_are_told_in_few_digits(gain, told):
    assert Gain(None, gain).told == told


def test_labels_stay_different():
    text = "Region * a GPU FBMEM;\nRegion * a CPU FBMEM;"
    _, found = statement_gains(lambda _: outcome(1.0), text)
    assert [each.label for each in found] == ["Region * a GPU FBMEM", "Region * a CPU FBMEM"]


@pytest.fixture(scope="module")
def circuit():
    return Case("circuit").problem()


def test_decisions_stand_beside_those_of_the_expert(circuit):
    def evaluate(text):
        return circuit.evaluate_text(text, check=False).outcome

    expert = circuit.application.mappers["expert"]
    found, unmoved = decision_gains(circuit, evaluate, "Task * GPU,CPU;", expert)
    assert unmoved == 0
    by_label = {each.label: each for each in found}
    shared = by_label["Region rp_shared FBMEM"]
    slower = evaluate("Region * rp_shared GPU ZCMEM; Task * GPU,CPU;").throughput
    faster = evaluate("Task * GPU,CPU;").throughput
    assert shared.by.gain == pytest.approx(faster / slower - 1)
    assert shared.theirs == "ZCMEM"
    assert found[0] is shared  # the most important first


def test_a_mapper_does_not_differ_from_itself(circuit):
    expert = circuit.application.mappers["expert"]
    assert decision_gains(circuit, lambda _: outcome(1.0), expert, expert) == ([], 0)


def test_explain_tells_decisions(tmp_path, capsys):
    file = tmp_path / "my.mapper"
    file.write_text("# mapper of circuit: mine\nTask * GPU,CPU;\nRegion * rp_shared GPU FBMEM;\n")
    assert main(["explain", str(file), "--decisions"]) == 0
    told = capsys.readouterr().out
    assert "Region rp_shared FBMEM: +28 % (there ZCMEM)" in told
    assert "2 of 2 change nothing alone" in told
    assert main(["explain", str(file), "--decisions", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["decisions"][0]["decision"] == "Region rp_shared FBMEM"
    assert [each["line"] for each in found["statements"]] == [2, 3]
    assert found["reference"] == "expert"


def test_explain_tells_where_nothing_runs(tmp_path, capsys):
    file = tmp_path / "my.mapper"
    outside = "m = Machine(GPU);\ndef f(Task task) { return m[9, 0]; }\nIndexTaskMap GPU f;\n"
    for text in (f"Task * GPU;\n{outside}", "Task * GPU"):
        file.write_text(f"# mapper of circuit: mine\n{text}")
        assert main(["explain", str(file), "--decisions"]) == 1
        assert "does not run" in capsys.readouterr().out
    assert main(["explain", str(file), "--decisions", "--verify"]) == 2
    assert "--decisions" in capsys.readouterr().err
