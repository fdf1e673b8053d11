"""``mappertune list``: the applications, machines and tuners."""

from __future__ import annotations

import argparse
from typing import Any

from studies.cli.console import columns, print_json, say

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints what there is."""
    found = _everything()
    if arguments.json:
        print_json(found)
        return 0
    for kind, entries in found.items():
        say(f"{kind}:")
        columns([(entry["name"], entry["summary"]) for entry in entries])
    say("\nmappertune show NAME explains an application or a machine")
    return 0


def _everything() -> dict[str, list[dict[str, Any]]]:
    from legion_bridge import (
        Application,
        Machine,
        application_names,
        machine_names,
    )
    from tuners import tuner_named, tuner_names

    applications = [Application.load(name) for name in application_names()]
    machines = [Machine.load(name) for name in machine_names()]
    return {
        "applications": [
            {"name": a.name, "summary": a.summary, "unit": a.unit, "tasks": len(a.tasks)}
            for a in applications
        ],
        "machines": [
            {
                "name": m.name,
                "summary": m.summary,
                "nodes": m.shape.nodes,
                "processors": dict(m.shape.processors),
            }
            for m in machines
        ],
        "tuners": [{"name": name, "summary": tuner_named(name).summary} for name in tuner_names()],
    }
