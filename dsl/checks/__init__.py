"""What can be known to be wrong with a mapper before it runs: `check`, one module a theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.checks.findings import told
from dsl.checks.functions import check_functions
from dsl.checks.launches import check_launches
from dsl.checks.limits import check_limits
from dsl.checks.memory import check_memory
from dsl.checks.names import check_names
from dsl.checks.resources import check_resources
from dsl.checks.silent import check_silent
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.syntax import Program

__all__ = ["check"]

_CHECKS: tuple[Callable[[CheckContext], Iterator[Diagnostic]], ...] = (
    check_names,
    check_silent,
    check_functions,
    check_resources,
    check_launches,
)


def check(
    program: Program, application: ApplicationFacts, machine: MachineFacts
) -> list[Diagnostic]:
    """Looks for everything that is wrong with a mapper for a program on a machine.

    Index maps are evaluated over whole launch domains, and where all else is right the program is
    mapped in order, to see whether it finds room and whether instance limits clash. An error means
    that a simulated run would fail, and without errors none does. What it cannot know: how a real
    machine differs (memory that others use, an allocator's waste), what a program does that its
    facts leave out, and whether the time that a run may take is enough.

    Returns:
        What was found, in the order of the text; one finding for each cause.
    """
    context = CheckContext(program, application, machine)
    found = [diagnostic for each in _CHECKS for diagnostic in each(context)]
    if not any(diagnostic.severity == "error" for diagnostic in found):
        found += [*check_memory(context), *check_limits(context)]
    return told(found)
