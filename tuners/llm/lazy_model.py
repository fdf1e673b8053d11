"""The model of a study: opened when it is first needed, and given up where it is gone for good."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tuners.errors import ModelRequiredError
from tuners.llm.model.accounted import AccountedModel
from tuners.llm.model.errors import BudgetSpent, ModelError
from tuners.llm.model.ledger import FileLedger, Ledger, MemoryLedger, StorageLedger
from tuners.llm.model.opening import open_model
from tuners.llm.model.provider import ProviderModel
from tuners.samplers.claims import is_shared

if TYPE_CHECKING:
    from optuna import Study

    from tuners.llm.model.exchange import Model, ModelUsage
    from tuners.llm.settings import ModelSettings

__all__ = ["LazyModel", "ledger_of"]

log = logging.getLogger(__name__)


def ledger_of(settings: ModelSettings, study: Study | None) -> Ledger:
    """The account of a study's calls: where the settings say, else in the study's storage."""
    if isinstance(settings.ledger, Ledger):
        return settings.ledger
    if isinstance(settings.ledger, Path):
        return FileLedger(settings.ledger)
    if study is not None and is_shared(study):
        return StorageLedger(study)
    return MemoryLedger()


class LazyModel:
    """The model that the settings name, or the open one that they hold, for one study.

    Args:
        settings: How it is opened.
        fallback_name: Who proposes where it is given up, for the one message that says so.
        ledger: The account of the study's calls.

    Attributes:
        ledger: The account of the study's calls.
        opened: The model, where it could be opened and was needed.
        failure: Why it is not asked any more; None while it is asked.
    """

    def __init__(self, settings: ModelSettings, fallback_name: str, ledger: Ledger) -> None:
        self._settings = settings
        self._fallback_name = fallback_name
        self._lock = threading.RLock()
        self._asked: Model | None = None
        self._answered = False
        self._told: set[str] = set()
        self.ledger = ledger
        self.opened: Model | None = None
        self.failure: ModelError | None = None

    def open(self, used: ModelUsage) -> Model | None:
        """The model; None where there is none, which is said once.

        Args:
            used: What the study's trials tell, for studies from before there were ledgers.

        Raises:
            ModelRequiredError: There is none, and there must be one.
        """
        with self._lock:
            if self._asked is None and self.failure is None:
                try:
                    self._asked = self._open(used)
                except ModelError as error:
                    self.disable(error)
            return self._asked if self.failure is None else None

    def _open(self, used: ModelUsage) -> Model:
        settings = self._settings
        self.ledger.seed(used)
        if not isinstance(settings.model, str):
            self.opened = settings.model
            return AccountedModel(settings.model, self.ledger, settings.timeout)
        self.opened = open_model(
            settings.model,
            base_url=settings.base_url,
            api_key_env=settings.api_key_env,
            timeout=settings.timeout,
            budget=settings.budget,
            calls_per_minute=settings.calls_per_minute,
            ledger=self.ledger,
            transcript=settings.transcript,
        )
        if not isinstance(self.opened, ProviderModel):
            return AccountedModel(self.opened, self.ledger, settings.timeout)
        self.opened.check()
        return self.opened

    def answers(self) -> None:
        """Notes that the model has answered: it is what its name says."""
        self._answered = True

    def disable(self, error: ModelError) -> None:
        """Gives the model up for a permanent error.

        Raises:
            ModelRequiredError: There must be one, and it has never answered.
        """
        with self._lock:
            if self.failure is None:
                if self._settings.required and not (
                    self._answered or isinstance(error, BudgetSpent)
                ):
                    raise ModelRequiredError(str(error)) from error
                log.warning("%s; from here on %s proposes", error, self._fallback_name)
            self.failure = error

    def missed(self, trial: int, kind: str, why: str) -> None:
        """Says why the model does not propose a trial, once for each kind of reason."""
        with self._lock:
            if kind in self._told:
                return
            self._told.add(kind)
        log.warning("trial %d: %s; %s proposes it", trial, why, self._fallback_name)
