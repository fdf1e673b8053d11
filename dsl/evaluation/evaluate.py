"""A stack machine for the code of `dsl.evaluation.code`, for one index point or for many at once.

Calls and branches are frames on a stack of this module's own, so no program can exhaust that of
Python. A conditional whose condition differs among the points at hand divides them: each part is
evaluated in an evaluator of its own, and the results are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import numpy as np

from dsl import syntax
from dsl.evaluation.code import Code, compile_body
from dsl.evaluation.faults import Fault
from dsl.evaluation.methods import (
    INDEX_LAUNCH_WARNING,
    call_method,
    leaves_remainder,
    make_machine,
    processor_of,
)
from dsl.evaluation.operations import (
    as_ints,
    binary,
    has_wildcard,
    index,
    is_beyond,
    member,
    negated,
    slice_of,
)
from dsl.evaluation.printing import Printed, require_printable
from dsl.evaluation.processors import MachineSpace
from dsl.evaluation.values import (
    Divergence,
    Function,
    GeneralTuple,
    IndexTask,
    IntTuple,
    PointSet,
    Rows,
    SingleTask,
    Splice,
    describe,
    is_bool,
    is_int,
    merge,
    select,
)
from dsl.limits import MAX_CALL_DEPTH, MAX_FORKS, MAX_TUPLE, MAX_TUPLE_DEPTH, MAX_WORK, STEP_WORK
from dsl.machine_shape import MachineShape
from dsl.nearest import did_you_mean

__all__ = ["Evaluator", "Exhausted", "Failed", "Session", "undefined_hint"]


class Failed(Exception):  # noqa: N818  never leaves the package: the user sees a MapperError
    """An evaluation failed, at least for one index point.

    Attributes:
        fault: What is wrong.
        position: Where in the text.
        row: The first of the points that failed, counted through the launch; 0 outside of one.
    """

    def __init__(self, fault: Fault, position: syntax.Position | None, row: int) -> None:
        super().__init__(fault.sentence)
        self.fault = fault
        self.position = position
        self.row = row


class Exhausted(Failed):
    """The evaluation takes too long; no point is to blame."""


@dataclass
class Session:
    """What the evaluators of one answer share.

    Attributes:
        shape: The machine.
        names: Functions and global variables.
        compiled: Code of functions by name, filled as they are called.
        work: Work left (see `dsl.limits`).
        printed: Print statements carried out.
        surprises: What the language passes over in silence, as codes of `dsl.CODES`, with the
            places where it happened.
    """

    shape: MachineShape
    names: dict[str, Any]
    compiled: dict[str, Code]
    work: int = MAX_WORK
    printed: list[Printed] = field(default_factory=list)
    surprises: set[tuple[str, syntax.Position | None]] = field(default_factory=set)

    def code_of(self, definition: syntax.FunctionDefinition) -> Code:
        """Code of a function's body."""
        code = self.compiled.get(definition.name)
        if code is None:
            code = self.compiled[definition.name] = compile_body(definition)
        return code


class _Frame:
    """Code that is being run: of an expression, a branch or a function's body."""

    __slots__ = ("at", "code", "locals")

    def __init__(self, code: Code, local: dict[str, Any]) -> None:
        self.code = code
        self.locals = local
        self.at = 0


class _Entry(NamedTuple):
    """A result, and the return statement that gave it."""

    value: Any
    node: Any


