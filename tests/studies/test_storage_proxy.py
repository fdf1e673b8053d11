"""A shared study behind the gRPC proxy: the same as in the database itself."""

from __future__ import annotations

import subprocess
import sys

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages._grpc.server import make_server

from dsl.owners import this_process
from studies import StorageError, StudySpec, StudyStore, UsageError, run_study
from studies.storage import open_all_studies, serve_database
from studies.storage_proxy import NONE, ServedStorage
from tests.studies.postgresql_server import free_port
from tests.studies.test_shared_store import BOTH, complete, dead, numbers, values

__all__ = ["dead"]

pytest.importorskip(
    "grpc", reason="grpcio is not installed: pip install 'mappertune[distributed]'"
)
ELSEWHERE = "another-host/12/34"


@pytest.fixture
def served(url):
    """A proxy of a database, in this process: what it has, and its address."""
    storage = ServedStorage(url)
    port = free_port()
    server = make_server(storage, "localhost", port)
    server.start()
    yield storage, f"grpc://localhost:{port}"
    server.stop(None).wait()
    storage._backend.remove_session()
    storage._backend.engine.dispose()


def run(problem, location, trials, tuner="tpe"):
    with StudyStore.open_study("toy", location) as store:
        return run_study(problem, StudySpec(tuner, 0, trials), store)


@BOTH
def test_a_study_behind_a_proxy_is_what_it_is_without(make_toy_problem, served, url, tmp_path):
    alone = run(make_toy_problem(), str(tmp_path / "alone.journal"), 8)
    run(make_toy_problem(), served[1], 5)
    assert values(run(make_toy_problem(), served[1], 8)) == values(alone)
    assert numbers(url) == complete(8)
    assert len(values(run(make_toy_problem(), url, 8))) == 8  # which the database has whole


def test_a_trial_of_a_dead_process_is_run_again_under_its_number(
    make_toy_problem, served, url, dead, tmp_path
):
    alone = run(make_toy_problem(), str(tmp_path / "alone.journal"), 6, "random")
    run(make_toy_problem(), served[1], 3, "random")
    assert served[0].claim(1, 100, dead) is not None
    result = run(make_toy_problem(), served[1], 6, "random")
    assert values(result) == values(alone)
    assert numbers(url) == complete(6)


def test_who_is_taken_for_dead_does_not_write_and_who_stops_gives_back(served):
    storage, address = served
    with StudyStore.open_study("toy", address) as slow:
        slow.begin(RandomSampler(), [])
        lost, left = slow.next_trial(2), slow.next_trial(2)
        assert slow.next_trial(2) is None
        lost.suggest_int("x", 1, 9)
        with storage._session() as session:
            assert storage._change_owner(session, lost._trial_id, this_process(), ELSEWHERE)
        assert slow.finish(lost, 1.0) is None
        slow._storage._beat(left._trial_id)
    with storage._session() as session:
        assert dict(storage._owners(session, 1)) == {
            lost._trial_id: ELSEWHERE,
            left._trial_id: None,
        }


def test_the_first_of_two_notes_stays_and_one_process_leads(served):
    with (
        StudyStore.open_study("toy", served[1]) as first,
        StudyStore.open_study("toy", served[1]) as second,
    ):
        assert first.settle_note("key", {"a": 1}) == {"a": 1}
        assert second.settle_note("key", {"a": 2}) == {"a": 1}
        assert first.leads()
        first.leave_note("mappertune:leader", {"process": ELSEWHERE, "until": 1e12})
        assert not second.leads()
        first.leave_note("mappertune:leader", {"process": ELSEWHERE, "until": 1.0})
        assert second.leads()


def test_studies_are_listed_through_a_proxy(toy_problem, served):
    run(toy_problem, served[1], 3)
    with open_all_studies(served[1]) as studies:
        assert [len(study.trials) for study in studies.values()] == [3]


def test_another_proxy_and_none_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.storage_proxy.SECONDS_TO_CONNECT", 0.3)
    port = free_port()
    address = f"grpc://localhost:{port}"
    with (
        pytest.raises(StorageError, match="no gRPC proxy answers at localhost:"),
        StudyStore.open_study("toy", address),
    ):
        pass
    storage = optuna.storages.get_storage(f"sqlite:///{tmp_path}/other.db")
    server = make_server(storage, "localhost", port)
    server.start()
    with (
        pytest.raises(StorageError, match="is another one, which knows no shared studies"),
        StudyStore.open_study("toy", address),
    ):
        pass
    with pytest.raises(StorageError, match=f"localhost:{port} is in use"):
        serve_database(
            f"sqlite:///{tmp_path}/a.db", "localhost", port, threads=1, ready=pytest.fail
        )
    server.stop(None).wait()


def test_a_proxy_that_goes_away_is_told(url):
    storage, port = ServedStorage(url), free_port()
    server = make_server(storage, "localhost", port)
    server.start()
    with StudyStore.open_study("toy", f"grpc://localhost:{port}") as store:
        server.stop(None).wait()
        with pytest.raises(
            StorageError, match=f"storage grpc://localhost:{port} failed: .*onnect"
        ):
            store.leave_note("a", 1)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("grpc://localhost", "is no address of a gRPC proxy, which is grpc://HOST:PORT"),
        ("grpc://me:s3cr3t@localhost:1", r"'grpc://\[key\]@localhost:1' is no address"),
    ],
)
def test_addresses_that_are_none_are_told(location, sentence):
    with pytest.raises(UsageError, match=sentence), StudyStore.open_study("toy", location):
        pass


@pytest.mark.parametrize("location", ["some.journal", "grpc://localhost:1"])
def test_what_is_no_database_is_not_passed_on(location, tmp_path):
    with pytest.raises(UsageError, match="is no database: only one can be passed on"):
        serve_database(location, "localhost", free_port(), threads=1, ready=pytest.fail)


def test_the_command_serves_until_it_is_stopped(url):
    script = "import sys; from studies.cli import main; sys.exit(main(sys.argv[1:]))"
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, "proxy", url, "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    told = process.stderr.readline()
    with StudyStore.open_study("toy", f"grpc://localhost:{port}") as store:
        assert store._storage.create_new_trial(1) != NONE
    process.terminate()
    process.communicate()
    assert f"is at --storage grpc://localhost:{port}, without a password" in told
    assert process.returncode == 143
