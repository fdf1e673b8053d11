"""One stored study: its finished trials, notes, and the trials that are run now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.samplers import RandomSampler
from optuna.study._tell import _tell_with_warning
from optuna.trial import TrialState

from studies.errors import StorageError, UsageError
from studies.files import why
from tuners.problems.start import Start
from tuners.redaction import process_redactor

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

    from studies.journal import JournalStudy

__all__ = ["StoredStudy", "reported"]


class StoredStudy:
    """One stored study, which this process runs alone: its loop runs in memory.

    Attributes:
        location: Where it is kept, without passwords.
    """

    def __init__(self, study: optuna.Study | JournalStudy, location: str) -> None:
        self._study = study
        self._running: optuna.Study | None = None
        self.location = location

    @property
    def shared_study(self) -> optuna.Study | None:
        """The study in its database; None where it is in a journal."""
        return None

    @property
    def kept(self) -> optuna.Study | JournalStudy:
        """The study where it is kept."""
        return self._study

    def move_to_free_name(self) -> None:
        """Gives a study of a database another name; a journal's files are renamed instead."""

    @property
    def trials(self) -> list[FrozenTrial]:
        """The finished trials, in their order."""
        with reported(self.location):
            trials = self._study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state == TrialState.COMPLETE]

    def add(self, trial: FrozenTrial) -> None:
        """Keeps a finished trial.

        Raises:
            StorageError: It cannot be written; the trials before it are safe.
        """
        with reported(self.location):
            self._study.add_trial(trial)

    def note(self, key: str) -> Any:
        """A note that was left with the study; None where there is none."""
        with reported(self.location):
            return self._study.user_attrs.get(key)

    @property
    def notes(self) -> dict[str, Any]:
        """All notes that were left with the study."""
        with reported(self.location):
            return dict(self._study.user_attrs)

    def leave_note(self, key: str, value: Any) -> None:
        """Leaves a note, any JSON value, with the study.

        Raises:
            StorageError: It cannot be written.
        """
        with reported(self.location):
            self._study.set_user_attr(key, value)

    def settle_note(self, key: str, value: Any) -> Any:
        """Leaves a note unless there is one, and returns the one that is there then."""
        if self.note(key) is None:
            self.leave_note(key, value)
        return self.note(key)

    # Running trials

    def begin(self, sampler: BaseSampler, trials: Sequence[FrozenTrial]) -> None:
        """Makes ready for trials that a sampler proposes.

        Args:
            sampler: The sampler.
            trials: The finished trials that the caller knows.
        """
        self._running = optuna.create_study(direction="maximize", sampler=sampler)
        storage, study_id = self._running._storage, self._running._study_id  # noqa: SLF001
        for trial in trials:  # `Study.add_trials` looks through all their parameters
            storage.create_new_trial(study_id, template_trial=trial)

    def next_trial(
        self,
        limit: int,
        start: Start | None = None,
        start_key: str = "",  # noqa: ARG002  (for the processes that share a study)
    ) -> Trial | None:
        """A trial that is to be run now; None where no process may begin one.

        Args:
            limit: How many trials the study shall have in all.
            start: What the first trial of the study tries; None where the sampler chooses.
            start_key: The key of that candidate.
        """
        study = self._begun
        count = len(study.get_trials(deepcopy=False))
        if count >= limit:
            return None
        if count == 0 and start is not None:
            # No sampler has a say in it, nor hears of it before it is finished.
            study = optuna.create_study(direction="maximize", sampler=RandomSampler())
            study.enqueue_trial(dict(start.values), user_attrs=start.attributes())
        return study.ask()

    def finish(self, trial: Trial, value: float) -> FrozenTrial | None:
        """Keeps a trial that has been run; None where another process has run it meanwhile.

        Raises:
            StorageError: It cannot be written; the trials before it are safe.
        """
        # As `Study.tell`, which copies the trial and all that is in it besides: nobody changes it.
        _tell_with_warning(trial.study, trial, value)
        finished = trial.study.get_trials(deepcopy=False)[trial.number]
        if trial.study is not self._begun:
            self._begun.add_trial(finished)
        self.add(finished)
        return finished

    def is_done(self, limit: int) -> bool:  # noqa: ARG002  (a shared one waits for others)
        """Whether all trials are finished once none is left to begin."""
        return True

    def finished_elsewhere(self) -> list[FrozenTrial]:
        """Trials that other processes have finished since this was asked last."""
        return []

    def leads(self) -> bool:
        """Whether this process is the one that tells others of the study, and stays it."""
        return True

    @property
    def _begun(self) -> optuna.Study:
        if self._running is None:
            raise RuntimeError("a study runs trials once it has begun")
        return self._running


@contextmanager
def reported(location: str) -> Iterator[None]:
    """Turns what a storage may raise into one sentence."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write to {location}: {why(error)}") from error
    except (StorageError, UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        if not _is_of_storage(error):
            raise
        said = process_redactor().message(_said(error.__cause__ or error)).strip()
        first_line = said.splitlines()[0] if said else type(error).__name__
        raise StorageError(f"storage {location} failed: {first_line}") from error


def _said(error: BaseException) -> str:
    """What an error says; of a call to a proxy, what the proxy says."""
    details = getattr(error, "details", None)
    if type(error).__module__.startswith("grpc.") and callable(details):
        return str(details())
    return str(error)


def _is_of_storage(error: Exception) -> bool:
    """Whether an exception is the database's: its classes are known only where it is loaded."""
    kinds = (optuna.exceptions.StorageInternalError, optuna.exceptions.OptunaError)
    module = type(error).__module__
    return isinstance(error, kinds) or module.startswith(("sqlalchemy.", "grpc."))