class Evaluator:
    """Runs code, for the index points of ``rows`` at once, or for one where there are none."""

    def __init__(self, session: Session, rows: Rows | None = None) -> None:
        self._session = session
        self._rows = rows
        self._stack: list[Any] = []
        self._frames: list[_Frame] = []
        self._calls = 0
        self._forks = 0
        self._points = 0 if rows is None else len(rows)
        self._given_back: Any = None

    def evaluate(self, code: Code) -> Any:
        """The value of a top-level expression, or None of a print statement.

        Raises:
            Failed: It has none.
        """
        self._frames.append(_Frame(code, {}))
        self._run()
        return self._stack.pop() if self._stack else None

    def answer(self, function: syntax.FunctionDefinition, task: IndexTask | SingleTask) -> _Entry:
        """What a mapping function returns for a task, and the statement that returned it.

        Raises:
            Failed: It fails for some point.
            Divergence: The points must be divided before they are evaluated together.
        """
        self._enter(function, {function.parameters[0].name: task})
        self._run()
        return _Entry(self._stack.pop(), self._given_back)

    def _run(self) -> None:
        frames = self._frames
        session = self._session
        node = None
        try:
            while frames:
                frame = frames[-1]
                if frame.at == len(frame.code):
                    frames.pop()
                    continue
                operation, argument, node = frame.code[frame.at]
                frame.at += 1
                session.work -= STEP_WORK
                if session.work < 0:
                    self._exhausted(node)
                getattr(self, operation)(argument)
        except Fault as fault:
            raise self.located(fault, node) from None

    def located(self, fault: Fault, node: Any) -> Failed:
        """The failure of an operation, with its place and its first point."""
        first = 0 if fault.failing is None else int(np.argmax(fault.failing))
        row = 0 if self._rows is None else int(self._rows[first])
        return Failed(fault, node.position, row)

    def _surprise(self, code: str) -> None:
        frame = self._frames[-1]
        node = frame.code[frame.at - 1][2]
        self._session.surprises.add((code, node.position))

    def _exhausted(self, node: Any) -> NoReturn:
        fault = Fault(
            "too-many-steps",
            "the evaluation takes too many steps",
            "shorten the recursion, or the tuples",
        )
        raise Exhausted(fault, node.position, 0)

    def _spend(self, count: int) -> None:
        """Accounts for so many numbers, each of which may be one per point."""
        self._session.work -= self._points * count

    def _pop_many(self, count: int) -> list[Any]:
        if count == 0:
            return []
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    # Values

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def fail(self, failure: tuple[str, str, str | None]) -> None:
        raise Fault(*failure)

    def load(self, name: str) -> None:
        local = self._frames[-1].locals
        if name in local:
            self._stack.append(local[name])
        elif name in self._session.names:
            self._stack.append(self._session.names[name])
        else:
            raise Fault(
                "undefined-name",
                f"{name} is not defined",
                undefined_hint(name, [*local, *self._session.names]),
            )

    def gather(self, count: int) -> None:
        values = self._pop_many(count)
        if any(isinstance(value, Splice) for value in values):
            values = [item for v in values for item in (v.items if type(v) is Splice else (v,))]
        if len(values) > MAX_TUPLE:
            raise Fault("too-large", f"a list has at most {MAX_TUPLE} elements, not {len(values)}")
        self._session.work -= _GATHER_WORK * len(values)
        self._stack.append(values)

    def make_tuple(self, _: None) -> None:
        items = tuple(self._stack.pop())
        depth = 1 + max([i.depth for i in items if type(i) is GeneralTuple], default=0)
        if depth > MAX_TUPLE_DEPTH:
            raise Fault("too-deep", f"tuples nest at most {MAX_TUPLE_DEPTH} deep")
        self._stack.append(GeneralTuple(items, depth))

    def require_element(self, _: None) -> None:
        if isinstance(self._stack[-1], Splice):
            raise Fault("bad-unpack", "a comprehension's element cannot be an unpacked tuple")

    def unpack(self, _: None) -> None:
        value = self._stack.pop()
        if not isinstance(value, IntTuple | GeneralTuple):
            raise Fault("bad-unpack", f"* unpacks a tuple, not {describe(value)}")
        self._stack.append(Splice(value.items))

    # Operators

    def binary(self, operator: str) -> None:
        right = self._stack.pop()
        left = self._stack.pop()
        value = binary(operator, left, right)
        if not isinstance(value, int):
            self._spend(len(value.items) if type(value) is IntTuple else 1)
        self._stack.append(value)

    def negate(self, literal: bool) -> None:
        self._stack.append(negated(self._stack.pop(), literal=literal))

    def index(self, _: None) -> None:
        base = self._stack.pop()
        indices = self._stack.pop()
        value = index(base, indices)
        if isinstance(base, MachineSpace):
            points = len(value.points) if type(value) is PointSet else 1
            self._spend(points * (1 + len(base.transforms)))
            if base.transforms and is_beyond(base, indices):
                self._surprise("index-aliased")
            if type(value) is PointSet and has_wildcard(indices):
                self._surprise("index-wildcard")
        self._stack.append(value)

    def slice(self, _: None) -> None:
        base, lower, upper = self._pop_many(3)
        self._stack.append(slice_of(base, lower, upper))

    def member(self, name: str) -> None:
        self._stack.append(member(self._stack.pop(), name))

    def method(self, name: str) -> None:
        base, arguments = self._pop_many(2)
        if name != "processor":
            self._stack.append(call_method(base, name, arguments))
            if name == "split" and leaves_remainder(base, arguments):
                self._surprise("split-remainder")
            return
        place = processor_of(base, arguments)
        if isinstance(base, IndexTask):
            self._session.printed.append(Printed(self._rows, [INDEX_LAUNCH_WARNING[:-1]], []))
        self._stack.append(place)

    def machine(self, _: None) -> None:
        self._stack.append(make_machine(self._session.shape, self._stack.pop()))

    # Control

    def branch(self, branches: tuple[Code, Code]) -> None:
        condition = self._stack.pop()
        if not is_bool(condition):
            raise Fault(
                "condition-not-bool",
                f"the condition of ? : is {describe(condition)}, not a bool",
                _CONDITION_HINT,
            )
        if isinstance(condition, bool):
            self._proceed(branches[0] if condition else branches[1])
        elif condition.all():
            self._proceed(branches[0])
        elif condition.any():
            self._divide(condition, branches)
        else:
            self._proceed(branches[1])

    def _proceed(self, code: Code) -> None:
        self._frames.append(_Frame(code, self._frames[-1].locals))

    def _divide(self, condition: Any, branches: tuple[Code, Code]) -> None:
        parts = (np.flatnonzero(condition), np.flatnonzero(~condition))
        if self._forks >= MAX_FORKS:
            raise Divergence(parts)
        values = (self._fork(branches[0], parts[0]), self._fork(branches[1], parts[1]))
        self._stack.append(merge(values, parts))

    def _fork(self, code: Code, rows: Rows) -> Any:
        """The value of a branch for some of the points at hand."""
        part = Evaluator(self._session, self._rows[rows])  # type: ignore[index]
        part._calls, part._forks = self._calls, self._forks + 1
        self._spend(len(self._frames[-1].locals))
        local = {name: select(value, rows) for name, value in self._frames[-1].locals.items()}
        try:
            return part.evaluate_branch(code, local)
        except Divergence as divergence:
            others = np.setdiff1d(np.arange(len(self._rows)), rows)  # type: ignore[arg-type]
            raise Divergence([*(rows[group] for group in divergence.groups), others]) from None

    def evaluate_branch(self, code: Code, local: dict[str, Any]) -> Any:
        """The value of code among the variables of a function."""
        self._frames.append(_Frame(code, local))
        self._run()
        return self._stack.pop()

    def call(self, name: str) -> None:
        arguments = self._stack.pop()
        callee = self._frames[-1].locals.get(name, self._session.names.get(name))
        if callee is None:
            raise Fault(
                "undefined-function",
                f"the function {name} is not defined",
                did_you_mean(name, _functions(self._session.names)) or None,
            )
        if not isinstance(callee, Function):
            raise Fault("not-a-function", f"{name} is {describe(callee)}, not a function")
        self._enter(callee.definition, _bound(callee.definition, arguments))

    def _enter(self, function: syntax.FunctionDefinition, local: dict[str, Any]) -> None:
        self._calls += 1
        if self._calls > MAX_CALL_DEPTH:
            raise Fault(
                "too-deep",
                f"calls nest more than {MAX_CALL_DEPTH} deep in {function.name}",
                "a recursive function needs a condition that ends it",
            )
        self._frames.append(_Frame(self._session.code_of(function), local))

    # Statements

    def store(self, name: str) -> None:
        value = self._stack.pop()
        require_assignable(name, value)
        # The first assignment of a local wins (section 8).
        self._frames[-1].locals.setdefault(name, value)

    def give_back(self, node: syntax.Return) -> None:
        value = self._stack[-1]
        if not (
            is_int(value)
            or is_bool(value)
            or isinstance(value, IntTuple | GeneralTuple | PointSet)
        ):
            raise Fault("bad-return-type", f"a function cannot return {describe(value)}")
        self._frames.pop()
        self._calls -= 1
        self._given_back = node

    def print(self, pieces: list[str]) -> None:
        values = self._pop_many(len(pieces) - 1)
        for value in values:
            require_printable(value)
        self._session.printed.append(Printed(self._rows, pieces, values))


