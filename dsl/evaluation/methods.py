"""What is called on a machine space or on a task (sections 5 and 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsl.evaluation.faults import Fault
from dsl.evaluation.operations import as_ints
from dsl.evaluation.processors import MachineSpace
from dsl.evaluation.values import (
    IndexTask,
    IntTuple,
    ProcessorName,
    SingleTask,
    describe,
    is_int,
    uniform,
)
from dsl.machine_shape import MachineShape

__all__ = [
    "INDEX_LAUNCH_WARNING",
    "call_method",
    "leaves_remainder",
    "make_machine",
    "processor_of",
]

INDEX_LAUNCH_WARNING = (
    "Warning: index launch task does not support getting node index or processor index for now\n"
)

_TRANSFORMS: dict[str, tuple[int, Callable[..., MachineSpace]]] = {
    "split": (2, MachineSpace.split),
    "merge": (2, MachineSpace.merge),
    "swap": (2, MachineSpace.swap),
    "slice": (3, MachineSpace.slice),
    "reverse": (1, MachineSpace.reverse),
    "balance_split": (2, MachineSpace.balance_split),
    "auto_split": (2, MachineSpace.auto_split),
    "greedy_split": (2, MachineSpace.greedy_split),
}


def make_machine(shape: MachineShape, arguments: list[Any]) -> MachineSpace:
    """``Machine(KIND)``."""
    hint = "write Machine(GPU), or another of CPU, GPU, IO, PY, PROC, OMP"
    if len(arguments) != 1:
        sentence = f"Machine takes one processor kind, not {len(arguments)} arguments"
        raise Fault("method-arity", sentence, hint)
    kind = arguments[0]
    if not isinstance(kind, ProcessorName):
        sentence = f"Machine takes a processor kind, not {describe(kind)}"
        raise Fault("machine-arg", sentence, hint)
    return MachineSpace.of_machine(kind.kind, shape.nodes, shape.count(kind.kind))


def call_method(base: Any, name: str, arguments: list[Any]) -> Any:
    """``base.name(arguments)`` for all methods of machines, and those that never work."""
    if name == "has":
        sentence = "has always fails, also in the reference"
        raise Fault("has-always-fails", sentence, "choose memories with Region statements")
    if name not in _TRANSFORMS:
        hint = f"write it without parentheses: .{name}"
        raise Fault("method-arity", f"{name} is not a method", hint)
    arity, transform = _TRANSFORMS[name]
    if not isinstance(base, MachineSpace):
        sentence = f"{name} is a method of machine spaces, not of {describe(base)}"
        raise Fault("method-on-non-machine", sentence)
    if base.kind is None:
        raise Fault("machine-arg", "Machine needs a processor kind", "write Machine(GPU)")
    _require_arity(name, arity, arguments)
    return transform(base, *_transform_arguments(name, arguments))


def leaves_remainder(space: MachineSpace, arguments: list[Any]) -> bool:
    """Whether ``space.split(dim, factor)``, which succeeded, leaves processors out."""
    dim, factor = _transform_arguments("split", arguments)
    return bool(space.sizes[dim] % factor)


def _require_arity(name: str, arity: int, arguments: list[Any]) -> None:
    if len(arguments) != arity:
        plural = "" if arity == 1 else "s"
        sentence = f"{name} takes {arity} argument{plural}, not {len(arguments)}"
        raise Fault("method-arity", sentence)


def _transform_arguments(name: str, arguments: list[Any]) -> list[Any]:
    takes_tuple = name in ("auto_split", "greedy_split")
    ints = arguments[:1] if takes_tuple else arguments
    for argument in ints:
        if not is_int(argument):
            raise Fault("arg-type", f"{name} takes an int here, not {describe(argument)}")
    values: list[Any] = [uniform(argument) for argument in ints]
    if takes_tuple:
        extents = as_ints(arguments[1])
        if extents is None:
            sentence = f"{name} takes a tuple of ints, not {describe(arguments[1])}"
            raise Fault("autosplit-arg", sentence, "for example t.ispace")
        values.append(tuple([uniform(extent) for extent in extents]))
    return values


def processor_of(task: Any, arguments: list[Any]) -> IntTuple:
    """``task.processor(m)``: where the task's current processor lies in the space m."""
    if not isinstance(task, IndexTask | SingleTask):
        raise Fault("method-on-non-machine", f"{describe(task)} has no processor: only a task has")
    _require_arity("processor", 1, arguments)
    space = arguments[0]
    if not isinstance(space, MachineSpace) or space.kind is None:
        raise Fault("arg-type", f"processor takes a machine space, not {describe(space)}")
    place = (0, 0) if isinstance(task, IndexTask) else task.processor
    if place is None:
        sentence = "the language knows the places of CPU, GPU and OMP processors only"
        raise Fault("processor-outside-machine", sentence)
    return IntTuple(space.coordinates(*place))
