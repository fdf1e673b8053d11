"""The errors of machines and applications.

    BridgeError                     anything wrong with a machine, an application or a run
    ├── MachineError                a machine is unknown, or its file is wrong
    ├── ApplicationError            an application is unknown, or its description is wrong
    └── MappingError                Legion would refuse a decision

What a mapper does wrong reaches users as an ``Outcome``, not as an error.
"""

from __future__ import annotations

from dsl.errors import MappertuneError

__all__ = ["ApplicationError", "BridgeError", "MachineError", "MappingError"]


class BridgeError(MappertuneError):
    """Something is wrong with a machine, an application or a run; the message says what to do."""


class MachineError(BridgeError):
    """A machine is unknown, or its description is wrong."""


class ApplicationError(BridgeError):
    """An application is unknown, or its description is wrong."""


class MappingError(BridgeError):
    """Legion would refuse a decision of a mapper; the message is what it would say."""
