"""Files of measured runs: which program ran at which size under which mapper, and how fast.

A file is a JSON object with a list ``rows``. A row is an object, or a list that ``columns`` gives
names to (what stands in brackets after a name is a remark). What all rows share may stand beside
``rows``, or in an object ``common``. A row says

- ``application`` (or ``alg``) and ``nodes``, and any parameters of the application;
- how fast it was, in one of two forms: ``elapsed_s``, seconds of the timed part under the mapper
  that ``mapper`` names; or a column for each mapper, with its throughput per node in the
  application's unit, 0 where it ran out of memory, and with ``_sec`` added to the column's name,
  seconds of one iteration.

A row may also say its ``role``, such as ``fit`` or ``judge``: agreement is told for each.

A mapper is ``expert`` (a column of it may be called ``cpp`` or ``dsl``), ``default`` (``dft``), or
the path of a file that ends in ``.map``. What is null was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, TypeVar

from dsl.nearest import did_you_mean
from legion_bridge.applications import application_names
from legion_bridge.documents import DocumentError, read_json
from legion_bridge.errors import MeasurementError
from legion_bridge.programs.application import Application
from legion_bridge.shapes import (
    Shape,
    ShapeError,
    a_number_from,
    a_positive_number,
    a_whole_number,
    at,
    shown,
)

__all__ = ["MAPPING_PARAMETERS", "Measurement", "Quantity", "read_measurements"]

T = TypeVar("T")
Quantity: TypeAlias = Literal["seconds", "throughput per node"]

MAPPER_COLUMNS = {
    "cpp": "expert",
    "dsl": "expert",
    "expert": "expert",
    "dft": "default",
    "default": "default",
}
SECONDS = "_sec"
ALIASES = {
    "alg": "application",
    "app": "application",
    "elapsed": "elapsed_s",
    "tsteps": "steps",
    "tprune": "prune",
}
NODES, COUNT = a_whole_number(1), a_whole_number(0)
TILES = ("ntx", "nty")
PLAN = {
    "tensor_pieces": "t",
    "stages": "p",
    "batch_pieces": "d",
    "micro_batch": "b",
    "chunks": "v",
    "recompute": "r",
    "shards": "z",
}
"""What a plan of training is known by, in the letters of those who publish them."""
# How a program is cut for its machine: who measures these compares mappers, not sizes.
MAPPING_PARAMETERS = (*TILES, *PLAN, "sequence_parallel", "blocks")
# These ran as four processes a node, of one GPU each.
RANKS = {"johnson": 4, "cosma": 4}


@dataclass(frozen=True, slots=True)
class Measurement:
    """How fast one program was at one size under one mapper.

    Attributes:
        application: Its name; ``parameters`` are what ``Application.load`` builds it from.
        mapper: ``"expert"``, ``"default"`` or the path of a mapper's file.
        label: What tells it from the other mappers of its configuration.
        column: Where the row holds it.
        place: The row, for messages.
        quantity: What ``value`` is: seconds of the timed part, or throughput per node in the
            application's unit.
        value: None where the program ran out of memory.
        traits: What else the row says that a mapper may depend on.
        role: What the row may be used for, as where some are to fit constants and others to judge
            them; empty where it is not said.
    """

    application: str
    parameters: Mapping[str, int]
    mapper: str
    label: str
    column: str
    place: str
    quantity: Quantity
    value: float | None
    traits: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""

    @property
    def nodes(self) -> int:
        """Nodes that it ran on."""
        return self.parameters["nodes"]

    @property
    def group(self) -> str:
        """The application, and the role if there is one."""
        return f"{self.application}, {self.role}" if self.role else self.application

    @property
    def configuration(self) -> tuple[Any, ...]:
        """Equal for measurements that differ in nothing but the mapper."""
        sizes = {k: v for k, v in self.parameters.items() if k not in MAPPING_PARAMETERS}
        return (self.application, *sorted(sizes.items()))


def read_measurements(path: str | Path) -> tuple[Measurement, ...]:
    """All measurements of a file.

    Raises:
        MeasurementError: The file is missing or malformed; says where and what to mend.
    """
    place = str(path)
    document = _document(Path(path))
    rows = document.get("rows")
    if not isinstance(rows, list) or not rows:
        raise MeasurementError(f"{place}: needs a list 'rows' with at least one row")
    shared = {k: v for k, v in document.items() if not isinstance(v, dict | list)}
    common = document.get("common", {})
    if not isinstance(common, dict):
        raise MeasurementError(f"{place}: 'common' must be an object")
    names = _columns(document, place)
    found: list[Measurement] = []
    for number, row in enumerate(rows):
        at = f"{place}: rows[{number}]"
        said = _renamed(shared) | _renamed(common) | _renamed(_named(row, names, at))
        found += _Row(said, at, Path(path).parent).measurements()
    if not found:
        raise MeasurementError(f"{place}: no row holds a measured value")
    return tuple(found)


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise MeasurementError(f"cannot read {path}: {reason}") from None
    except UnicodeDecodeError:
        raise MeasurementError(f"{path}: not a text file in UTF-8") from None
    try:
        document = read_json(text)
    except DocumentError as error:
        place = path if error.line is None else f"{path}, line {error.line}, column {error.column}"
        raise MeasurementError(f"{place}: {error}") from None
    if not isinstance(document, dict):
        raise MeasurementError(f"{path}: must be a JSON object with a list 'rows'")
    return document


def _columns(document: Mapping[str, Any], place: str) -> list[str] | None:
    names = document.get("columns")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise MeasurementError(f"{place}: 'columns' must be a list of names")
    return [name.partition("(")[0].strip() for name in names]


def _named(row: Any, names: list[str] | None, place: str) -> dict[str, Any]:
    if isinstance(row, dict):
        return row
    if not isinstance(row, list):
        raise MeasurementError(f"{place}: must be an object or a list")
    if names is None:
        raise MeasurementError(f"{place}: is a list, so the file needs 'columns', a list of names")
    if len(row) != len(names):
        raise MeasurementError(
            f"{place}: has {len(row)} values for the {len(names)} names of 'columns'"
        )
    return dict(zip(names, row, strict=True))


def _renamed(said: Mapping[str, Any]) -> dict[str, Any]:
    return {ALIASES.get(name, name): value for name, value in said.items()}


class _Row:
    """What a row says, with what all rows share."""

    def __init__(self, said: dict[str, Any], place: str, folder: Path) -> None:
        self.said = said
        self.place = place
        self.folder = folder

    def measurements(self) -> Iterator[Measurement]:
        """One for each measured mapper.

        Raises:
            MeasurementError: The row is malformed.
        """
        columns = [c for c in MAPPER_COLUMNS if c in self.said or c + SECONDS in self.said]
        if "elapsed_s" in self.said:
            if self.said["elapsed_s"] is not None:
                value = self._value("elapsed_s", a_positive_number)
                yield self._measurement(self._mapper(), "elapsed_s", "seconds", value)
        elif columns:
            for column in columns:
                yield from self._column(column)
        else:
            raise self._error(
                "says no measured time: it needs 'elapsed_s', or a column of a mapper "
                f"({', '.join(MAPPER_COLUMNS)})"
            )

    def _column(self, column: str) -> Iterator[Measurement]:
        mapper = MAPPER_COLUMNS[column]
        if self.said.get(column) is not None:
            value = self._value(column, a_number_from(0.0))
            yield self._measurement(mapper, column, "throughput per node", value or None)
        elif self.said.get(column + SECONDS) is not None:
            value = self._value(column + SECONDS, a_positive_number)
            yield self._measurement(mapper, column + SECONDS, "seconds", value)

    def _measurement(
        self, mapper: str, column: str, quantity: Quantity, value: float | None
    ) -> Measurement:
        application = self._application()
        parameters = self._parameters(application)
        traits = {k: v for k, v in self.said.items() if k in ("dim", "limits")}
        return Measurement(
            application=application,
            parameters=MappingProxyType(parameters),
            mapper=mapper,
            label=self._label(mapper, parameters, traits),
            column=column,
            place=self.place,
            quantity=quantity,
            value=value,
            traits=MappingProxyType(traits),
            role=self._role(),
        )

    def _role(self) -> str:
        role = self.said.get("role", "")
        if not isinstance(role, str):
            raise self._error(f"role must be a word, not {shown(role)}")
        return role

    def _mapper(self) -> str:
        name = self.said.get("mapper", "expert")
        if isinstance(name, str) and name.endswith(".map"):
            return str(self.folder / name)
        if not isinstance(name, str) or name not in MAPPER_COLUMNS:
            raise self._error(
                f"mapper must be expert, default or the path of a .map file, not {shown(name)}"
            )
        return MAPPER_COLUMNS[name]

    def _label(self, mapper: str, parameters: Mapping[str, int], traits: Mapping[str, Any]) -> str:
        words = [Path(mapper).stem]
        if all(key in parameters for key in TILES):
            words.append(" x ".join(str(parameters[key]) for key in TILES))
        words += [
            f"{letter}={parameters[key]}" for key, letter in PLAN.items() if key in parameters
        ]
        if traits.get("dim") == 2:
            words.append("in 2-D blocks")
        return " ".join(words)

    def _application(self) -> str:
        name = self.said.get("application")
        if name is None and {"nx", "ny", "ntx", "nty"} <= self.said.keys():
            return "stencil"
        if not isinstance(name, str):
            raise self._error("needs 'application' (or 'alg'), the name of a built-in application")
        if name not in application_names():
            hint = did_you_mean(name, application_names(), limit=len(application_names()))
            raise self._error(f"unknown application {name!r}: {hint}")
        return name

    def _parameters(self, application: str) -> dict[str, int]:
        if "nodes" not in self.said:
            raise self._error("needs 'nodes', the number of nodes it ran on")
        known = _parameter_names(application)
        given = {
            k: self._value(k, NODES if k == "nodes" else COUNT)
            for k in known
            if self.said.get(k) is not None
        }
        if application in RANKS:
            given.setdefault("ranks_per_node", RANKS[application])
        return given

    def _value(self, key: str, of: Shape[T]) -> T:
        try:
            return at(key, of, self.said[key])
        except ShapeError as error:
            raise self._error(error.in_table) from None

    def _error(self, sentence: str) -> MeasurementError:
        return MeasurementError(f"{self.place}: {sentence}")


_names: dict[str, tuple[str, ...]] = {}


def _parameter_names(application: str) -> tuple[str, ...]:
    if application not in _names:
        _names[application] = tuple(Application.load(application).parameters)
    return _names[application]
