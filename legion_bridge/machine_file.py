"""Reading a machine file: TOML to ``Machine``, with a sentence for everything that is wrong."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from legion_bridge.errors import MachineError
from legion_bridge.machine import WHERE, Access, Link, Machine, Memory, Processor, Route, Runtime

__all__ = ["machine_names", "read_machine"]

SCHEMA = 1
NONE: Mapping[str, str] = MappingProxyType({})


def read_machine(name: str | Path) -> Machine:
    """The built-in machine of that name, or the one in a file whose name ends in ``.toml``.

    Raises:
        MachineError: The machine is unknown, or its file is wrong; says what to mend.
    """
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
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise MachineError(
            f"unknown machine {name!r}: {hint}known are {', '.join(known)}, or give the path of "
            "a .toml file"
        )
    return (resources.files("legion_bridge") / "machines" / f"{name}.toml").read_text("utf-8")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise MachineError(f"machine file {path}: {reason}") from None
    except UnicodeDecodeError:
        raise MachineError(f"machine file {path}: not a text file") from None


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
        known = {"schema", "name", "summary", "nodes", "processors", "memories", "access", "links",
                 "routes", "runtime"}  # fmt: skip
        self.reject_unknown("the file", data, known)
        if data.get("schema") != SCHEMA:
            raise self.error("the file", f"schema must be {SCHEMA}")
        machine = Machine(
            name=self.text("the file", data, "name"),
            summary=self.text("the file", data, "summary"),
            nodes=int(self.number("the file", data, "nodes", least=1)),
            processors=MappingProxyType(self.keyed(data, "processors", Processor, "kind")),
            memories=MappingProxyType(self.keyed(data, "memories", Memory, "kind")),
            access=MappingProxyType(self.accesses(data)),
            links=MappingProxyType(self.keyed(data, "links", Link, "name")),
            routes=self.routes(data),
            runtime=self.record("[runtime]", self.table(data, "runtime"), Runtime),
            source=text,
        )
        self.check(machine)
        return machine

    def keyed(self, data: dict[str, Any], name: str, kind: type[Any], key: str) -> dict[str, Any]:
        return {
            entry: self.record(f"[{name}.{entry}]", table, kind, {key: entry})
            for entry, table in self.table(data, name).items()
        }

    def accesses(self, data: dict[str, Any]) -> dict[tuple[str, str], Access]:
        found: dict[tuple[str, str], Access] = {}
        for processor, memories in self.table(data, "access").items():
            for memory, table in memories.items():
                place = f"[access.{processor}.{memory}]"
                found[processor, memory] = self.record(
                    place, table, Access, {"processor": processor, "memory": memory}
                )
        return found

    def routes(self, data: dict[str, Any]) -> tuple[Route, ...]:
        found = []
        for number, table in enumerate(data.get("routes", ()), start=1):
            renamed = {{"from": "source", "to": "target"}.get(k, k): v for k, v in table.items()}
            found.append(self.record(f"[[routes]] number {number}", renamed, Route))
        return tuple(found)

    def record(
        self, place: str, table: Any, kind: type[Any], given: Mapping[str, str] = NONE
    ) -> Any:
        if not isinstance(table, dict):
            raise self.error(place, "must be a table")
        wanted = {f.name: f for f in fields(kind) if f.name not in given}
        self.reject_unknown(place, table, set(wanted))
        values: dict[str, Any] = dict(given)
        for name, spec in wanted.items():
            if name not in table and spec.default is not MISSING:
                continue
            if spec.type == "str":
                values[name] = self.text(place, table, name)
            elif spec.type == "tuple[str, ...]":
                values[name] = self.texts(place, table, name)
            else:
                least = 1 if name in ("count", "capacity", "bandwidth") else 0
                number = self.number(place, table, name, least=least)
                values[name] = int(number) if spec.type == "int" else float(number)
        return kind(**values)

    def check(self, machine: Machine) -> None:
        """What must hold between the tables."""
        self.reject_unknown("[processors]", machine.processors, set(PROCESSOR_KINDS))
        self.reject_unknown("[memories]", machine.memories, set(MEMORY_KINDS) - {"VIRTUAL"})
        per_rank = {"rank", *machine.processors}
        for kind, memory in machine.memories.items():
            self.check_scope(f"[memories.{kind}]", memory.scope, per_rank)
        for name, link in machine.links.items():
            self.check_scope(f"[links.{name}]", link.scope, per_rank | {"node"})
        self.check_access(machine)
        self.check_routes(machine)

    def check_scope(self, place: str, scope: str, known: set[str]) -> None:
        if scope not in known:
            raise self.error(place, f"scope must be one of {', '.join(sorted(known))}")

    def check_access(self, machine: Machine) -> None:
        for (processor, kind), access in machine.access.items():
            place = f"[access.{processor}.{kind}]"
            if processor not in machine.processors or kind not in machine.memories:
                raise self.error(place, "names a processor or memory that the file does not have")
            self.reject_unknown(place, dict.fromkeys(access.links), set(machine.links))
        for processor in machine.processors:
            if not machine.visible_memories(processor):
                raise self.error("[access]", f"the {processor} processors see no memory")

    def check_routes(self, machine: Machine) -> None:
        for number, route in enumerate(machine.routes, start=1):
            place = f"[[routes]] number {number}"
            if route.where not in WHERE:
                raise self.error(place, f"where must be one of {', '.join(WHERE)}")
            allowed = {f"{end}.{link}" for end in ("source", "target") for link in machine.links}
            self.reject_unknown(place, dict.fromkeys(route.links), allowed)
        for source in machine.memories:
            for target in machine.memories:
                for where in WHERE[1:]:
                    machine.route(source, target, where)

    def table(self, data: dict[str, Any], name: str) -> dict[str, Any]:
        table = data.get(name)
        if not isinstance(table, dict) or not table:
            raise self.error("the file", f"needs a table [{name}]")
        return table

    def text(self, place: str, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str):
            raise self.error(place, f"{key} must be a text")
        return value

    def texts(self, place: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key)
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(place, f"{key} must be a list of texts")
        return tuple(value)

    def number(self, place: str, table: Mapping[str, Any], key: str, *, least: float) -> float:
        value = table.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(place, f"{key} must be a number")
        if not least <= value < float("inf"):
            raise self.error(place, f"{key} must be at least {least:g}, not {value}")
        return value

    def reject_unknown(self, place: str, found: Mapping[str, Any], known: set[str]) -> None:
        for key in found:
            if key not in known:
                near = difflib.get_close_matches(key, sorted(known), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.error(place, f"{key!r} is unknown{hint}")

    def error(self, place: str, sentence: str) -> MachineError:
        return MachineError(f"{self.place}: {place}: {sentence}")
