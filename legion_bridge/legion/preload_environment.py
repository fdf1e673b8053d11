"""The environment that puts a mapper of ours in the place of a program's own."""

from __future__ import annotations

from pathlib import Path

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge.legion.build import build_mapper
from legion_bridge.legion.installation import LegionInstallation

__all__ = ["preload_environment"]


def preload_environment(
    program: dsl.Program, legion: LegionInstallation, folder: Path
) -> dict[str, str]:
    """The variables that put a mapper in the place of the program's own.

    Args:
        program: The mapper.
        legion: The Legion that the program runs with.
        folder: Where the compiled mapper lies, and a report on it comes.

    Raises:
        LegionError: The mapper library cannot be compiled.
        dsl.MapperError: The mapper cannot.
    """
    library = build_mapper(legion)
    policy = compile_policy(dsl.emit_c(program), folder / "policy.so")
    return {
        "LD_PRELOAD": str(library),
        "MAPPERTUNE_POLICY": str(policy),
        "MAPPERTUNE_REPORT": str(folder / "report"),
    }
