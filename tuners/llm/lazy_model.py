"""A model that is opened when it is first needed, and given up where it cannot be had."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Budget
from tuners.llm.model.opening import open_model

if TYPE_CHECKING:
    from tuners.llm.model.exchange import Model, ModelUsage
    from tuners.llm.settings import ModelSettings

__all__ = ["LazyModel"]

log = logging.getLogger(__name__)


class LazyModel:
    """The model that the settings name, or the open one that they hold.

    Args:
        settings: How it is opened.
        fallback_name: Who proposes where it is given up, for the one message that says so.

    Attributes:
        unavailable: Why it is not asked any more; None while it is asked.
    """

    def __init__(self, settings: ModelSettings, fallback_name: str) -> None:
        self._settings = settings
        self._model = settings.model
        self._fallback_name = fallback_name
        self._lock = threading.Lock()
        self.unavailable: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def opened(self) -> Model | None:
        """The model, where it could be opened and was needed."""
        return None if isinstance(self._model, str) else self._model

    def open(self, used: ModelUsage) -> Model | None:
        """The model; None where there is none, which is said once.

        Args:
            used: What earlier runs of the study have used of the budget.
        """
        with self._lock:
            if isinstance(self._model, str) and self.unavailable is None:
                settings = self._settings
                try:
                    self._model = open_model(
                        self._model,
                        base_url=settings.base_url,
                        api_key_env=settings.api_key_env,
                        timeout=settings.timeout,
                        budget=(settings.budget or Budget()).less(used),
                        transcript=settings.transcript,
                    )
                except ModelError as error:
                    self._give_up(error)
            return self.opened

    def disable(self, error: ModelError) -> None:
        """Gives the model up for a permanent error."""
        with self._lock:
            self._give_up(error)

    def _give_up(self, error: ModelError) -> None:
        if self.unavailable is None:
            log.warning("%s; from here on %s proposes", error, self._fallback_name)
        self.unavailable = f"{error.kind}: {error}"
