"""Applications at the size of a small machine: one number scales the work of an iteration."""

from __future__ import annotations

from dataclasses import replace

from legion_bridge.applications import application_names
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, Launch

__all__ = ["fitted", "on_cpus", "scalable_names", "scaled", "seconds_of_iteration"]

# How the sizes of an application grow with its work: as the work to this power. The other
# parameters, those of its shape, stay.
_EXPONENTS: dict[str, dict[str, float]] = {
    "circuit": {"circuit_nodes": 1 / 2, "wires": 1 / 2, "inner_steps": 1 / 2},
    "stencil": {"nx": 1 / 2, "ny": 1 / 2},
    "pennant": {"zones_x": 1 / 2, "zones_y": 1 / 2},
    "transformer": {"hidden": 1 / 3, "sequence": 1 / 3},
} | {key: {"n": 1 / 3} for key in ("cannon", "summa", "pumma", "johnson", "solomonik", "cosma")}
_LEAST = 1
# What a core of a small machine does in a second; only the order of magnitude matters.
_FLOPS = {"fp32": 8e9, "fp64": 8e9}
_PRODUCTS = 16e9
_BYTES, _ACCESSES = 6e9, 8e7


def scalable_names() -> tuple[str, ...]:
    """The built-in applications that can be scaled.

    The language model is not among them: its launch domains have four dimensions, one more than
    those for which Legion is built unless it is asked to.
    """
    return tuple(name for name in application_names() if name in _EXPONENTS)


def scaled(name: str, scale: float, **shape: int) -> Application:
    """A built-in application with a share of the work, on CPU processors too.

    Args:
        name: Of the application.
        scale: The share of an iteration's work; 1 is the full size.
        shape: Parameters that are given; what they leave open is scaled.

    Raises:
        ApplicationError: There is no such application, or none as small.

    >>> scaled("stencil", 0.01).parameters["nx"]
    1000
    """
    if not 0 < scale <= 1:
        raise ApplicationError(f"a scale of {scale:g} makes no sense: give more than 0, up to 1")
    full = Application.load(name, **shape).parameters
    if name not in _EXPONENTS:
        raise ApplicationError(
            f"{name} cannot be scaled; take one of {', '.join(scalable_names())}"
        )
    sizes = {
        key: max(round(float(full[key]) * scale**power), _LEAST)
        for key, power in _EXPONENTS[name].items()
        if key not in shape
    }
    return on_cpus(Application.load(name, **shape, **sizes))


def fitted(name: str, seconds: float, **shape: int) -> Application:
    """The same, at the scale at which an iteration takes about so long on one core.

    Raises:
        ApplicationError: There is no such application.

    >>> fitted("stencil", 0.01).parameters["nx"] < 2000
    True
    """
    full = seconds_of_iteration(Application.load(name, **shape))
    return scaled(name, min(1.0, seconds / full), **shape)


def seconds_of_iteration(application: Application) -> float:
    """About how long a core of a small machine takes for one iteration: a roofline.

    >>> 0.1 < seconds_of_iteration(Application.load("stencil")) < 10
    True
    """
    return sum(_seconds(launch) for launch in application.loop)


def _seconds(launch: Launch) -> float:
    work = launch.work
    arithmetic = work.flops.sum() / _FLOPS.get(work.rate, _PRODUCTS)
    return float(max(arithmetic, work.traffic.sum() / _BYTES) + work.accesses.sum() / _ACCESSES)


def on_cpus(application: Application) -> Application:
    """The application with a CPU variant of every task, besides those that it has.

    >>> on_cpus(Application.load("summa")).task_kinds["task_4"].variants
    ('GPU', 'CPU')
    """
    kinds = {
        name: kind if "CPU" in kind.variants else replace(kind, variants=(*kind.variants, "CPU"))
        for name, kind in application.task_kinds.items()
    }
    return replace(application, task_kinds=kinds)