# To put an element into a list is less than a step, and the same for many points.
_GATHER_WORK = 16

_CONDITION_HINT = (
    "? : groups from the left: put a condition that stands behind a colon into parentheses,"
    " as in a ? x : (b ? y : z); compare an int, as in x != 0"
)


def require_assignable(name: str, value: Any) -> None:
    """Fails for what a variable cannot hold (section 4)."""
    if not (
        is_int(value)
        or is_bool(value)
        or isinstance(value, IntTuple | GeneralTuple | MachineSpace | IndexTask | SingleTask)
    ):
        raise Fault("bad-assign", f"{name} cannot be assigned {describe(value)}")


def _functions(names: dict[str, Any]) -> list[str]:
    return [name for name, value in names.items() if isinstance(value, Function)]


def undefined_hint(name: str, known: Iterable[str]) -> str | None:
    """What to do about a name that stands for nothing."""
    lower = name.lower()
    for prefix in ("m", "machine_", ""):
        for kind in ("GPU", "CPU", "OMP"):
            if lower == prefix + kind.lower():
                return f"define it before it is used: {name} = Machine({kind});"
    return did_you_mean(name, known) or None


def _bound(function: syntax.FunctionDefinition, arguments: list[Any]) -> dict[str, Any]:
    """Arguments by parameter name; of two parameters of one name the first counts."""
    if len(arguments) != len(function.parameters):
        raise Fault(
            "arity",
            f"{function.name} takes {len(function.parameters)} arguments, not {len(arguments)}",
        )
    local: dict[str, Any] = {}
    for parameter, value in zip(function.parameters, arguments, strict=True):
        if not _fits(parameter.type, value):
            raise Fault(
                "arg-type",
                f"{function.name} takes {parameter.type} for {parameter.name},"
                f" not {describe(value)}",
                _argument_hint(parameter.type, value),
            )
        local.setdefault(parameter.name, value)
    return local


def _fits(kind: str, value: Any) -> bool:
    if kind == "int":
        return is_int(value)
    if kind == "bool":
        return is_bool(value)
    if kind == "MSpace":
        return isinstance(value, MachineSpace)
    # Only the runtime passes a Task (section 8).
    return kind in ("IPoint", "ISpace") and isinstance(value, IntTuple)


def _argument_hint(kind: str, value: Any) -> str | None:
    if kind == "Task":
        return "a function of a Task is called by the runtime alone: pass t.ipoint and t.ispace"
    if kind in ("IPoint", "ISpace") and as_ints(value) is not None:
        return "arithmetic makes it an int tuple: add zeros, as in v + (0, 0)"
    return None
