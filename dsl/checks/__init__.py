"""What can be known to be wrong with a mapper before it runs: `check`, one module a theme."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic, in_order
from dsl.checks.launches import check_launches
from dsl.checks.resources import check_limits, check_memory, check_resources
from dsl.checks.silent import check_functions, check_names, check_silent
from dsl.facts import ApplicationFacts, Forecast, MachineFacts
from dsl.syntax import Position, Program

__all__ = ["check"]

_CHECKS: tuple[Callable[[CheckContext], Iterator[Diagnostic]], ...] = (
    check_names,
    check_silent,
    check_functions,
    check_resources,
    check_launches,
)

# One statement makes these for many tasks, regions or points: the first one speaks for all.
_ONCE = frozenset(
    {
        *("bad-alignment", "layout-refused", "virtual-leaf", "no-variant"),
        *("map-fails", "map-leaves-machine", "map-leaves-node"),
    }
)
# An error at the same position says more than these.
_LESS = frozenset({"undefined-function", "undefined-name"})


def check(
    program: Program,
    application: ApplicationFacts,
    machine: MachineFacts,
    *,
    forecast: Forecast | None = None,
) -> list[Diagnostic]:
    """Looks for everything that is wrong with a mapper for a program on a machine.

    Index maps are evaluated over whole launch domains. Where all else is right, the forecast tells
    whether the program finds room in memory and whether instance limits clash: with one, an error
    means that a simulated run would fail, and without errors none does. What a check cannot know:
    how a real machine differs (memory that others use, an allocator's waste), what a program does
    that its facts leave out, and whether the time that a run may take is enough.

    Args:
        program: The parsed mapper.
        application: The program that it maps.
        machine: What that runs on.
        forecast: Whether the program comes to its end, such as ``legion_bridge.Evaluator``'s
            ``forecast``; without one, nothing is said of memory and of limits that clash.

    Returns:
        What was found, in the order of the text; one finding for each cause.

    >>> import dsl
    >>> from legion_bridge import Application, Evaluator, Machine
    >>> evaluator = Evaluator(Application.load("stencil"), Machine.load("p100x4"))
    >>> mapper = dsl.parse("Region * * GPU ZCMEM;"), evaluator.application, evaluator.machine
    >>> check(*mapper), [found.code for found in check(*mapper, forecast=evaluator.forecast)]
    ([], ['out-of-memory'])
    """
    context = CheckContext(program, application, machine, forecast)
    found = [diagnostic for each in _CHECKS for diagnostic in each(context)]
    if not any(diagnostic.severity == "error" for diagnostic in found):
        found += [*check_memory(context), *check_limits(context)]
    return _deduplicate(found)


def _deduplicate(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Puts findings in order, and leaves out those that repeat another one."""
    first: dict[object, Diagnostic] = {}
    alike: dict[object, int] = {}
    failing: set[Position | None] = set()
    for diagnostic in found:
        once = diagnostic.code in _ONCE
        key = (diagnostic.code, diagnostic.position, diagnostic.cause) if once else diagnostic
        first.setdefault(key, diagnostic)
        alike[key] = alike.get(key, 0) + 1
        if diagnostic.severity == "error":
            failing.add(diagnostic.position)
    return sorted(
        (
            _speaking_for(diagnostic, alike[key]) if diagnostic.code in _ONCE else diagnostic
            for key, diagnostic in first.items()
            if not (diagnostic.code in _LESS and diagnostic.position in failing)
        ),
        key=in_order,
    )


def _speaking_for(diagnostic: Diagnostic, count: int) -> Diagnostic:
    if count == 1:
        return diagnostic
    return replace(diagnostic, sentence=f"{diagnostic.sentence} (and {count - 1} more like it)")
