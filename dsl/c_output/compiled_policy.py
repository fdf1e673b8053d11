"""A mapper compiled to machine code; it answers the same questions as a `dsl.Mapper`.

The shared object is the one that the Legion mapper loads, so this is also how its decisions are
compared with those of the evaluator.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dsl.c_output.emit_c import ABI_VERSION, emit_c
from dsl.errors import MapperError, MapperEvaluationError, MapperLoadError
from dsl.launch_domain import LaunchDomain
from dsl.limits import MAX_TUPLE
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS, MachineShape
from dsl.scratch_folder import ScratchFolder
from dsl.syntax import Align, Position, Program
from dsl.tables import LayoutDecision

__all__ = ["CompiledPolicy", "compile_policy", "find_compiler"]

# A trial asks some thousand questions: what the compiler saves is more than what they cost.
_FLAGS = ("-std=c11", "-O0", "-fPIC", "-shared")
_TEXT, _COORDINATES = 1024, 8  # MAPPER_ERROR_TEXT, MAPPER_ERROR_POINT
_PRINT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


class _Machine(ctypes.Structure):
    _fields_ = (
        ("nodes", ctypes.c_int32),
        ("processors", ctypes.c_int32 * len(PROCESSOR_KINDS)),
        ("print", _PRINT),
        ("print_context", ctypes.c_void_p),
    )


class _Error(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_int32),
        ("line", ctypes.c_int32),
        ("column", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("point", ctypes.c_int32 * _COORDINATES),
        ("label", ctypes.c_char_p),
        ("text", ctypes.c_char * _TEXT),
    )


class _Point(ctypes.Structure):
    _fields_ = (("node", ctypes.c_int32), ("processor", ctypes.c_int32))


class _Layout(ctypes.Structure):
    _fields_ = (
        ("found", ctypes.c_int32),
        ("c_order", ctypes.c_int32),
        ("aos", ctypes.c_int32),
        ("compact", ctypes.c_int32),
        ("exact", ctypes.c_int32),
        ("align", ctypes.c_char * 3),
        ("alignment", ctypes.c_int32),
    )


_int, _pointer = ctypes.c_int32, ctypes.POINTER
_ints, _policy, _text = _pointer(_int), ctypes.c_void_p, ctypes.c_char_p
_regions = (_pointer(_text), _int)
_points = (_pointer(_Point), _int, _pointer(_int), _pointer(_Error))


def _question(*arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(_int, *arguments)


class _Api(ctypes.Structure):
    """``mapper_api`` of ``mapper_abi.h``."""

    _fields_ = (
        ("version", _int),
        ("size", _int),
        ("name", _text),
        ("sha256", _text),
        ("load", _question(_pointer(_Machine), _pointer(_policy), _pointer(_Error))),
        ("unload", ctypes.CFUNCTYPE(None, _policy)),
        ("task_kinds", _question(_policy, _text, _pointer(_pointer(ctypes.c_int8)), _ints)),
        (
            "memories",
            _question(_policy, _text, *_regions, _int, _pointer(ctypes.c_int8), _int, _ints),
        ),
        ("layout", _question(_policy, _text, *_regions, _int, _int, _pointer(_Layout))),
        ("instance_limit", _question(_policy, _text, _ints)),
        ("collects", _question(_policy, _text, *_regions, _ints)),
        ("control_replicates", _question(_policy, _text, _ints)),
        ("has_map", _question(_policy, _text, _int, _int, _ints)),
        ("index_point", _question(_policy, _text, _int, _int, _ints, _ints, _ints, *_points)),
        (
            "index_domain",
            _question(
                _policy, _text, _int, _int, _ints, _ints, _pointer(_Point), _pointer(_Error)
            ),
        ),
        (
            "single_task",
            _question(_policy, _text, _int, _pointer(_Point), _int, *_points),
        ),
    )


def find_compiler() -> list[str]:
    """The command of the user's C compiler: ``$CC``, or the first of cc, gcc and clang.

    Raises:
        MapperError: There is none.
    """
    if chosen := os.environ.get("CC"):
        return chosen.split()
    for command in ("cc", "gcc", "clang"):
        if path := shutil.which(command):
            return [path]
    raise MapperError(
        "no C compiler was found",
        code="no-compiler",
        hint="install gcc or clang, or name one in the environment variable CC",
    )


def compile_policy(
    source: str,
    target: Path,
    *,
    compiler: Sequence[str] | None = None,
    flags: Sequence[str] = (),
    timeout: float = 120.0,
) -> Path:
    """Compiles the C text of `dsl.emit_c` to a shared object.

    Args:
        source: The C text.
        target: Where to write the shared object.
        compiler: The compiler's command; by default `find_compiler`'s.
        flags: Further flags. ``-O1`` takes about twice as long to compile as the ``-O0`` that
            stands before them, and answers a few times faster: for a mapper that is shipped.
        timeout: Seconds after which the compiler is stopped.

    Returns:
        The target.

    Raises:
        MapperError: There is no compiler, or it fails or takes too long.
    """
    command = [*(compiler or find_compiler()), *_FLAGS, *flags, "-x", "c", "-", "-o", str(target)]
    try:
        done = subprocess.run(
            command,
            input=source,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=timeout,
        )
    except OSError as error:
        sentence = f"the C compiler {command[0]} cannot be started: {error.strerror}"
        hint = "set the environment variable CC to gcc or clang"
        raise MapperError(sentence, code="no-compiler", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        sentence = f"the C compiler {command[0]} takes more than {timeout:g} seconds"
        hint = "shorten the mapper's longest function"
        raise MapperError(sentence, code="compiler", hint=hint) from error
    if done.returncode:
        raise MapperError(
            f"the C compiler {command[0]} fails: {done.stderr.strip()[:2000]}",
            code="compiler",
            hint="set the environment variable CC to gcc or clang",
        )
    return target


class CompiledPolicy:
    """A compiled mapper, loaded for a machine.

    It answers as `dsl.Mapper` does. Where a runtime asks for pairs of node and processor it
    accepts nothing else.

    Attributes:
        name: What the mapper was called when its C was written.
        printed: What print statements have said so far.

    >>> from dsl import MachineShape, parse
    >>> program = parse("Task * GPU; Region * * GPU ZCMEM;")
    >>> policy = CompiledPolicy.of(program, MachineShape(nodes=1, processors={"GPU": 4}))
    >>> policy.task_kinds("calculate"), policy.memories("calculate", ["0"], "GPU")
    (('GPU',), ('ZCMEM',))
    """

    def __init__(
        self, library: Path, shape: MachineShape, *, program: Program | None = None
    ) -> None:
        """Loads a shared object.

        Args:
            library: The shared object.
            shape: The machine.
            program: The mapper that it was made from, for the lines in error messages.

        Raises:
            MapperLoadError: A top-level statement fails, or this is no compiled mapper.
        """
        self._program = program
        self._said: list[bytes] = []
        self._print = _PRINT(self._hear)
        try:
            self._api = _Api.in_dll(ctypes.CDLL(str(library)), "mapper_policy_api")
        except (OSError, ValueError) as error:
            raise MapperLoadError(f"{library} is no compiled mapper: {error}") from error
        if self._api.version != ABI_VERSION:
            raise MapperLoadError(
                f"{library} has version {self._api.version} of the interface, not {ABI_VERSION}",
                hint="write and compile its C again",
            )
        counts = [shape.count(kind) for kind in PROCESSOR_KINDS]
        machine = _Machine(shape.nodes, (_int * len(counts))(*counts), self._print, None)
        self._policy = _policy()
        self._error = _Error()
        code = self._api.load(
            ctypes.byref(machine), ctypes.byref(self._policy), ctypes.byref(self._error)
        )
        if code:
            raise self._failure(MapperLoadError)

    @classmethod
    def of(cls, program: Program, shape: MachineShape) -> Self:
        """Writes, compiles and loads a mapper.

        Raises:
            MapperError: There is no compiler.
            MapperLoadError: A top-level statement fails.
        """
        with ScratchFolder("mapper") as folder:
            library = compile_policy(emit_c(program), Path(folder) / "mapper.so")
            return cls(library, shape, program=program)

    def __del__(self) -> None:
        if getattr(self, "_policy", None):
            self._api.unload(self._policy)

    @property
    def name(self) -> str:
        return str(self._api.name.decode())

    @property
    def printed(self) -> str:
        """What print statements have said so far."""
        return b"".join(self._said).decode("utf-8", "replace")

    def _hear(self, _: object, text: bytes) -> None:
        self._said.append(text)

    # Tables

    def task_kinds(self, task: str) -> tuple[str, ...]:
        """Processor kinds in order of preference."""
        kinds, count = _pointer(ctypes.c_int8)(), _int()
        self._ask("task_kinds", task, ctypes.byref(kinds), ctypes.byref(count))
        return tuple(PROCESSOR_KINDS[kinds[k]] for k in range(count.value))

    def memories(self, task: str, region_names: Sequence[str], kind: str) -> tuple[str, ...]:
        """Memory kinds in order of preference."""
        count, room = _int(), (ctypes.c_int8 * 64)()
        where = (*_names(region_names), _kind(kind))
        self._ask("memories", task, *where, room, len(room), ctypes.byref(count))
        if count.value > len(room):
            room = (ctypes.c_int8 * count.value)()
            self._ask("memories", task, *where, room, len(room), ctypes.byref(count))
        return tuple(MEMORY_KINDS[m] for m in room[: count.value])

    def layout(
        self, task: str, region_names: Sequence[str], memory: str, kind: str | None = None
    ) -> LayoutDecision | None:
        """The layout in a memory kind, or None where no rule applies."""
        layout = _Layout()
        key = (*_names(region_names), MEMORY_KINDS.index(memory), _kind(kind))
        self._ask("layout", task, *key, ctypes.byref(layout))
        if not layout.found:
            return None
        align = Align(layout.align.decode(), layout.alignment) if layout.align else None
        flags = (not layout.aos, bool(layout.c_order), bool(layout.compact), bool(layout.exact))
        return LayoutDecision(*flags, align)

    def instance_limit(self, task: str) -> int:
        """The largest number of instances in flight; 0 for any number."""
        return self._number("instance_limit", task)

    def collects(self, task: str, region_names: Sequence[str]) -> bool:
        """Whether read-only instances are collected after use."""
        return bool(self._number("collects", task, *_names(region_names)))

    def control_replicated(self, task: str) -> bool:
        """Whether a ControlReplicate statement names the task."""
        return self._number("control_replicates", task) == 1

    def has_index_map(self, task: str, kind: str | None) -> bool:
        """Whether `index_map` has an answer; else the runtime decides."""
        return bool(self._number("has_map", task, _kind(kind), 0))

    def has_single_map(self, task: str, kind: str | None) -> bool:
        """Whether `single_map` has an answer; else the runtime decides."""
        return bool(self._number("has_map", task, _kind(kind), 1))

    # Maps

    def index_map(
        self,
        task: str,
        kind: str | None,
        ispace: Sequence[int],
        *,
        lower: Sequence[int] | None = None,
    ) -> NDArray[np.int64]:
        """Node and processor of every point: an array of shape ``(*ispace, 2)``.

        Raises:
            MapperEvaluationError: As for `dsl.Mapper.index_map`.
        """
        domain = LaunchDomain.box(ispace, lower)
        domain.require_possible()
        points = np.empty((*domain.extents, 2), np.int32)
        room = points.ctypes.data_as(_pointer(_Point))
        where = (_kind(kind), *_box(domain), room)
        self._ask("index_domain", task, *where, ctypes.byref(self._error))
        return points.astype(np.int64)

    def index_point(
        self,
        task: str,
        kind: str | None,
        ispace: Sequence[int],
        ipoint: Sequence[int],
        *,
        lower: Sequence[int] | None = None,
    ) -> tuple[int, int]:
        """Node and processor of one point.

        Raises:
            MapperEvaluationError: As for `dsl.Mapper.index_point`.
        """
        return self.index_points(task, kind, ispace, ipoint, lower=lower)[0]

    def index_points(
        self,
        task: str,
        kind: str | None,
        ispace: Sequence[int],
        ipoint: Sequence[int],
        *,
        lower: Sequence[int] | None = None,
    ) -> list[tuple[int, int]]:
        """All processors on which one point may run: several for a star.

        Raises:
            MapperEvaluationError: As for `dsl.Mapper.index_points`.
        """
        domain = LaunchDomain.box(ispace, lower)
        domain.require_point(ipoint)
        where = (_kind(kind), *_box(domain), _array(ipoint))
        return self._points("index_point", task, *where)

    def single_map(
        self,
        task: str,
        kind: str | None,
        parent: Sequence[int] | None,
        parent_kind: str | None = None,
    ) -> list[tuple[int, int]]:
        """Where a task that is launched alone may run.

        Raises:
            MapperEvaluationError: As for `dsl.Mapper.single_map`.
        """
        at = None if parent is None else ctypes.byref(_Point(*parent))
        return self._points("single_task", task, _kind(kind), at, _kind(parent_kind))

    # Asking

    def _points(self, question: str, task: str, *where: Any) -> list[tuple[int, int]]:
        room, count = (_Point * MAX_TUPLE)(), _int()
        rest = (room, len(room), ctypes.byref(count), ctypes.byref(self._error))
        self._ask(question, task, *where, *rest)
        return [(point.node, point.processor) for point in room[: count.value]]

    def _number(self, question: str, task: str, *where: Any) -> int:
        answer = _int()
        self._ask(question, task, *where, ctypes.byref(answer))
        return answer.value

    def _ask(self, question: str, task: str, *rest: Any) -> None:
        ask: Callable[..., int] = getattr(self._api, question)
        self._error.code = 0
        if code := ask(self._policy, task.encode(), *rest):
            if not self._error.code:
                raise ValueError(f"{question} answers {code}: the question is impossible")
            raise self._failure(MapperEvaluationError, point=_failing_point(self._error))

    def _failure(self, kind: type[MapperError], **details: Any) -> MapperError:
        error = self._error
        sentence, _, source_line = error.text.decode("utf-8", "replace").partition("\n    ")
        position = Position(error.line, error.column, error.line, error.column + 1)
        prefix = f"{self.name}:{error.line}:{error.column}: " if error.line else f"{self.name}: "
        return kind(
            sentence.removeprefix(prefix),
            code=error.label.decode(),
            position=position if error.line else None,
            filename=self.name,
            source_line=source_line or None,
            **details,
        )


def _failing_point(error: _Error) -> tuple[int, ...] | None:
    return tuple(error.point[: min(error.dimensions, _COORDINATES)]) or None


def _names(region_names: Sequence[str]) -> tuple[Any, int]:
    return (_text * len(region_names))(*map(str.encode, region_names)), len(region_names)


def _kind(kind: str | None) -> int:
    return -1 if kind is None else PROCESSOR_KINDS.index(kind)


def _box(domain: LaunchDomain) -> tuple[Any, ...]:
    """Dimensions, lower bounds and extents of a launch domain."""
    lower = _array(domain.lower) if any(domain.lower) else None
    return len(domain.extents), lower, _array(domain.extents)


def _array(numbers: Sequence[int]) -> Any:
    return (_int * len(numbers))(*numbers)
