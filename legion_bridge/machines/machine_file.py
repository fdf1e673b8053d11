"""Reading a machine file: TOML to ``Machine``, with a sentence for everything that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dsl.nearest import did_you_mean
from legion_bridge.errors import MachineError
from legion_bridge.machines.local_machine import LOCAL_MACHINE, local_machine_file
from legion_bridge.machines.machine import Access, Link, Machine, Memory, Processor, Route, Runtime
from legion_bridge.machines.machine_checks import check_machine
from legion_bridge.machines.machine_units import wrong_number

__all__ = ["machine_names", "read_machine"]

SCHEMA = 1
TABLES = ("processors", "memories", "access", "links", "routes", "runtime")
NONE: Mapping[str, str] = MappingProxyType({})
ROUTE_ENDS = MappingProxyType({"source": "from", "target": "to"})


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
    """Names of the built-in machines."""
    folder = resources.files("legion_bridge") / "machines"
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def _built_in(name: str) -> str:
    known = machine_names()
    if name not in known:
        if Path(name).is_file():
            raise MachineError(f"machine file {name}: its name must end in .toml")
        raise MachineError(
            f"unknown machine {name!r}: {did_you_mean(name, known)}, "
            "or give the path of a .toml file"
        )
    return (resources.files("legion_bridge") / "machines" / f"{name}.toml").read_text("utf-8")


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
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MachineError(f"{place}: not TOML: {error}") from None
    return _Reader(place).machine(data, text)


class _Reader:
    """Turns the tables of a file into a machine; every complaint names the table and the key."""

    def __init__(self, place: str) -> None:
        self.place = place

    def machine(self, data: dict[str, Any], text: str) -> Machine:
        top = "the file"
        self.reject_unknown(top, data, ("schema", "name", "summary", "nodes", *TABLES))
        if data.get("schema") != SCHEMA:
            raise self.error(top, f"needs schema = {SCHEMA} at its head")
        machine = Machine(
            name=self.text(top, data, "name"),
            summary=self.text(top, data, "summary"),
            nodes=self.whole(top, data, "nodes"),
            processors=MappingProxyType(self.keyed(data, "processors", Processor, "kind")),
            memories=MappingProxyType(self.keyed(data, "memories", Memory, "kind")),
            access=MappingProxyType(self.accesses(data)),
            links=MappingProxyType(self.keyed(data, "links", Link, "name")),
            routes=self.routes(data),
            runtime=self.record("[runtime]", self.table(data, "runtime"), Runtime),
            source=text,
        )
        for place, sentence in check_machine(machine):
            raise self.error(place, sentence)
        return machine

    def keyed(self, data: dict[str, Any], name: str, kind: type[Any], key: str) -> dict[str, Any]:
        return {
            entry: self.record(f"[{name}.{entry}]", table, kind, {key: entry})
            for entry, table in self.table(data, name).items()
        }

    def accesses(self, data: dict[str, Any]) -> dict[tuple[str, str], Access]:
        found: dict[tuple[str, str], Access] = {}
        for processor, memories in self.table(data, "access").items():
            if not isinstance(memories, dict):
                raise self.error("[access]", f"needs tables such as [access.{processor}.SYSMEM]")
            for memory, table in memories.items():
                place = f"[access.{processor}.{memory}]"
                found[processor, memory] = self.record(
                    place, table, Access, {"processor": processor, "memory": memory}
                )
        return found

    def routes(self, data: dict[str, Any]) -> tuple[Route, ...]:
        tables = data.get("routes")
        if not isinstance(tables, list) or not tables:
            raise self.error("the file", "needs tables [[routes]], one for each way of a copy")
        return tuple(
            self.record(f"[[routes]] number {number}", table, Route, names=ROUTE_ENDS)
            for number, table in enumerate(tables, start=1)
        )

    def record(
        self,
        place: str,
        table: Any,
        kind: type[Any],
        given: Mapping[str, str] = NONE,
        names: Mapping[str, str] = NONE,
    ) -> Any:
        """A table as a dataclass; ``names`` are keys of fields that the file calls otherwise."""
        if not isinstance(table, dict):
            raise self.error(place, f"must be a table, not {table!r}")
        wanted = {names.get(f.name, f.name): f for f in fields(kind) if f.name not in given}
        self.reject_unknown(place, table, wanted)
        values: dict[str, Any] = dict(given)
        for key, spec in wanted.items():
            if key in table or spec.default is MISSING:
                values[spec.name] = self.value(place, table, key, spec)
        return kind(**values)

    def value(self, place: str, table: Mapping[str, Any], key: str, spec: Field[Any]) -> Any:
        if spec.type == "str":
            return self.text(place, table, key)
        if spec.type == "bool":
            return self.flag(place, table, key)
        if spec.type == "tuple[str, ...]":
            return self.texts(place, table, key)
        if spec.type == "int":
            return self.whole(place, table, key)
        return float(self.number(place, table, key))

    def table(self, data: dict[str, Any], name: str) -> dict[str, Any]:
        table = data.get(name)
        if not isinstance(table, dict) or not table:
            raise self.error("the file", f"needs a table [{name}]")
        return table

    def text(self, place: str, table: Mapping[str, Any], key: str) -> str:
        value = self.present(place, table, key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(place, f"{key} must be a text in quotes, not {value!r}")
        return value

    def texts(self, place: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = self.present(place, table, key)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(place, f'{key} must be a list such as ["a", "b"], not {value!r}')
        return tuple(value)

    def whole(self, place: str, table: Mapping[str, Any], key: str) -> int:
        value = self.number(place, table, key)
        if value != int(value):
            raise self.error(place, f"{key} must be a whole number, not {value!r}")
        return int(value)

    def flag(self, place: str, table: Mapping[str, Any], key: str) -> bool:
        value = self.present(place, table, key)
        if not isinstance(value, bool):
            raise self.error(place, f"{key} must be true or false, not {value!r}")
        return value

    def number(self, place: str, table: Mapping[str, Any], key: str) -> float:
        value = self.present(place, table, key)
        if complaint := wrong_number(key, value):
            raise self.error(place, complaint)
        number: float = value
        return number

    def present(self, place: str, table: Mapping[str, Any], key: str) -> Any:
        if key not in table:
            raise self.error(place, f"{key} is missing")
        return table[key]

    def reject_unknown(self, place: str, found: Iterable[str], known: Iterable[str]) -> None:
        known = sorted(known)
        for key in found:
            if key not in known:
                raise self.error(
                    place, f"{key!r} is unknown: {did_you_mean(key, known, limit=20)}"
                )

    def error(self, place: str, sentence: str) -> MachineError:
        return MachineError(f"{self.place}: {place}: {sentence}")
