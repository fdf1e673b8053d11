"""Programs, machines, and what comes of running one on the other under a mapper."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from legion_bridge.errors import (
    ApplicationError,
    BridgeError,
    CaptureError,
    LegionError,
    MachineError,
    MappingError,
    MeasurementError,
    SimulatorMissingError,
)

if TYPE_CHECKING:
    from legion_bridge.applications import application_names
    from legion_bridge.evaluator import Evaluator
    from legion_bridge.machines.machine import Machine
    from legion_bridge.machines.machine_file import machine_names
    from legion_bridge.measurement import Measurement
    from legion_bridge.outcome import (
        CriticalShare,
        Hidden,
        MemoryPeak,
        Outcome,
        Parts,
        Profile,
        TaskUse,
        Usage,
    )
    from legion_bridge.programs.application import Application
    from legion_bridge.simulation.simulator import Simulator, simulate
    from legion_bridge.validation import ValidatedRow, Validation, validate

__all__ = [
    "Application",
    "ApplicationError",
    "BridgeError",
    "CaptureError",
    "CriticalShare",
    "Evaluator",
    "Hidden",
    "LegionError",
    "Machine",
    "MachineError",
    "MappingError",
    "Measurement",
    "MeasurementError",
    "MemoryPeak",
    "Outcome",
    "Parts",
    "Profile",
    "Simulator",
    "SimulatorMissingError",
    "TaskUse",
    "Usage",
    "ValidatedRow",
    "Validation",
    "application_names",
    "machine_names",
    "simulate",
    "validate",
]

# Loaded when they are asked for: whoever wants an error, or a machine, needs no simulator.
_LAZY_EXPORTS = {
    "Application": "programs.application",
    "CriticalShare": "outcome",
    "Evaluator": "evaluator",
    "Hidden": "outcome",
    "Machine": "machines.machine",
    "Measurement": "measurement",
    "MemoryPeak": "outcome",
    "Outcome": "outcome",
    "Parts": "outcome",
    "Profile": "outcome",
    "Simulator": "simulation.simulator",
    "TaskUse": "outcome",
    "Usage": "outcome",
    "ValidatedRow": "validation",
    "Validation": "validation",
    "application_names": "applications",
    "machine_names": "machines.machine_file",
    "simulate": "simulation.simulator",
    "validate": "validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"legion_bridge.{_LAZY_EXPORTS[name]}"), name)
