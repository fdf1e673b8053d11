from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time

import optuna
import pytest

import dsl
from studies import StudyStore
from tests.studies.cli.conftest import SCRIPT


def test_tune_writes_a_mapper_that_is_as_fast_as_it_says(tune, ask, tmp_path):
    answer = tune("--trials", 30)
    assert answer.code == 0
    assert "x expert" in answer.out
    assert "30/30 trials" in answer.err
    mapper = tmp_path / "runs" / "stencil-p100x4-template" / "guided-seed0.mapper"
    assert str(mapper) in answer.out
    found = ask("eval", mapper, "--json").json
    assert found["over_expert"] > 0.9


def test_the_same_command_continues_a_study(tune):
    begun = tune("--trials", 20, "--json").json
    answer = tune("--trials", 40, "--json")
    resumed = answer.json
    assert (begun["trials"], begun["resumed"]) == (20, 0)
    assert (resumed["trials"], resumed["resumed"], resumed["distinct"]) == (40, 20, 40)
    assert resumed["best"] >= begun["best"]
    assert "20/40 trials" in answer.err  # says that it goes on
    assert "40 trials, 20 of them from earlier runs" not in answer.err
    again = tune("--trials", 40)
    assert "40 trials, 40 of them from earlier runs" in again.out


def test_rules_end_a_study_that_goes_on_without_them(tune):
    ended = tune("--tuner", "random", "--trials", 30, "--patience", 3)
    assert ended.code == 0
    assert "trials, not 30: 3 trials in a row were no faster than the best" in ended.out
    near = tune("--trials", 30, "--stop-after", 0.9, "--json").json
    assert (near["trials"], near["of_floor"] > 0.9) == (1, True)
    assert near["ended_by"].startswith("the best mapper is at 9")
    late = tune("--tuner", "random", "--trials", 30, "--time-limit", "0.001s", "--json").json
    assert late["trials"] == late["resumed"] > 3
    whole = tune("--tuner", "random", "--trials", 30, "--json").json
    assert (whole["trials"], whole["ended_by"]) == (30, None)


