"""Programs, machines, and what comes of running one on the other under a mapper."""

from legion_bridge.applications import application_names
from legion_bridge.errors import (
    ApplicationError,
    BridgeError,
    CaptureError,
    LegionError,
    MachineError,
    MappingError,
    MeasurementError,
)
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
    "TaskUse",
    "Usage",
    "ValidatedRow",
    "Validation",
    "application_names",
    "machine_names",
    "simulate",
    "validate",
]
