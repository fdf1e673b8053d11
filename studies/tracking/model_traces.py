"""Exchanges with a model as traces of MLflow, made of what the transcript keeps.

A trace has the prompt, the reply or why there is none, tokens, cost and seconds. It belongs to the
run of its study. Keys were taken out when the transcript was written, and are once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuners.redaction import process_redactor

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from tuners.llm.model.transcript import Exchange

__all__ = ["trace_exchanges"]

LINE = "mappertune.exchange"
"""The tag with the line of the transcript, by which a trace is known to be there."""
_RUN = "mlflow.sourceRun"
_TRACES_PER_CALL = 500


def trace_exchanges(
    client: MlflowClient,
    experiment: str,
    run: str,
    transcript: Path,
    pause: Callable[[], object],
) -> int:
    """Tracks the exchanges of a transcript that are not tracked yet.

    Args:
        client: Of MLflow.
        experiment: The id of the run's experiment.
        run: The run that they belong to.
        transcript: The file.
        pause: Called before each; raises where there is no time for it.

    Returns:
        How many there are.

    Raises:
        tuners.llm.model.TranscriptError: The file is none.
    """
    from tuners.llm.model.transcript import read_transcript

    exchanges = read_transcript(transcript)
    known = _known(client, experiment, run)
    with _written_at_once(client.tracking_uri):
        for exchange in exchanges:
            if exchange.line not in known:
                pause()
                _trace(experiment, run, exchange)
    return len(exchanges)


def _known(client: MlflowClient, experiment: str, run: str) -> set[int]:
    """The lines that have a trace."""
    lines: set[int] = set()
    token = None
    while True:
        page = client.search_traces(
            locations=[experiment],
            run_id=run,
            include_spans=False,
            max_results=_TRACES_PER_CALL,
            page_token=token,
        )
        lines |= {int(trace.info.tags[LINE]) for trace in page if LINE in trace.info.tags}
        token = page.token
        if not token:
            return lines


@contextmanager
def _written_at_once(uri: str) -> Iterator[None]:
    """Has traces written to a server when they end, and not by a thread that may fail unseen."""
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING")
    before = {name: os.environ.get(name) for name in names}
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    mlflow.set_tracking_uri(uri)  # of the whole process, and of those that it starts
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # forgets it
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _trace(experiment: str, run: str, exchange: Exchange) -> None:
    from mlflow.entities import SpanType
    from mlflow.tracing.fluent import start_span_no_context

    shown = process_redactor()
    reply, request = exchange.reply, exchange.request
    seconds = 0.0 if reply is None else reply.latency
    end = 0 if exchange.time is None else int(exchange.time.timestamp() * 1e9)
    parameters = {
        key: value
        for key, value in asdict(request).items()
        if key != "messages" and value is not None
    }
    span = start_span_no_context(
        exchange.model,
        span_type=SpanType.CHAT_MODEL,
        inputs=shown.value({"messages": [asdict(each) for each in request.messages]}),
        attributes=shown.value(parameters | {"mlflow.llm.model": exchange.model}),
        tags={LINE: str(exchange.line)},
        metadata={_RUN: run},
        experiment_id=experiment,
        start_time_ns=end - int(seconds * 1e9) if end else None,
    )
    for key, value in _use(exchange).items():
        span.set_attribute(key, value)
    said: Any
    if reply is not None:
        said = {"choices": [{"message": {"role": "assistant", "content": reply.text}}]}
    else:
        said = exchange.error
    span.end(
        outputs=shown.value(said),
        status="OK" if reply is not None else "ERROR",
        end_time_ns=end or None,
    )


def _use(exchange: Exchange) -> dict[str, Any]:
    """Tokens and cost, under the names by which MLflow adds them up."""
    reply = exchange.reply
    if reply is None:
        return {}
    use: dict[str, Any] = {"attempts": reply.attempts, "complete": reply.complete}
    prompt, said = reply.prompt_tokens, reply.completion_tokens
    if prompt is not None and said is not None:
        use["mlflow.chat.tokenUsage"] = {
            "input_tokens": prompt,
            "output_tokens": said,
            "total_tokens": prompt + said,
        }
    if reply.cost is not None:
        use["mlflow.llm.cost"] = {"total_cost": reply.cost}
        use["cost in USD"] = reply.cost
    return use