def test_a_program_that_is_measured_has_no_floor(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = ask("tune", "--command", "./program", "--stop-after", 0.9)
    assert (answer.code, "which simulated runs alone have" in answer.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_seeds_and_tuners_have_studies_of_their_own(tune, tmp_path):
    for words in (["--seed", 1], ["--tuner", "random"], []):
        assert tune("--trials", 3, *words).code == 0
    names = {path.name for path in (tmp_path / "runs").rglob("*.journal")}
    assert names == {"guided-seed1.journal", "random-seed0.journal", "guided-seed0.journal"}


def test_a_study_lives_in_any_storage(tune, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    assert tune("--trials", 3, "--storage", url).code == 0
    assert tune("--trials", 5, "--storage", url, "--json").json["resumed"] == 3
    (study,) = optuna.get_all_study_summaries(url)
    assert study.n_trials == 5


def test_another_template_in_the_same_place_is_refused(tune, space):
    assert tune("--trials", 3).code == 0
    space.write_text(space.read_text().replace("Task * GPU,CPU;", ""))
    answer = tune("--trials", 6)
    assert answer.code == 2
    assert "another template" in answer.err


def values_of_first(tmp_path, tuner):
    journal = tmp_path / "runs" / "stencil-p100x4-template" / f"{tuner}-seed0.journal"
    return values_in(journal)[0][0]


@pytest.mark.parametrize("tuner", ["random", "tpe", "guided", "one-plus-one"])
def test_every_tuner_starts_from_the_defaults_unless_told_otherwise(tune, space, tmp_path, tuner):
    found = tune("--trials", 2, "--tuner", tuner, "--json").json
    assert (found["start"], found["best_trial"]) == ("default", 0)
    assert values_of_first(tmp_path, tuner) == dsl.Template(space.read_text()).defaults()


def test_a_study_starts_from_the_mapper_of_a_file(tune, tmp_path):
    mapper = tmp_path / "mine.mapper"
    mapper.write_text("Task stencil CPU;\nTask * GPU,CPU;\nInstanceLimit stencil 3;\n")
    assert tune("--trials", 1, "--tuner", "random", "--start", mapper).code == 0
    assert values_of_first(tmp_path, "random")["proc.stencil"] == "CPU"
    best = tmp_path / "runs/stencil-p100x4-template/random-seed0.mapper"
    assert "InstanceLimit stencil 3;" in best.read_text()  # though no value says it
    refused = tune("--trials", 2, "--tuner", "random", "--start", "expert")
    assert refused.code == 2
    assert "is of another start (mapper " in refused.err
    mapper.write_text("Task stencil CPU;;")
    assert "is no mapper: " in tune("--start", mapper).err
    assert "cannot read nowhere" in tune("--start", "nowhere").err


def test_who_starts_from_the_expert_is_no_slower(tune):
    found = tune("--trials", 1, "--tuner", "random", "--start", "expert", "--json").json
    assert (found["start"], found["best_over_expert"]) == ("expert", 1.0)


def test_where_no_start_is_wanted_the_tuner_chooses(tune, tmp_path, space):
    found = tune("--trials", 2, "--tuner", "random", "--start", "none", "--json").json
    assert found["start"] is None
    assert values_of_first(tmp_path, "random") != dsl.Template(space.read_text()).defaults()


def test_a_folder_that_cannot_be_written_is_told(ask, tmp_path, space):
    (tmp_path / "file").write_text("")
    words = ["tune", "stencil", "--template", space, "--trials", 3, "--no-mlflow"]
    answer = ask(*words, "--output", tmp_path / "file" / "runs")
    assert answer.code == 1
    assert "cannot make the folder" in answer.err
    answer = ask(*words, "--output", "/proc/runs")
    assert answer.code == 1
    assert "cannot make the folder /proc/runs" in answer.err


class Command:
    """``mappertune tune`` as a process of its own."""

    def __init__(self, tmp_path, space, trials, **settings):
        self.journal = tmp_path / "runs" / "stencil-p100x4-template" / "random-seed0.journal"
        words = ["tune", "stencil", "--tuner", "random", "--template", str(space), "--no-mlflow"]
        words += ["--output", str(tmp_path / "runs"), "--trials", str(trials)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **settings,
        )

    def wait_for_trials(self, count):
        deadline = time.monotonic() + 60
        while self.trials_in_file() < count:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def trials_in_file(self):
        if not self.journal.exists():
            return 0
        return self.journal.read_bytes().count(b'"mappertune:normal_form"')

    def end(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def test_ctrl_c_leaves_a_study_that_resumes(tmp_path, space, tune):
    command = Command(tmp_path, space, 500)
    command.wait_for_trials(5)
    command.process.send_signal(signal.SIGINT)
    code, _, err = command.end()
    assert code == 130
    assert "the same command continues the study" in err
    assert "Traceback" not in err
    kept = command.trials_in_file()
    assert 5 <= kept < 500
    answer = tune("--tuner", "random", "--trials", kept + 10, "--json")
    assert answer.code == 0, answer.err
    resumed = answer.json
    assert (resumed["resumed"], resumed["trials"]) == (kept, kept + 10)
    assert resumed["distinct"] == kept + 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_like_ctrl_c(tmp_path, space, tune, number):
    command = Command(tmp_path, space, 500)
    command.wait_for_trials(5)
    command.process.send_signal(number)
    code, out, err = command.end()
    assert code == 128 + number
    assert "the same command continues the study" in err
    assert "x expert" in out
    assert command.journal.with_suffix(".mapper").exists()
    kept = command.trials_in_file()
    resumed = tune("--tuner", "random", "--trials", kept + 3, "--json").json
    assert (resumed["resumed"], resumed["distinct"]) == (kept, kept + 3)


def test_a_damaged_journal_is_told_and_repaired(tmp_path, tune):
    assert tune("--trials", 6).code == 0
    journal = tmp_path / "runs" / "stencil-p100x4-template" / "guided-seed0.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    place = [number for number, line in enumerate(lines) if b'"trial":' in line][3]
    journal.write_bytes(b"".join([*lines[:place], lines[place][:50] + b"\n", *lines[place + 1 :]]))
    answer = tune("--trials", 6)
    assert answer.code == 1
    assert f"{journal} is damaged in line {place + 1}" in answer.err
    assert "--repair" in answer.err
    answer = tune("--trials", 6, "--repair", "--json")
    assert answer.code == 0
    assert (answer.json["resumed"], answer.json["trials"]) == (5, 6)
    assert "5 good trials are kept" in answer.err


@pytest.mark.parametrize("count", [1, 8])
def test_kill_9_loses_at_most_the_running_trial(tmp_path, space, tune, count):
    command = Command(tmp_path, space, 500)
    command.wait_for_trials(count)
    command.process.kill()
    kept_at_least = command.trials_in_file()
    command.end()
    begun = time.monotonic()
    resumed = tune("--tuner", "random", "--trials", kept_at_least + 12, "--json").json
    assert time.monotonic() - begun < 15  # no lock of the dead is waited for
    assert resumed["resumed"] in (kept_at_least, kept_at_least + 1)
    assert resumed["trials"] == resumed["distinct"] == kept_at_least + 12
    whole = tune("--tuner", "random", "--trials", kept_at_least + 12, "--storage", tmp_path / "w")
    assert values_in(tmp_path / "w") == values_in(command.journal)
    assert whole.code == 0


def values_in(journal):
    tuner = journal.stem if journal.suffix == ".journal" else "random-seed0"
    name = f"stencil-p100x4-template-{tuner}"
    with StudyStore.open_study(name, str(journal)) as store:
        return [(trial.params, trial.value) for trial in store.trials]


def test_a_full_disk_is_told_and_the_study_resumes(tmp_path, space, tune):
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = Command(tmp_path, space, 500, preexec_fn=little_room)
    code, out, err = command.end()
    assert code == 1
    assert out == ""
    assert "cannot write to" in err
    assert "file too large" in err
    assert "Traceback" not in err
    kept = command.trials_in_file()
    resumed = tune("--tuner", "random", "--trials", kept + 20, "--json").json
    assert resumed["resumed"] in (kept - 1, kept)  # the last line may be torn
    assert resumed["distinct"] == kept + 20
