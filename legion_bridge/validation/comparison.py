"""Simulates measured runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from legion_bridge.errors import ApplicationError, MachineError, MeasurementError
from legion_bridge.evaluator import Evaluator
from legion_bridge.machines.machine import Machine
from legion_bridge.outcome import Outcome
from legion_bridge.programs.application import Application
from legion_bridge.validation.agreement import Agreement, agreement
from legion_bridge.validation.measurements import Measurement, read_measurements
from legion_bridge.validation.reference_mappers import mapper_of
from legion_bridge.validation.validated_row import RowStatus, ValidatedRow

__all__ = ["Validation", "validate"]

MEMORY_WORDS = "failed allocation of size"


@dataclass(frozen=True)
class Validation:
    """Measured runs beside simulated ones, on one machine."""

    machine: str
    rows: tuple[ValidatedRow, ...]

    @cached_property
    def overall(self) -> Agreement:
        """The agreement over all rows."""
        return agreement(self.rows)

    @cached_property
    def by_application(self) -> dict[str, Agreement]:
        """The agreement over the rows of each application, of each role where they have one."""
        names = dict.fromkeys(row.measurement.group for row in self.rows)
        return {
            name: agreement(r for r in self.rows if r.measurement.group == name) for name in names
        }


def validate(
    files: str | Path | Iterable[str | Path],
    machine: Machine | str | Path = "lassen",
    *,
    report: Callable[[int, int], object] | None = None,
) -> Validation:
    """Simulates every measured run of a file, or of several.

    Args:
        files: Paths of files of measured runs; ``measurements.py`` describes them.
        machine: That they ran on; its number of nodes is that of each run.
        report: Is told after each run how many are done, and how many there are.

    Raises:
        MeasurementError: The file is wrong, or a run in it cannot be built.
        MachineError: The machine is wrong.
        dsl.MapperSyntaxError: The file of a mapper is wrong.
    """
    if not isinstance(machine, Machine):
        machine = Machine.load(machine)
    paths = (files,) if isinstance(files, str | Path) else files
    measurements = tuple(m for path in paths for m in read_measurements(path))
    rows = []
    for row in _rows(measurements, machine):
        rows.append(row)
        if report is not None:
            report(len(rows), len(measurements))
    return Validation(machine.name, tuple(rows))


def _rows(measurements: tuple[Measurement, ...], machine: Machine) -> Iterator[ValidatedRow]:
    """Rows of the same program share its simulator, and those of the same mapper its outcome."""
    program: tuple[Any, ...] = ()
    outcomes: dict[tuple[Any, ...], Outcome] = {}
    for measurement in measurements:
        wanted = (measurement.application, *sorted(measurement.parameters.items()))
        if wanted != program:
            evaluator, program = _evaluator(measurement, machine), wanted
            outcomes.clear()
        key = (measurement.mapper, *sorted(measurement.traits.items()))
        if key not in outcomes:
            mapper = mapper_of(measurement, evaluator.application)
            outcomes[key] = evaluator.evaluate(mapper)
        yield _row(measurement, evaluator.application, outcomes[key])


def _evaluator(measurement: Measurement, machine: Machine) -> Evaluator:
    try:
        application = Application.load(measurement.application, **measurement.parameters)
        on = machine.with_nodes(measurement.nodes)
        if application.ranks_per_node > 1:
            # By their traffic, the published runs spread ranks in turn over the nodes.
            on = on.with_ranks(application.ranks_per_node, "cyclic")
    except (ApplicationError, MachineError) as error:
        raise MeasurementError(f"{measurement.place}: {error}") from None
    return Evaluator(application, on)


def _row(measurement: Measurement, application: Application, outcome: Outcome) -> ValidatedRow:
    per_node = application.work / measurement.nodes  # of an iteration
    covered = application.timed if measurement.column == "elapsed_s" else 1
    seconds = None if outcome.elapsed is None else outcome.elapsed / application.timed * covered
    if measurement.quantity == "seconds":
        simulated, measured_seconds, unit = seconds, measurement.value, "s"
    else:
        value = measurement.value
        simulated = None if seconds is None else per_node / seconds
        measured_seconds = None if value is None else per_node / value
        unit = f"{application.unit} a node"
    return ValidatedRow(
        measurement=measurement,
        simulated=simulated,
        simulated_seconds=seconds,
        measured_seconds=measured_seconds,
        status=_status(outcome),
        raw="" if outcome.ok else outcome.raw,
        unit=unit,
        work=application.work * covered,
        work_unit=application.unit,
    )


def _status(outcome: Outcome) -> RowStatus:
    if outcome.ok:
        return "ok"
    return "out of memory" if MEMORY_WORDS in outcome.raw else "failed"
