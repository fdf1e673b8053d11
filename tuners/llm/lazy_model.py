"""A model that is opened when it is first needed, and not asked any more once it is gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tuners import attributes
from tuners.llm.model.budget import Budget
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Model
from tuners.llm.model.opening import open_model

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["LazyModel", "Spending", "spending"]

log = logging.getLogger(__name__)


class Spending(NamedTuple):
    """What the model has used for a study, as far as it is known."""

    calls: int
    tokens: int
    usd: float


def spending(trials: Iterable[FrozenTrial]) -> Spending:
    """What stands in the attributes of a study's trials."""
    noted = [trial.user_attrs for trial in trials if attributes.CALLS in trial.user_attrs]
    return Spending(
        sum(each[attributes.CALLS] for each in noted),
        sum(each.get(attributes.TOKENS) or 0 for each in noted),
        sum(each.get(attributes.COST) or 0.0 for each in noted),
    )


class LazyModel:
    """A model by its name, or one that is open.

    Args:
        model: Either of them.
        opening: How it is opened, see ``open_model``.
        fallback_name: Who proposes where it is gone, for the one message that says so.

    Attributes:
        unavailable: Why it is not asked any more; None while it is.
    """

    def __init__(self, model: str | Model, opening: Mapping[str, Any], fallback_name: str) -> None:
        self._model = model
        self._opening = dict(opening)
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

    def open(self, used: Spending) -> Model | None:
        """The model; None where there is none, which is said once.

        Args:
            used: What earlier runs of the study have used of the budget.
        """
        with self._lock:
            if isinstance(self._model, str) and self.unavailable is None:
                budget: Budget = self._opening["budget"] or Budget()
                opening = {**self._opening, "budget": budget.less(*used)}
                try:
                    self._model = open_model(self._model, **opening)
                except ModelError as error:
                    self._lose(error)
            return self.opened

    def disable(self, error: ModelError) -> None:
        """Gives it up for an error that is for good."""
        with self._lock:
            self._lose(error)

    def _lose(self, error: ModelError) -> None:
        if self.unavailable is None:
            log.warning("%s; from here on %s proposes", error, self._fallback_name)
        self.unavailable = f"{error.kind}: {error}"
