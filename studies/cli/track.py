"""``mappertune track``: the studies of an output folder, shown to MLflow later."""

from __future__ import annotations

import argparse
import os

from studies.cli.console import columns, print_json, warn
from studies.cli.study_runner import ui_command

__all__ = ["run"]

PATIENCE = 600.0
"""Seconds for all calls of a server about one study."""


def run(arguments: argparse.Namespace) -> int:
    """Tracks what is not tracked yet; the exit code is 1 where something is still missing."""
    from studies.tracking import Tracker
    from studies.tracking.catch_up import catch_up

    uri = arguments.mlflow or os.environ.get("MLFLOW_TRACKING_URI")
    tracker = Tracker(
        arguments.folder,
        uri,
        report=warn,
        patience=PATIENCE,
        trace_model=arguments.trace_model,
    )
    done = catch_up(arguments.folder, tracker, arguments.storage)
    for sentence in done.unread:
        warn(f"not tracked: {sentence}")
    pages = [page for case in done.studies if (page := tracker.page(case))]
    if arguments.json:
        told = {"studies": done.studies, "untouched": done.untouched, "unread": done.unread}
        print_json(told | {"mlflow": tracker.shown_uri, "failed": tracker.failed})
    else:
        count = sum(map(len, done.studies.values()))
        rows = [("tracked", f"{count} studies, {done.untouched} of them before")]
        rows.append(("runs", ui_command(tracker.shown_uri)))
        rows += [("page", page) for page in pages]
        columns(rows, indent="")
    return 1 if done.unread or tracker.failed else 0
