"""MLflow's own server on this machine, which can be made slow, or stop answering."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class MlflowServer:
    """What a test says to the server.

    Attributes:
        url: Its address.
        delay: Seconds before each answer.
        answers: How many more requests are answered; None for all.
        requests: How many came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.delay = 0.0
        self.answers: int | None = None
        self.requests = 0

    def around(self, application: Callable[..., Iterable[bytes]]) -> Callable[..., Any]:
        """The application, as it is answered through this."""

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            self.requests += 1
            time.sleep(self.delay)
            if self.answers is not None:
                self.answers -= 1
                if self.answers < 0:
                    start("503 Service Unavailable", [("Content-Length", "0")])
                    return [b""]
            return application(environ, start)

        return answer


@contextmanager
def mlflow_server(database: Path, patch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    """Serves a database, until the end of the block."""
    serving = pytest.importorskip("werkzeug.serving")
    for name, value in {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{database}",
        "_MLFLOW_SERVER_REGISTRY_STORE": f"sqlite:///{database}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(database.parent / "served"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }.items():
        patch.setenv(name, value)
    from mlflow.server import app, handlers

    for store in ("_tracking_store", "_model_registry_store", "_artifact_repo"):
        if hasattr(handlers, store):
            patch.setattr(handlers, store, None)
    state = MlflowServer()
    server = serving.make_server("127.0.0.1", 0, state.around(app.wsgi_app), threaded=True)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
