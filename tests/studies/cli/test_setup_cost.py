"""What the program's clock does not show: how it is told, and how it is made to count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, Outcome
from studies.errors import UsageError
from studies.records import StudySpec
from studies.run import run_study
from studies.setup_cost import SetupCost
from studies.storage import StudyStore
from studies.suite import Case
from tuners import MapperProblem
from tuners.finished_trial import FinishedTrial
from tuners.llm.prompts.trial_formatter import TrialFormatter

SMALL = {"wires": 200, "circuit_nodes": 100}
SIZES = ("-p", "wires=200", "-p", "circuit_nodes=100")
SPACE = "Task * ${kind: GPU | CPU};"


class Judge:
    """CPUs are faster by the clock, and set up ten times as long."""

    def evaluate(self, program: dsl.Program, *, profile: bool = False) -> Outcome:
        on_cpu = "Task * CPU;" in str(program.source)
        setup = 5.0 if on_cpu else 0.5
        rate = 2.0 if on_cpu else 1.0
        return Outcome("ok", rate, "wires/s", 1.0, "", setup=setup, whole=setup + 1.0)


def problem(objective: Any = None, judge: Any = None) -> MapperProblem:
    program, machine = Application.load("circuit", **SMALL), Machine.load("p100x4")
    return MapperProblem(program, machine, dsl.Template(SPACE), judge, objective)


def studied(folder: Path, made: MapperProblem, name: str = "study") -> Any:
    with StudyStore.open_study("study", str(folder / f"{name}.journal")) as store:
        return run_study(made, StudySpec("random", 0, 6), store)


def test_a_setup_that_grew_is_told(tmp_path: Path) -> None:
    result = studied(tmp_path, problem(judge=Judge()))
    assert result.setup == SetupCost("timed", 5.0, 6.0, 0.5, 1.5)
    assert result.setup.growth == 10.0
    assert next(r.setup for r in result.records if r.throughput == 2.0) == 5.0
    told = result.as_json()
    assert (told["setup_grew"], told["setup_growth"], told["objective"]) == (True, 10.0, "timed")
    assert result.setup.warning("expert") == (
        "its setup takes 10.00 times that of the expert, which the throughput does not show: "
        "--objective whole counts it"
    )
    assert result.setup.described("expert") == (
        "setup 5.000 s, whole run 6.000 s (expert: 500.000 ms, 1.500 s)"
    )


@pytest.mark.parametrize(
    ("cost", "grew"),
    [
        (SetupCost("timed", 1.2, 2.0, 1.0, 2.0), False),
        (SetupCost("timed", 1.21, 2.0, 1.0, 2.0), True),
        (SetupCost("timed", 1.0, 2.0, 0.0, 1.0), False),
        (SetupCost(), False),
    ],
)
def test_a_fifth_is_no_growth(cost: SetupCost, grew: bool) -> None:
    assert cost.grew == grew
    assert bool(cost.warning("expert")) == grew


def test_the_whole_run_may_be_what_counts() -> None:
    program, machine = Application.load("circuit", **SMALL), Machine.load("p100x4")
    text = program.mappers["expert"]
    timed = Evaluator(program, machine).evaluate(dsl.parse(text))
    whole = problem("whole").evaluate_text(text).outcome
    assert timed.elapsed is not None
    assert timed.whole is not None
    assert whole.throughput == pytest.approx(timed.throughput * timed.elapsed / timed.whole)
    assert (whole.elapsed, whole.setup, whole.whole) == (timed.elapsed, timed.setup, timed.whole)


def test_an_evaluator_says_itself_what_it_judges() -> None:
    program, machine = Application.load("circuit", **SMALL), Machine.load("p100x4")
    judge = Evaluator(program, machine, "whole")
    assert problem(judge=judge).objective == "whole"
    with pytest.raises(ValueError, match="over the timed part of a run"):
        problem("whole", Judge())


def test_studies_of_two_objectives_are_not_mixed(tmp_path: Path) -> None:
    names = {Case("circuit", parameters=SMALL, objective=each).name for each in ("timed", "whole")}
    assert len(names) == 2
    studied(tmp_path, problem())
    with pytest.raises(UsageError, match=r"of another objective \(timed, not whole\)"):
        studied(tmp_path, problem("whole"))


def test_the_model_is_told_what_counts() -> None:
    assert "what the setup costs does not count" in problem().describe()
    assert "what the setup costs counts as well" in problem("whole").describe()


def test_tune_takes_it(ask: Callable[..., Any], tmp_path: Path) -> None:
    common = (*SIZES, "--tuner", "random", "--trials", 3, "--no-mlflow", "--output", tmp_path)
    timed = ask("tune", "circuit", *common, "--json").json
    answer = ask("tune", "circuit", *common, "--objective", "whole")
    assert "beside it" in answer.out
    assert "whole run" in answer.out
    whole = ask("tune", "circuit", *common, "--objective", "whole", "--json").json
    assert whole["resumed"] == 3
    assert (timed["objective"], whole["objective"]) == ("timed", "whole")
    assert whole["expert"] < timed["expert"]
    assert whole["reference_whole"] == timed["reference_whole"]


def test_compare_shows_it(ask: Callable[..., Any], tmp_path: Path) -> None:
    common = (*SIZES, "--tuners", "random", "--seeds", 1, "--trials", 2, "--no-mlflow")
    answer = ask("compare", "circuit", *common, "--output", tmp_path)
    assert "its setup does not count in the throughput" in answer.out
    assert "whole run" in answer.out
    found = ask("compare", "circuit", *common, "--output", tmp_path, "--json").json
    (study,) = found["studies"]
    assert study["setup"] > 0
    assert study["setup_grew"] in (True, False)


@pytest.mark.filterwarnings("ignore")  # of MLflow, which is asked here
def test_mlflow_has_it(ask: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from studies.tracking import Tracker

    common = (*SIZES, "--tuner", "random", "--trials", 2, "--output", tmp_path)
    found = ask("tune", "circuit", *common, "--objective", "whole", "--json").json
    client = Tracker(tmp_path, report=lambda said: None).client()
    (experiment,) = [e for e in client.search_experiments() if e.name.startswith("circuit")]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["objective"] == "whole"
    assert run.data.metrics["best_setup"] == found["setup"]
    assert run.data.metrics["expert_whole"] == found["reference_whole"]
    steps = client.get_metric_history(run.info.run_id, "whole")
    assert [metric.step for metric in steps] == [0, 1]


def test_a_prompt_has_it() -> None:
    formatter = TrialFormatter(problem(), "raw")
    trial = FinishedTrial(0, {}, 0.0, -2.0, 2.0, setup=0.25)
    assert formatter.score(trial) == "2 wires/s (setup 250.000 ms)"
    assert formatter.score(FinishedTrial(0, {}, 0.0, -2.0, 2.0)) == "2 wires/s"
