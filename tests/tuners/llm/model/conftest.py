"""Models against a real server on this machine, without real waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.model_server.answers import Answer
from tests.model_server.server import ModelServer, in_order
from tuners.llm.model import Message, Model, Request, open_model
from tuners.llm.model import opening as opening_module
from tuners.llm.model.patience import Patience

HELLO = Request((Message("system", "You write mappers."), Message("user", "Go.")))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between attempts, which last no time here."""
    noted: list[float] = []

    def patience(attempts: int) -> Patience:
        return Patience(attempts, sleep=noted.append, random=_zero)

    monkeypatch.setattr(opening_module, "Patience", patience)
    return noted


def _zero() -> float:
    return 0.0


@pytest.fixture
def serve(waits: list[float]) -> Iterator[Callable[..., tuple[Model, ModelServer]]]:
    """Opens a model that a server answers for, with these answers in order."""
    with ExitStack() as stack:

        def start(
            *answers: Answer, model: str = "openai/local", **options: Any
        ) -> tuple[Model, ModelServer]:
            server = stack.enter_context(ModelServer(in_order(answers)))
            return open_model(model, base_url=server.url, **{"timeout": 20, **options}), server

        yield start
