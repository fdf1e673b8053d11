"""Reads a machine file: from TOML to ``Machine``, with a sentence for everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from importlib import resources
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dsl.nearest import did_you_mean
from legion_bridge.documents import DocumentError, read_toml
from legion_bridge.errors import MachineError
from legion_bridge.machines.local_machine import LOCAL_MACHINE, local_machine_file
from legion_bridge.machines.machine import (
    Access,
    Algorithm,
    Link,
    Machine,
    Memory,
    Processor,
    Products,
    Route,
    Runtime,
)
from legion_bridge.machines.machine_checks import check_machine
from legion_bridge.machines.machine_units import wrong_number
from legion_bridge.shapes import (
    Shape,
    ShapeError,
    a_flag,
    a_list,
    a_positive_number,
    a_table,
    an_object,
    at,
    check_keys,
    optional,
    wrong,
)

__all__ = ["machine_names", "read_machine"]

SCHEMA = 1
TABLES = ("processors", "memories", "access", "links", "routes", "algorithms", "runtime")
NCCL = "-nccl"
WITH_NCCL = ("a100x8", "h100x8")
"""Built-in machines that exist a second time, under a name that ends in ``NCCL``: programs run on
them with Legion's way of adding up and spreading data, and with NCCL's."""
ROUTE_ENDS = MappingProxyType({"from": "source", "to": "target"})
"""Fields of a route by the keys that a file has for them."""


def read_machine(name: str | Path) -> Machine:
    """The built-in machine of that name, the measured one called ``here``, or that of a ``.toml``
    file.

    Raises:
        MachineError: The machine is unknown, or its file is wrong; says what to mend.
    """
    if str(name) == LOCAL_MACHINE:
        return _from_text(_measured_text(), str(local_machine_file()))
    if str(name).endswith(".toml"):
        return _from_text(_read(Path(name)), str(name))
    return _from_text(_built_in(str(name)), f"{name}.toml")


def machine_names() -> tuple[str, ...]:
    """Names of the built-in machines, and of those that run collective operations otherwise."""
    folder = resources.files("legion_bridge") / "machines"
    files = (f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    return tuple(sorted((*files, *(f"{name}{NCCL}" for name in WITH_NCCL))))


def _built_in(name: str) -> str:
    known = machine_names()
    if name not in known:
        if Path(name).is_file():
            raise MachineError(f"machine file {name}: its name must end in .toml")
        raise MachineError(
            f"unknown machine {name!r}: {did_you_mean(name, known)}, "
            "or give the path of a .toml file"
        )
    file = name.removesuffix(NCCL)
    text = (resources.files("legion_bridge") / "machines" / f"{file}.toml").read_text("utf-8")
    return text if name == file else _with_nccl(text, file)


def _with_nccl(text: str, name: str) -> str:
    """The file of the machine that runs collective operations as NCCL does."""
    lines = text.replace(f'name = "{name}"', f'name = "{name}{NCCL}"', 1).splitlines(keepends=True)
    *above, last = lines
    said = f'"legion" in the machine {name}, which is the same otherwise'
    if not last.startswith("collective = "):
        raise ValueError(f"{name}.toml must end with its collective")
    return "".join([*above, f'collective = "nccl"     # {said}\n'])


def _measured_text() -> str:
    if not local_machine_file().is_file():
        raise MachineError(
            f"the machine {LOCAL_MACHINE!r} was not measured yet: run mappertune calibrate, which "
            f"takes about a minute and writes {local_machine_file()}"
        )
    return _read(local_machine_file())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise MachineError(f"machine file {path}: {reason}") from None
    except UnicodeDecodeError:
        raise MachineError(f"machine file {path}: not a text file in UTF-8") from None


def _from_text(text: str, place: str) -> Machine:
    try:
        data = read_toml(text)
    except DocumentError as error:
        raise MachineError(f"{place}: {error}") from None
    try:
        machine = _machine(data, text)
    except ShapeError as error:
        raise MachineError(f"{place}: {_table(error.table)}: {error.in_table}") from None
    for table, sentence in check_machine(machine):
        raise MachineError(f"{place}: {table}: {sentence}")
    return machine


def _table(path: Sequence[str | int]) -> str:
    """What a file calls one of its tables."""
    match path:
        case ():
            return "the file"
        case ("routes" | "algorithms" as name, int(index)):
            return f"[[{name}]] number {index + 1}"
    return f"[{'.'.join(map(str, path))}]"


def _machine(data: dict[str, Any], text: str) -> Machine:
    check_keys(data, ("schema", *HEAD, *TABLES))
    if data.get("schema") != SCHEMA:
        raise ShapeError(f"needs schema = {SCHEMA} at its head", of_table=True)
    head = an_object(HEAD)({key: data[key] for key in HEAD if key in data})
    return Machine(
        **head,
        processors=MappingProxyType(_keyed(data, "processors", Processor, "kind")),
        memories=MappingProxyType(_keyed(data, "memories", Memory, "kind")),
        access=MappingProxyType(_accesses(data)),
        links=MappingProxyType(_keyed(data, "links", Link, "name")),
        routes=_routes(data),
        algorithms=_algorithms(data),
        runtime=Runtime(**at("runtime", _record(Runtime), _needed(data, "runtime"))),
        source=text,
    )


def _needed(data: dict[str, Any], name: str) -> dict[str, Any]:
    table = data.get(name)
    if not isinstance(table, dict) or not table:
        raise ShapeError(f"needs a table [{name}]", of_table=True)
    return table


def _keyed(data: dict[str, Any], name: str, kind: type[Any], key: str) -> dict[str, Any]:
    """Tables such as ``[links.NAME]`` as dataclasses, by name."""
    tables = at(name, a_table(_record(kind, (key,))), _needed(data, name))
    return {entry: kind(**{key: entry}, **values) for entry, values in tables.items()}


def _accesses(data: dict[str, Any]) -> dict[tuple[str, str], Access]:
    read = a_table(_record(Access, ("processor", "memory")))
    found: dict[tuple[str, str], Access] = {}
    for processor, memories in _needed(data, "access").items():
        if not isinstance(memories, dict):
            said = f"needs tables such as [access.{processor}.SYSMEM]"
            raise ShapeError(said, of_table=True).under("access")
        tables = at("access", partial(at, processor, read), memories)
        for memory, values in tables.items():
            found[processor, memory] = Access(processor=processor, memory=memory, **values)
    return found


def _routes(data: dict[str, Any]) -> tuple[Route, ...]:
    tables = data.get("routes")
    if not isinstance(tables, list) or not tables:
        raise ShapeError("needs tables [[routes]], one for each way of a copy", of_table=True)
    return tuple(
        Route(**{ROUTE_ENDS.get(key, key): value for key, value in values.items()})
        for values in at("routes", a_list(_record(Route)), tables)
    )


def _algorithms(data: dict[str, Any]) -> tuple[Algorithm, ...]:
    tables = data.get("algorithms", [])
    if not isinstance(tables, list):
        said = "needs tables [[algorithms]], one for each way of a collective operation"
        raise ShapeError(said, of_table=True)
    read = at("algorithms", a_list(_record(Algorithm)), tables)
    return tuple(Algorithm(**values) for values in read)


def _record(kind: type[Any], given: Sequence[str] = ()) -> Shape[dict[str, Any]]:
    """A table with the fields of a dataclass, but for those that are given otherwise."""
    names = {field: key for key, field in ROUTE_ENDS.items()} if kind is Route else {}
    members: dict[str, Any] = {}
    for spec in fields(kind):
        if spec.name not in given:
            key = names.get(spec.name, spec.name)
            of = _value(key, str(spec.type))
            members[key] = of if spec.default is MISSING else optional(of, spec.default)
    return an_object(members, "a table")


def _value(key: str, kind: str) -> Shape[Any]:
    """The shape of a field, by its type as it is written."""
    known = {
        "str": _quoted,
        "bool": a_flag,
        "tuple[str, ...]": _texts,
        "int": _whole(key),
        "Products | None": _products,
        "tuple[tuple[float, float], ...]": _curve,
    }
    return known.get(kind) or _number(key)


def _quoted(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong("a text in quotes", value)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise wrong('a list such as ["a", "b"]', value)
    return tuple(value)


def _products(value: Any) -> Products:
    return Products(**_record(Products)(value))


def _curve(value: Any) -> tuple[tuple[float, float], ...]:
    """Points such as ``[[256, 0.4], [4096, 0.8]]``, both coordinates ascending."""
    wanted = "a list of sides and shares such as [[256, 0.4], [4096, 0.8]]"
    try:
        points = a_list(a_list(a_positive_number, 2))(value)
    except ShapeError:
        raise wrong(wanted, value) from None
    for (side, share), (larger, more) in pairwise(points):
        if side >= larger or share > more:
            raise ShapeError("must have ascending sides, and shares that do not fall")
    if not points or points[-1][1] > 1.0:
        raise ShapeError("must have shares of the peak, at most 1, and at least one of them")
    return tuple((side, share) for side, share in points)


def _number(key: str) -> Shape[float]:
    def shape(value: Any) -> float:
        if complaint := wrong_number(key, value):
            raise ShapeError(complaint)
        return float(value)

    return shape


def _whole(key: str) -> Shape[int]:
    def shape(value: Any) -> int:
        number = _number(key)(value)
        if number != int(number):
            raise wrong("a whole number", value)
        return int(number)

    return shape


HEAD: Mapping[str, Shape[Any]] = {"name": _quoted, "summary": _quoted, "nodes": _whole("nodes")}
