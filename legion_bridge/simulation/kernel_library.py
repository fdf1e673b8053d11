"""The compiled kernel, which an installation without a C compiler goes without.

Nothing loads it before a program is simulated: programs, machines, checks, and what can be
estimated without a simulation, all work where it is missing.
"""

from __future__ import annotations

import importlib

from legion_bridge.errors import SimulatorMissingError

__all__ = ["require_kernel", "simulator_missing"]

_NAME = "legion_bridge._kernel"
_REMEDY = "install mappertune again where there is a C compiler, such as gcc or clang"


def simulator_missing() -> str | None:
    """Why nothing can be simulated, and what to do about it, in a sentence; None where all can."""
    try:
        importlib.import_module(_NAME)
    except ModuleNotFoundError:
        return f"the simulator is not compiled, so that nothing can be simulated: {_REMEDY}"
    except ImportError as error:  # of another Python, or of another machine
        return f"the compiled simulator cannot be loaded ({error}): {_REMEDY}"
    return None


def require_kernel() -> None:
    """Makes sure that the kernel can be imported.

    Raises:
        SimulatorMissingError: It cannot.
    """
    missing = simulator_missing()
    if missing is not None:
        raise SimulatorMissingError(missing)
