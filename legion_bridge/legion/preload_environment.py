"""The environment variables that replace a program's own mapper by ours."""

from __future__ import annotations

from pathlib import Path

import dsl
from dsl.c_output.compiled_policy import compile_policy
from legion_bridge.legion.build import build_mapper
from legion_bridge.legion.installation import LegionInstallation

__all__ = ["preload_environment"]


def preload_environment(
    program: dsl.Program, legion: LegionInstallation, folder: Path, *, keep_own: bool = False
) -> dict[str, str]:
    """The environment variables under which a program runs with a given mapper.

    Args:
        program: The mapper.
        legion: The Legion that the program runs with.
        folder: Where to put the compiled mapper; the mapper writes its report there.
        keep_own: Whether a mapper of the program's own decides what the given one does not state.

    Raises:
        LegionError: The mapper library cannot be compiled.
        dsl.MapperError: The mapper itself cannot be compiled.
    """
    library = build_mapper(legion)
    policy = compile_policy(dsl.emit_c(program), folder / "policy.so")
    return {
        "LD_PRELOAD": str(library),
        "MAPPERTUNE_TASKS": ",".join(sorted(_tasks_of(program))),
        "MAPPERTUNE_POLICY": str(policy),
        "MAPPERTUNE_REPORT": str(folder / "report"),
        **({"MAPPERTUNE_KEEP_OWN": "1"} if keep_own else {}),
    }


def _tasks_of(program: dsl.Program) -> set[str]:
    """The names of tasks that a mapper mentions, which may tell apart what is spelt alike."""
    found: set[str] = set()
    for statement in program.statements:
        for attribute in ("tasks", "keys", "task"):
            names = getattr(statement, attribute, ())
            found.update([names] if isinstance(names, str) else names)
    return found - {"*"}
