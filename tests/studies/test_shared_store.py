"""One study in a database: whose trial is whose, and what becomes of those left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import optuna
import pytest
import sqlalchemy
from optuna.samplers import RandomSampler
from optuna.storages._rdb import models
from optuna.trial import TrialState

from dsl.owners import has_died, this_process
from studies import StudySpec, StudyStore, run_study
from studies.shared_storage import SharedStorage
from tuners.problems.start import Start

ELSEWHERE = "another-host/12/34"


BOTH = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module")
def dead():
    """The name of a process that has ended."""
    script = "from dsl.owners import this_process; print(this_process())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def run(problem, url, trials, *, tuner="tpe", observe=None):
    with StudyStore.open_study("toy", url) as store:
        return run_study(problem, StudySpec(tuner, 0, trials), store, observe=observe)


def leave_behind(url, owner, *, minutes=0, count=1):
    """Running trials of another process that gave its last sign of life some minutes ago."""
    with StudyStore.open_study("toy", url) as store:
        store.begin(RandomSampler(), [])
        for _ in range(count):
            trial = store.next_trial(1000)
            storage = store._storage
            storage._running.clear()
            with storage._session() as session:
                storage._change_owner(session, trial._trial_id, this_process(), owner)
                session.execute(
                    sqlalchemy.update(models.TrialHeartbeatModel).values(
                        heartbeat=datetime.now(UTC).replace(tzinfo=None)
                        - timedelta(minutes=minutes)
                    )
                )


def values(result):
    return [dict(record.values) for record in result.records]


def numbers(url):
    return [(trial.number, trial.state) for trial in stored_trials(url)]


def stored_trials(url):
    storage = optuna.storages.RDBStorage(url)
    try:
        return optuna.load_study(study_name="toy", storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def complete(count):
    return [(number, TrialState.COMPLETE) for number in range(count)]


def test_processes_have_names_by_which_they_are_known_to_live(dead):
    assert not has_died(this_process())
    assert has_died(dead)
    assert not has_died(ELSEWHERE)
    host, number, start = this_process().rsplit("/", 2)
    assert has_died(f"{host}/{number}/{start}0")  # another process of the same number
    assert not has_died(f"{host}/none/{start}")


@pytest.mark.parametrize(
    ("tuner", "url"),
    [("random", "sqlite"), ("tpe", "sqlite"), ("coordinate", "sqlite"), ("random", "postgresql")],
    indirect=["url"],
)
def test_a_trial_of_a_dead_process_is_run_again_under_its_number(
    make_toy_problem, url, dead, tmp_path, tuner
):
    whole = run(make_toy_problem(), str(tmp_path / "whole.journal"), 12, tuner=tuner)
    run(make_toy_problem(), url, 5, tuner=tuner)
    leave_behind(url, dead)
    result = run(make_toy_problem(), url, 12, tuner=tuner)
    assert numbers(url) == complete(12)
    assert values(result) == values(whole)


@BOTH
def test_a_trial_without_a_sign_of_life_is_run_again(toy_problem, url):
    leave_behind(url, ELSEWHERE, minutes=2)
    run(toy_problem, url, 4)
    assert numbers(url) == complete(4)


def test_running_trials_of_others_count_and_are_waited_for(toy_problem, url, dead):
    leave_behind(url, ELSEWHERE, count=2)
    found = []
    other = SharedStorage(url)

    def finish(records):
        if len(records) != 3:
            return
        for trial_id, _ in (owners := list_owners(other)):
            assert len(owners) == 2
            other.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
            found.append(trial_id)

    result = run(toy_problem, url, 5, tuner="random", observe=finish)
    other.close()
    assert len(found) == 2
    assert (len(result.records), result.elsewhere) == (5, 2)
    assert numbers(url) == complete(5)


def list_owners(storage):
    with storage._session() as session:
        return storage._owners(session, 1)


def test_ctrl_c_gives_a_trial_back_at_once(make_toy_problem, url):
    problem = make_toy_problem()
    evaluate = problem.evaluator.evaluate

    def stop(program, *, profile=False):
        if problem.evaluator.calls == 4:
            raise KeyboardInterrupt
        return evaluate(program, profile=profile)

    problem.evaluator.evaluate = stop
    assert run(problem, url, 10).interrupted
    storage = SharedStorage(url)
    assert [owner for _, owner in list_owners(storage)] == [None]
    storage.close()
    run(make_toy_problem(), url, 10)
    assert numbers(url) == complete(10)


def test_what_others_finish_before_the_first_trial_is_noticed(make_toy_problem, url, monkeypatch):
    def meanwhile(self, sampler, trials):
        monkeypatch.undo()
        run(make_toy_problem(), url, 3)
        self.begin(sampler, trials)

    monkeypatch.setattr("studies.shared_store.SharedStudyStore.begin", meanwhile)
    result = run(make_toy_problem(), url, 4)
    assert [record.number for record in result.records] == [0, 1, 2, 3]
    assert (result.resumed, result.elsewhere) == (0, 3)


@BOTH
def test_who_is_taken_for_dead_does_not_write(url):
    with StudyStore.open_study("toy", url) as slow:
        slow.begin(RandomSampler(), [])
        trial = slow.next_trial(1)
        trial.suggest_int("x", 1, 9)
        with slow._storage._session() as session:
            slow._storage._change_owner(session, trial._trial_id, this_process(), ELSEWHERE)
        assert slow.finish(trial, 1.0) is None
        assert slow.next_trial(1) is None
    (left,) = stored_trials(url)
    assert (left.state, left.params) == (TrialState.RUNNING, {})


@BOTH
def test_the_first_of_two_notes_stays(url):
    with StudyStore.open_study("toy", url) as first, StudyStore.open_study("toy", url) as second:
        assert first.note("key") is second.note("key") is None
        assert first.settle_note("key", {"a": 1}) == {"a": 1}
        assert second.settle_note("key", {"a": 2}) == {"a": 1}


@BOTH
def test_one_process_leads_until_it_dies(url, dead):
    with StudyStore.open_study("toy", url) as store:
        assert store.leads()
        assert store.leads()
        for process, until, leads in (
            (ELSEWHERE, 1e12, False),
            (ELSEWHERE, 1.0, True),
            (dead, 1e12, True),
        ):
            store.leave_note("mappertune:leader", {"process": process, "until": until})
            assert store.leads() == leads


def test_a_start_of_ones_own_is_tried_once(make_toy_problem, url):
    problem = make_toy_problem()
    problem.start = Start("default", problem.template.defaults())
    result = run(problem, url, 3, tuner="random")
    assert {name: dict(result.records[0].values)[name] for name in ("proc.a", "limit.a")} == {
        name: problem.start.values[name] for name in ("proc.a", "limit.a")
    }
    assert result.distinct == 3


MAKE = """
import sys
from studies.shared_storage import SharedStorage
SharedStorage(sys.argv[1]).close()
"""


@BOTH
def test_processes_may_make_the_tables_side_by_side(url):
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", MAKE, url], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[1] for process in processes] == ["", "", ""]


def test_threads_make_the_tables_side_by_side(tmp_path):
    for attempt in range(3):
        failures = []
        begin = threading.Barrier(4)

        def make(url=f"sqlite:///{tmp_path}/{attempt}.db", begin=begin, failures=failures):
            begin.wait()
            try:
                SharedStorage(url).close()
            except Exception as error:  # noqa: BLE001  (told below)
                failures.append(error)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


@BOTH
def test_a_trial_that_ends_while_trials_are_counted_is_no_room_for_another(url, monkeypatch):
    """The last of four is another process's, and ends between any two questions of a claim."""
    leave_behind(url, ELSEWHERE, count=4)
    with StudyStore.open_study("toy", url) as store:
        store.begin(RandomSampler(), [])
        storage = store._storage
        original, asked = type(storage)._owners, []

        def ended_meanwhile(self, session, study_id):
            asked.append(study_id)
            found = original(self, session, study_id)
            return found if len(asked) == 1 else found[:-1]

        monkeypatch.setattr(type(storage), "_owners", ended_meanwhile)
        assert store.next_trial(4) is None
        assert store.next_trial(5) is not None
