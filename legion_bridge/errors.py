"""The errors of machines and applications.

    BridgeError                     anything wrong with a machine, an application or a run
    ├── MachineError                a machine is unknown, or its file is wrong
    └── ApplicationError            an application is unknown, or its description is wrong

What a mapper does wrong is no error here but an ``Outcome``.
"""

from __future__ import annotations

__all__ = ["ApplicationError", "BridgeError", "MachineError"]


class BridgeError(Exception):
    """Something is wrong with a machine, an application or a run; the message says what to do."""


class MachineError(BridgeError):
    """A machine is unknown, or its description is wrong."""


class ApplicationError(BridgeError):
    """An application is unknown, or its description is wrong."""
