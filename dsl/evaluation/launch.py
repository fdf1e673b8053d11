"""From a mapping function to the points of the machine, for one task or a whole index launch.

The points of a launch are evaluated in chunks, each at once. Where values would differ in shape
among them, they are divided and evaluated again. Where some fail, the first one in row-major
order is found by evaluating those before it, and alone it says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl import syntax
from dsl.evaluation.arithmetic import Ints
from dsl.evaluation.evaluate import Evaluator, Exhausted, Failed, Session
from dsl.evaluation.faults import Fault
from dsl.evaluation.values import (
    Divergence,
    IndexTask,
    IntTuple,
    PointSet,
    Rows,
    SingleTask,
    describe,
)
from dsl.launch_domain import LaunchDomain
from dsl.limits import CHUNK

__all__ = ["PointFailed", "evaluate_launch", "evaluate_launches", "evaluate_task"]

MachinePoints: TypeAlias = Sequence[tuple[Ints, ...]]


class PointFailed(Exception):  # noqa: N818  never leaves the package: the user sees a MapperError
    """A launch failed; ``point`` is the first index point that did, if one is to blame."""

    def __init__(self, failure: Failed, point: tuple[int, ...] | None) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.point = point


def evaluate_task(
    session: Session,
    function: syntax.FunctionDefinition,
    task: IndexTask | SingleTask,
    kind: str | None,
    rows: Rows | None = None,
) -> MachinePoints:
    """The machine points that a mapping function names for a task.

    Args:
        session: The evaluation at hand.
        function: Its only parameter is a Task.
        task: What that parameter is; for many points at once it holds arrays.
        kind: Processor kind that the points must be of, or None for any (section 11).
        rows: Numbers of the points, or None for a single one.

    Returns:
        Pairs of node and processor: one, or those that a star stands for. Where no kind is
        asked for, any int tuple will do, of whatever length.

    Raises:
        Failed: There is no such point.
        Divergence: The points must be divided.
    """
    evaluator = Evaluator(session, rows)
    value, node = evaluator.answer(function, task)
    try:
        return _machine_points(value, kind)
    except Fault as fault:
        raise evaluator.located(fault, node) from None


def _machine_points(value: Any, kind: str | None) -> MachinePoints:
    if not isinstance(value, IntTuple | PointSet):
        raise Fault(
            "bad-return-type",
            f"a mapping function must return a point of a machine, not {describe(value)}",
            "return an indexed machine, as in m[i, j]",
        )
    if kind is not None and value.kind is None:
        raise Fault(
            "bad-return-type",
            "a mapping function must return a point of a machine, not a plain int tuple",
            "return an indexed machine, as in m[*t]",
        )
    if kind is not None and value.kind != kind:
        raise Fault(
            "kind-mismatch",
            f"the task runs on {kind}, but the function returns a point of Machine({value.kind})",
            f"use Machine({kind}), or choose {value.kind} in the Task statement",
        )
    points = value.points if isinstance(value, PointSet) else (value.items,)
    if not points[0]:
        raise Fault("bad-return-type", "a mapping function returned an empty tuple")
    return points


def evaluate_launch(
    new_session: Callable[[], Session],
    function: syntax.FunctionDefinition,
    domain: LaunchDomain,
    kind: str | None,
) -> tuple[NDArray[np.int64], list[Session]]:
    """The first machine point for each index point of a launch domain.

    Args:
        new_session: Makes a session for each chunk; their work is shared out by size.
        function: The mapping function.
        domain: The index points.
        kind: As in `evaluate_task`.

    Returns:
        Node and processor for each point in row-major order, and the sessions of the chunks.

    Raises:
        PointFailed: Some point fails.
    """
    total = domain.volume
    result = np.empty((total, 2), np.int64)
    sessions = []
    for start in range(0, total, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, total))
        session = new_session()
        session.work = session.work * len(numbers) // total
        chunk = _Chunk(session, function, domain, kind, numbers)
        chunk.evaluate(result)
        sessions.append(session)
    return result, sessions


def evaluate_launches(
    new_session: Callable[[], Session],
    function: syntax.FunctionDefinition,
    extents: tuple[int, ...],
    lowers: NDArray[np.int64],
    kind: str | None,
) -> NDArray[np.int64] | None:
    """The same for many launches over boxes of equal extents, evaluated together.

    Args:
        new_session: As above.
        function: The mapping function.
        extents: Of the boxes.
        lowers: ``[launches, dimension]`` their lower bounds.
        kind: As in `evaluate_task`.

    Returns:
        ``[launches, points, 2]``; None where each must be evaluated by itself: some point fails,
        or differs in shape from others, or the function prints.
    """
    grid = np.array(np.unravel_index(np.arange(prod(extents)), extents), np.int64)
    points = grid.shape[1]
    result = np.empty((len(lowers), points, 2), np.int64)
    together = max(1, CHUNK // points)
    for start in range(0, len(lowers), together):
        each = np.repeat(lowers[start : start + together], points, axis=0).T
        at = np.tile(grid, len(each[0]) // points) + each
        task = IndexTask(tuple(at), extents, tuple(each))
        session = new_session()
        try:
            found = evaluate_task(session, function, task, kind, np.arange(len(at[0])))
        except (Divergence, Failed):
            return None
        if session.printed or len(found[0]) != 2:
            return None
        part = result[start : start + together].reshape(-1, 2)
        part[:, 0], part[:, 1] = found[0]
    return result


class _Chunk:
    """Some consecutive points of a launch."""

    def __init__(
        self,
        session: Session,
        function: syntax.FunctionDefinition,
        domain: LaunchDomain,
        kind: str | None,
        numbers: NDArray[np.intp],
    ) -> None:
        self._session = session
        self._function = function
        self._domain = domain
        self._kind = kind
        self._numbers = numbers

    def evaluate(self, result: NDArray[np.int64]) -> None:
        """Fills in the rows of the chunk's points."""
        pending = [self._numbers]
        failed: int | None = None
        while pending:
            rows = pending.pop()
            rows = rows if failed is None else rows[rows < failed]
            if not len(rows):
                continue
            already = len(self._session.printed)
            try:
                result[rows] = self._together(rows)
                continue
            except Divergence as divergence:
                pending += [rows[group] for group in divergence.groups]
            except Exhausted as exhausted:
                raise PointFailed(exhausted, None) from None
            except Failed as failure:
                failed = failure.row
                pending.append(rows)
            del self._session.printed[already:]
        if failed is not None:
            self._blame(failed)

    def _together(self, rows: Rows) -> NDArray[np.int64]:
        """Machine points of some index points, evaluated at once."""
        domain = self._domain
        task = IndexTask(domain.coordinates(rows), domain.extents, domain.lower)
        points = evaluate_task(self._session, self._function, task, self._kind, rows)
        if len(points[0]) != 2:
            raise Failed(_not_a_pair(len(points[0])), self._function.position, int(rows[0]))
        together = np.empty((len(rows), 2), np.int64)
        together[:, 0], together[:, 1] = points[0]
        return together

    def _blame(self, number: int) -> None:
        """Fails as the first failing point does alone."""
        domain = self._domain
        point = domain.point(number)
        task = IndexTask(point, domain.extents, domain.lower)
        try:
            points = evaluate_task(self._session, self._function, task, self._kind)
        except Failed as failure:
            raise PointFailed(failure, point) from None
        fault = _not_a_pair(len(points[0]))
        raise PointFailed(Failed(fault, self._function.position, number), point)


def _not_a_pair(length: int) -> Fault:
    return Fault(
        "bad-return-type",
        f"the function returns a tuple of {length}, not a pair of node and processor",
    )
