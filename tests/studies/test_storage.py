from __future__ import annotations

import errno

import optuna
import pytest

from studies import StorageError, StudyStore, UsageError


def trial(value=1.0):
    return optuna.trial.create_trial(
        value=value,
        params={"x": "a"},
        distributions={"x": optuna.distributions.CategoricalDistribution(("a", "b"))},
        user_attrs={"note": "n"},
        constraints={"valid": 1.0},
    )


@pytest.fixture(params=["journal", "sqlite"])
def location(request, tmp_path):
    path = tmp_path / "study"
    return f"sqlite:///{path}.db" if request.param == "sqlite" else f"{path}.journal"


def test_trials_and_notes_are_there_again(location):
    with StudyStore.open_study("s", location) as store:
        assert store.trials == []
        assert store.note("key") is None
        store.add(trial(1.0))
        store.add(trial(2.0))
        store.leave_note("key", {"a": [1]})
    with StudyStore.open_study("s", location) as store:
        assert [t.value for t in store.trials] == [1.0, 2.0]
        assert store.trials[0].params == {"x": "a"}
        assert store.trials[0].user_attrs == {"note": "n"}
        assert store.trials[0].constraints == {"valid": 1.0}
        assert store.note("key") == {"a": [1]}


def test_one_place_holds_several_studies(location):
    with StudyStore.open_study("s", location) as store:
        store.add(trial())
    with StudyStore.open_study("t", location) as store:
        assert store.trials == []


def test_a_trial_that_others_left_running_does_not_count(tmp_path):
    location = f"sqlite:///{tmp_path}/study.db"
    with StudyStore.open_study("s", location) as store:
        store.add(trial())
    optuna.load_study(study_name="s", storage=location).ask()
    with StudyStore.open_study("s", location) as store:
        assert len(store.trials) == 1


def test_a_journal_that_is_in_use_is_told(tmp_path):
    location = str(tmp_path / "study.journal")
    with (
        StudyStore.open_study("s", location),
        pytest.raises(StorageError, match="another process"),
        StudyStore.open_study("s", location),
    ):
        pass


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("redis://localhost/0", "unknown storage"),
        ("sqlit:///x.db", "sqlite://"),
        ("mysql://me:secret@localhost/x", "needs the Python package mysqlclient"),
    ],
)
def test_a_storage_that_cannot_be_had_is_told(location, sentence):
    with pytest.raises(UsageError, match=sentence), StudyStore.open_study("s", location):
        pass


def test_a_database_that_cannot_be_opened_is_told_in_one_line(tmp_path):
    url = f"sqlite:///{tmp_path}/missing/study.db"
    with (
        pytest.raises(StorageError, match="unable to open database file") as caught,
        StudyStore.open_study("s", url),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match="cannot make the folder"),
        StudyStore.open_study("s", str(tmp_path / "file" / "study.journal")),
    ):
        pass


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path, monkeypatch):
    location = str(tmp_path / "study.journal")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with StudyStore.open_study("s", location) as store:
        store.add(trial())
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            with pytest.raises(StorageError, match="no space left on device"):
                store.add(trial())
    with StudyStore.open_study("s", location) as store:
        assert len(store.trials) >= 1


def test_an_error_of_ours_is_not_taken_for_the_storages(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        StudyStore.open_study("s", str(tmp_path / "study.journal")),
    ):
        raise ZeroDivisionError
