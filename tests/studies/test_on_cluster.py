"""Studies on a Dask cluster: what they find does not depend on it, nor on who dies."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from studies import StorageError, StudyError, StudySpec, UsageError
from studies.dask_cluster import connected
from studies.dask_demands import Demands, described, misfit
from studies.dask_part import _CHILDREN, Ended, Part, _placed
from studies.errors import ClusterError
from studies.on_cluster import OnCluster
from studies.stop_rules import StopRules
from studies.storage import open_all_studies
from studies.worker import Done, Task
from studies.workspace import Workspace
from tests.studies.dask_workers import workers_of
from tests.studies.test_side_by_side import CASE, begin, found, setting

SILENT = StopRules()
SPECS = [StudySpec(tuner, 0, 25) for tuner in ("random", "coordinate")]

distributed = pytest.importorskip(
    "distributed", reason="distributed is not installed: pip install 'mappertune[distributed]'"
)
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own threads and sockets


def demands(folder, **changed) -> Demands:
    folder.mkdir(exist_ok=True)
    marker = folder / ".marker"
    marker.touch()
    return Demands(described(str(marker)), marker, folder, **changed)


def crew(cluster, folder, tell=pytest.fail, rules=SILENT, *, storage=None, **options):
    """Runs studies on a cluster, in a folder."""
    made = setting(folder, storage=storage)
    return OnCluster(cluster, made, rules, demands(folder), tell, **options)


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory):
    workspace, problem = Workspace(tmp_path_factory.mktemp("in turn")), CASE.problem()
    return found(workspace.run(CASE, problem, spec, begin(spec)) for spec in SPECS)


@pytest.fixture(scope="module")
def local():
    with connected("local:2", 1) as cluster:
        yield cluster


def test_studies_find_what_they_find_alone(local, tmp_path, in_turn):
    studies, seen = crew(local, tmp_path), {}

    def watch(spec):
        return lambda records: seen.update({spec: len(records)})

    assert found(studies.run(SPECS, watch)) == in_turn
    assert seen == dict.fromkeys(SPECS, 25)
    assert (studies.stopped_by, studies.tracked) == (None, False)


def test_a_process_that_dies_costs_its_study_nothing(local, tmp_path, in_turn):
    told, harmed = [], []
    studies = crew(local, tmp_path, told.append, jobs=1)

    def harm(spec):
        def observe(records):
            if records and not harmed:
                (child,) = _CHILDREN[studies._token]
                harmed.append(child)
                child.stop(signal.SIGKILL)

        return observe

    spec = dataclasses.replace(SPECS[0], trials=120)
    (result,) = studies.run([spec], harm)
    assert [record.number for record in result.records] == list(range(120))
    assert found([result])[0][1][:25] == in_turn[0][1]
    (sentence,) = told
    assert sentence.startswith("the process of random-seed0 was killed by signal 9; another one")


@pytest.fixture
def ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_stop_ends_all_in_order_and_what_there_is_is_kept(local, tmp_path):
    specs = [StudySpec("random", seed, 100_000) for seed in (0, 1, 2)]
    studies, begun = crew(local, tmp_path), set()

    def stop(spec):
        def observe(records):
            if records and spec not in begun:
                begun.add(spec)
                if len(begun) == 2:
                    signal.raise_signal(signal.SIGINT)

        return observe

    results = studies.run(specs, stop)
    assert studies.stopped_by == signal.SIGINT
    assert [result.spec for result in results] == specs[:2]
    assert all(result.interrupted and result.records for result in results)
    assert not _CHILDREN[studies._token]


def test_why_a_study_cannot_be_run_is_told_with_its_worker(local, tmp_path):
    studies = crew(local, tmp_path, storage="redis://me:s3cr3t@host")
    with pytest.raises(
        UsageError, match=r"on the Dask worker inproc\S+: unknown storage 'redis://\[key\]@host'"
    ):
        studies.run(SPECS, begin)


def test_workers_come_with_time(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.on_cluster.PATIENCE", 0.0)
    told = []
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, dashboard_address=None, memory_limit=0
        ) as cluster,
        connected_to(cluster) as ours,
    ):
        studies = crew(
            ours, tmp_path, lambda said: (told.append(said), cluster.scale(1)),
            rules=StopRules(seconds=1e-6),
        )  # fmt: skip
        (result,) = studies.run(SPECS[:1], begin)
    assert result.ended_by == "its time of 0 s is over"
    assert ["has no workers: the studies wait for them" in each for each in told] == [True]


def connected_to(cluster):
    """A connection to a scheduler of this process."""
    import contextlib

    from studies.dask_cluster import Cluster

    @contextlib.contextmanager
    def connect():
        with distributed.Client(cluster, set_as_default=False) as client:
            yield Cluster(client, "here")

    return connect()


def test_a_scheduler_that_goes_away_ends_the_command_in_a_sentence(tmp_path):
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        connected_to(cluster) as ours,
    ):
        studies = crew(ours, tmp_path)

        def leave(spec):
            cluster.close()
            return begin(spec)

        with pytest.raises(ClusterError, match="the Dask scheduler here has gone: what the"):
            studies.run(SPECS[:1], leave)


@pytest.mark.long
def test_what_dies_with_a_worker_is_run_again(tmp_path, in_turn):
    """Two workers in processes; one is killed with all that it has started."""
    told, killed = [], []
    url = f"sqlite:///{tmp_path}/studies.db"
    with (
        distributed.LocalCluster(
            n_workers=0, host="127.0.0.1", protocol="tcp", dashboard_address=None
        ) as cluster,
        workers_of(cluster.scheduler_address, tmp_path, 2) as workers,
        connected(cluster.scheduler_address, 2) as ours,
    ):
        studies = crew(ours, tmp_path, told.append, storage=url, sharing=None)

        def kill(spec):
            def observe(records):
                if len(records) > 10 and not killed:
                    killed.append(workers.processes[0])
                    workers.kill(workers.processes[0])
                    workers.start()

            return observe

        result = studies.run([dataclasses.replace(SPECS[0], trials=50)], kill)[0]
    assert killed
    with open_all_studies(url) as stored:
        (study,) = stored.values()
        trials = study.shared_study.trials
    assert [trial.number for trial in trials] == list(range(50))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert found([result])[0][1][:25] == in_turn[0][1]
    assert all("has gone" in each or "has no workers" in each for each in told)


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("circuit", "neither the address of a Dask scheduler, such as tcp://host:8786"),
        ("redis://me:s3cr3t@host:1", r"'redis://\[key\]@host:1' is neither the address"),
        ("local:0", "neither the address"),
        ("tls://127.0.0.1:1", "wants certificates"),
        ("pyproject.toml", "pyproject.toml is no file that a Dask scheduler has written"),
    ],
)
def test_places_that_are_no_cluster_are_told(where, sentence):
    with pytest.raises(UsageError, match=sentence), connected(where, 1):
        pass


def test_where_nobody_answers_is_told(monkeypatch):
    monkeypatch.setattr("studies.dask_cluster.SECONDS_TO_CONNECT", 0.2)
    with (
        pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1: "),
        connected("tcp://127.0.0.1:1", 1),
    ):
        pass


def test_that_dask_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(UsageError, match=r"pip install 'mappertune\[distributed\]'"),
        connected("local", 1),
    ):
        pass


@pytest.mark.parametrize(
    ("there", "asked", "why"),
    [
        ({"optuna": "4.9"}, {}, "has optuna 4.9, and here it is"),
        ({"python": "3.9"}, {}, "has python 3.9"),
        ({"mappertune": "9"}, {}, "has mappertune 9"),
        ({"code": "00"}, {}, "has other code of mappertune"),
        ({"host": "far"}, {"one_host": "a.db"}, "is on the host far, and a.db is a file of"),
        ({"host": "far"}, {}, None),
        ({"sees": False}, {"folder_for": "journals are"}, "does not see the folder"),
        ({"sees": False}, {}, None),
        ({}, {"one_host": "a.db", "folder_for": "journals are"}, None),
    ],
)
def test_what_keeps_a_worker_from_running_studies(tmp_path, there, asked, why):
    wanted = demands(tmp_path, **asked)
    said = misfit({**wanted.here, **there}, wanted)
    assert (said is None) == (why is None)
    assert (said or "").startswith(why or "")


def test_a_worker_that_does_not_fit_is_told_with_its_address(local, tmp_path):
    wanted = demands(tmp_path)
    ours = dataclasses.replace(wanted, here={**wanted.here, "optuna": "4.9"})
    with pytest.raises(UsageError, match=r"the Dask (scheduler|worker) \S+ has optuna 5"):
        local.check(ours)
    studies = OnCluster(local, setting(tmp_path), SILENT, ours, pytest.fail)
    with pytest.raises(UsageError, match=r"the Dask worker inproc\S+ has optuna 5"):
        studies.run(SPECS[:1], begin)
    assert local.check(wanted) == {os.uname().nodename}


def test_nothing_that_dask_might_log_tells_a_password(tmp_path):
    made = setting(
        tmp_path,
        storage="postgresql://me:s3cr3t@host/db",
        tracking_uri="http://me:s3cr3t@host",
        arguments=["mappertune", "--storage", "postgresql://me:s3cr3t@host/db"],
    )
    part = Part("1", 1, made, Task(SPECS[0], SILENT), True, demands(tmp_path), 1.0)
    ended = Ended(Done(None))
    assert "s3cr3t" not in f"{part!r} {made!r} {ended!r} {part.task!r}"
    assert repr(part) == "a part in random-seed0"


def test_errors_for_users_name_their_worker():
    placed = _placed(StorageError("storage x failed"), "tcp://a:1")
    assert (type(placed), str(placed)) == (
        StorageError,
        "on the Dask worker tcp://a:1: storage x failed",
    )
    other = OSError("disk full")
    assert _placed(other, "tcp://a:1") is other


def test_a_cluster_on_which_nothing_runs_is_told(local, tmp_path, monkeypatch):
    monkeypatch.setattr("studies.dask_cluster.take_part", broken)
    studies = crew(local, tmp_path)
    with pytest.raises(StudyError, match="the Dask cluster local cannot run studies: ValueError"):
        studies.run(SPECS[:1], begin)


def broken(part):
    raise ValueError("no such thing")


def test_a_journal_that_a_lost_process_has_is_waited_for(local, tmp_path, monkeypatch):
    """The worker of a study has died, and its process is about to notice."""
    monkeypatch.setattr("studies.on_cluster.BUSY_AGAIN", 0.1)
    told = []
    studies = crew(local, tmp_path, told.append, rules=StopRules(patience=1))
    location = tmp_path / CASE.name / f"{SPECS[0].name}.journal"
    location.parent.mkdir()
    from studies.journal import FileLock

    lock = FileLock(Path(location))
    assert lock.try_acquire()

    def lose(spec):
        studies._studies[0].lost_at = time.monotonic()
        return begin(spec)

    def release(sentence):
        told.append(sentence)
        lock.release()

    studies._tell = release
    (result,) = studies.run(SPECS[:1], lose)
    assert result.records
    assert ["another process is running a study" in each for each in told] == [True]
