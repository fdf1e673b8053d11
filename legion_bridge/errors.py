"""The errors of machines and applications.

    BridgeError                     anything wrong with a machine, an application or a run
    ├── MachineError                a machine is unknown, or its file is wrong
    ├── ApplicationError            an application is unknown, or its description is wrong
    ├── MeasurementError            a file of measured runs is wrong
    ├── MappingError                Legion would refuse a decision
    ├── LegionError                 the Legion runtime is missing, or cannot be compiled for
    ├── CaptureError                a run or a log tells too little of a program
    └── SimulatorMissingError       the simulator was not compiled when this was installed

What a mapper does wrong reaches users as an ``Outcome``, not as an error.
"""

from __future__ import annotations

from dsl.errors import MappertuneError

__all__ = [
    "ApplicationError",
    "BridgeError",
    "CaptureError",
    "LegionError",
    "MachineError",
    "MappingError",
    "MeasurementError",
    "SimulatorMissingError",
]


class BridgeError(MappertuneError):
    """Something is wrong with a machine, an application or a run; the message says what to do."""


class MachineError(BridgeError):
    """A machine is unknown, or its description is wrong."""


class ApplicationError(BridgeError):
    """An application is unknown, or its description is wrong."""


class MappingError(BridgeError):
    """Legion would refuse a decision of a mapper; the message is what it would say."""


class LegionError(BridgeError):
    """There is no Legion runtime, or something cannot be compiled for it, or run with it."""


class CaptureError(BridgeError):
    """A program cannot be captured from its run or its log; the message says why."""


class MeasurementError(BridgeError):
    """A file of measured runs is missing or malformed; the message says where."""


class SimulatorMissingError(BridgeError):
    """There is no compiled simulator: nothing can be simulated, and all else works."""
