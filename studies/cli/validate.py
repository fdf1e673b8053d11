"""``mappertune validate``: how well simulated runs agree with measured ones."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studies.cli.console import is_quiet, print_json, say, table
from studies.errors import StorageError
from studies.files import ensure_writable, why

if TYPE_CHECKING:
    from legion_bridge.validation import Agreement, ValidatedRow, Validation

__all__ = ["run"]

SECONDS_BETWEEN_LINES = 10.0
LEGEND = """\
error: |simulated - measured| / measured; tau: Kendall's, of seconds, over the mappers of a
configuration (its mean) and over all runs; rates: the same of the throughputs of all runs;
order: pairs of mappers of a configuration over 5 % apart whose faster one is faster in
simulation; out of memory: runs on the machine, how many of them in simulation too, and how many
others in simulation\
"""


def run(arguments: argparse.Namespace) -> int:
    """Prints every measured run beside the simulated one, and how well they agree."""
    from legion_bridge.validation import validate

    ensure_writable(arguments.plot)
    validation = validate(arguments.files, arguments.machine, report=_progress())
    if arguments.json:
        print_json(_as_json(validation))
    else:
        _print(validation)
    if arguments.plot is not None:
        _draw(arguments, validation)
    return 0


def _progress() -> Callable[[int, int], None]:
    """Says how far it is on standard error: often on a terminal, else now and then."""
    terminal = sys.stderr.isatty()
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if is_quiet():
            return
        now = time.monotonic()
        if terminal and (done == total or now - last > 0.1):
            last = now
            end = "\r\033[K" if done == total else "\r"
            sys.stderr.write(f"\rsimulated {done} of {total} runs{end}")
            sys.stderr.flush()
        elif not terminal and now - last > SECONDS_BETWEEN_LINES:
            last = now
            sys.stderr.write(f"simulated {done} of {total} runs\n")

    return report


def _print(validation: Validation) -> None:
    table(
        ["application", "size", "mapper", "nodes", "simulated", "measured", "unit", "ratio"],
        [_cells(row) for row in validation.rows],
        words=3,
    )
    for raw, count in _failures(validation).items():
        say(f"{count} of them fail in simulation alone: {raw}\n")
    groups = dict(validation.by_application)
    if len(groups) > 1:
        groups["all"] = validation.overall
    say(f"agreement on {validation.machine}")
    table(
        ["", *SUMMARY],
        [[name, *(cell(found) for cell in SUMMARY.values())] for name, found in groups.items()],
    )
    say(LEGEND)


def _cells(row: ValidatedRow) -> list[str]:
    from legion_bridge.validation.measurements import MAPPING_PARAMETERS

    measurement = row.measurement
    hidden = {"nodes", *MAPPING_PARAMETERS, "steps", "prune", "ranks_per_node"}
    sizes = [f"{k}={v}" for k, v in measurement.parameters.items() if k not in hidden]
    mapper = measurement.label
    if measurement.column not in ("elapsed_s", mapper):
        mapper += f" ({measurement.column})"
    return [
        measurement.application,
        " ".join(sizes),
        mapper,
        str(measurement.nodes),
        row.status if row.simulated is None else f"{row.simulated:.5g}",
        "out of memory" if row.measured is None else f"{row.measured:.5g}",
        row.unit,
        "" if row.ratio is None else f"{row.ratio:.3f}",
    ]


def _failures(validation: Validation) -> dict[str, int]:
    """What runs that fail in simulation alone would have said, each with how many say it."""
    found: dict[str, int] = {}
    for row in validation.rows:
        if row.measured is not None and row.simulated is None:
            found[row.raw] = found.get(row.raw, 0) + 1
    return found


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _tau(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


SUMMARY: dict[str, Callable[[Agreement], str]] = {
    "runs": lambda a: str(a.rows),
    "median error": lambda a: _share(a.median_error),
    "90th perc.": lambda a: _share(a.p90_error),
    "tau mappers": lambda a: _tau(a.tau_within),
    "tau all": lambda a: _tau(a.tau),
    "tau rates": lambda a: _tau(a.tau_throughput),
    "order": lambda a: _share(a.order),
    "pairs": lambda a: str(a.pairs),
    "out of memory": lambda a: (
        f"{a.out_of_memory}, {a.out_of_memory_found}, {a.out_of_memory_false}"
    ),
    "failed": lambda a: str(a.failed),
}


def _as_json(validation: Validation) -> dict[str, Any]:
    return {
        "machine": validation.machine,
        "rows": [_row_as_json(row) for row in validation.rows],
        "summary": {
            name: asdict(found) | {"order": found.order}
            for name, found in {**validation.by_application, "all": validation.overall}.items()
        },
    }


def _row_as_json(row: ValidatedRow) -> dict[str, Any]:
    measurement = row.measurement
    return {
        "application": measurement.application,
        "nodes": measurement.nodes,
        "parameters": dict(measurement.parameters),
        "mapper": measurement.label,
        "column": measurement.column,
        "quantity": measurement.quantity,
        "unit": row.unit,
        "simulated": row.simulated,
        "measured": row.measured,
        "ratio": row.ratio,
        "error": row.error,
        "simulated_seconds": row.simulated_seconds,
        "measured_seconds": row.measured_seconds,
        "status": row.status,
        "raw": row.raw,
    }


def _draw(arguments: argparse.Namespace, validation: Validation) -> None:
    """Writes the picture.

    Raises:
        StorageError: It cannot be written.
    """
    from legion_bridge.validation.scatter import plot_agreement

    try:
        plot_agreement(validation, arguments.plot)
    except OSError as error:
        raise StorageError(f"cannot write {arguments.plot}: {why(error)}") from error
    if not arguments.json:
        say(f"wrote {arguments.plot}")
