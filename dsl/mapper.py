"""A loaded mapper: it answers every question that a runtime asks."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dsl.errors import MapperEvaluationError
from dsl.evaluation.evaluate import Failed, Session
from dsl.evaluation.launch import (
    PointFailed,
    evaluate_launch,
    evaluate_launches,
    evaluate_task,
)
from dsl.evaluation.printing import render
from dsl.evaluation.source_location import source_location
from dsl.evaluation.values import IndexTask, SingleTask
from dsl.launch_domain import LaunchDomain, require_32_bits
from dsl.limits import MAX_PRINTED, MAX_WORK
from dsl.machine_shape import PLACED_KINDS, MachineShape

if TYPE_CHECKING:
    from dsl.syntax import FunctionDefinition, Position, Program
    from dsl.tables import LayoutDecision, Tables

__all__ = ["Mapper"]


class Mapper:
    """The decisions of one mapper on one machine, made by `dsl.load`.

    All answers are those of sections 10 and 11 of the language reference. Names of a region are
    given in the order of look-up: ``["rp_shared", "0"]``, say.

    Attributes:
        program: The program that it was loaded from.
        shape: The machine.
        tables: The mapper's statements by key.

    >>> from dsl import MachineShape, load, parse
    >>> text = '''
    ... mgpu = Machine(GPU);
    ... def cyclic(Task t) { i = t.ipoint[0]; return mgpu[i / 2 % 2, i % 2]; }
    ... IndexTaskMap work cyclic;
    ... '''
    >>> mapper = load(parse(text), MachineShape(nodes=2, processors={"GPU": 2}))
    >>> mapper.index_map("work", "GPU", (4,)).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    def __init__(
        self, program: Program, tables: Tables, session: Session, *, printed: str = ""
    ) -> None:
        self.program = program
        self.tables = tables
        self._loaded = session
        self._printed = [printed]
        self._index_maps: dict[
            tuple[str, str | None, LaunchDomain],
            NDArray[np.int64] | MapperEvaluationError,
        ] = {}

    @property
    def shape(self) -> MachineShape:
        """The machine that it was loaded for."""
        return self._loaded.shape

    @property
    def surprises(self) -> AbstractSet[tuple[str, Position | None]]:
        """What was ignored silently so far: codes of `dsl.CODES`, with their positions."""
        return self._loaded.surprises

    @property
    def printed(self) -> str:
        """What print statements have said so far, at most a million characters."""
        return "".join(self._printed)[:MAX_PRINTED]

    # Tables (section 10)

    def task_kinds(self, task: str) -> tuple[str, ...]:
        """Processor kinds for a task, the best first; empty where no statement says."""
        return self.tables.task_kinds(task)

    def memories(self, task: str, region_names: Sequence[str], kind: str) -> tuple[str, ...]:
        """Memory kinds for a region of a task that runs on a processor kind, the best first.

        The entries of all keys that match are concatenated, so kinds may repeat.
        ``VIRTUAL`` stands for a virtual instance; empty where no statement says.
        """
        return self.tables.task_memories(task, region_names, kind)

    def layout(
        self, task: str, region_names: Sequence[str], memory: str, kind: str | None = None
    ) -> LayoutDecision | None:
        """The layout of a region of a task in a memory kind, or None where no statement says.

        Within one key, the entry for the memory kind hides that for the processor kind, if one
        is given, and that hides the entry for all.
        """
        return self.tables.layout(task, region_names, memory, kind)

    def instance_limit(self, task: str) -> int:
        """How many instances of the task may be in flight; 0 for any number."""
        return self.tables.limits.get(task, 0)

    def collects(self, task: str, region_names: Sequence[str]) -> bool:
        """Whether the instance of a read-only region is collected once the task is done."""
        return self.tables.collects(task, region_names)

    def control_replicated(self, task: str) -> bool:
        """Whether a ControlReplicate statement names the task."""
        return task in self.tables.replicated

    # Maps (sections 9 to 11)

    def index_function(self, task: str, kind: str | None) -> str | None:
        """The function that maps the task's index launches: by name, else by kind, else None."""
        return self.tables.index_function(task, kind)

    def single_function(self, task: str, kind: str | None) -> str | None:
        """The function that maps the task when it is launched alone."""
        return self.tables.single_function(task, kind)

    def has_index_map(self, task: str, kind: str | None) -> bool:
        """Whether `index_map` and `index_point` have an answer; else the runtime decides."""
        return self.index_function(task, kind) is not None

    def has_single_map(self, task: str, kind: str | None) -> bool:
        """Whether `single_map` has an answer; else the runtime decides."""
        return self.single_function(task, kind) is not None

    def index_map(
        self,
        task: str,
        kind: str | None,
        ispace: Sequence[int],
        *,
        lower: Sequence[int] | None = None,
    ) -> NDArray[np.int64]:
        """Where each point of an index launch runs.

        Args:
            task: Name of the task.
            kind: Processor kind that the task runs on; points of another kind are an error.
                None for no such check, and for a map by name alone.
            ispace: Extents of the launch domain.
            lower: Its lower bounds; zeros by default. The function is given the true points.

        Returns:
            Node and processor within the node for each point: a read-only int64 array of shape
            ``(*ispace, 2)``. Of a set of points (an index with a star) the first counts. A
            component may be negative (section 7); it is never too large.

        Raises:
            MapperEvaluationError: No function maps the task, or the function fails for some
                point; the error names the first one in row-major order.
        """
        return self._index_map(task, kind, LaunchDomain.box(ispace, lower))

    def launch_map(self, task: str, kind: str | None, domain: LaunchDomain) -> NDArray[np.int64]:
        """Where each point of an index launch runs, over a box or a sparse domain.

        Returns:
            As `index_map`, but of shape ``(points, 2)``, in row-major order.

        Raises:
            MapperEvaluationError: As for `index_map`.
        """
        return self._index_map(task, kind, domain).reshape(-1, 2)

    def prepare_launches(
        self, task: str, kind: str | None, domains: Sequence[LaunchDomain]
    ) -> None:
        """Finds `launch_map` of many launches of a task at once, to be known when asked.

        What cannot be found for all together, as where a point fails, is left to be asked for.
        """
        try:
            function = self._require_function(self.index_function(task, kind), task)
            by_extents: dict[tuple[int, ...], list[LaunchDomain]] = {}
            for domain in dict.fromkeys(domains):
                if not domain.points and (function.name, kind, domain) not in self._index_maps:
                    domain.require_possible()
                    by_extents.setdefault(domain.extents, []).append(domain)
        except MapperEvaluationError:
            return
        for extents, alike in by_extents.items():
            if len(alike) > 1 and all(extents):
                self._launches(function, kind, extents, alike)

    def _launches(
        self,
        function: FunctionDefinition,
        kind: str | None,
        extents: tuple[int, ...],
        alike: Sequence[LaunchDomain],
    ) -> None:
        """Keeps what comes of launches over equal boxes, if that can be found at once."""
        lowers = np.array([domain.lower for domain in alike], np.int64)
        found = evaluate_launches(self._session, function, extents, lowers, kind)
        if found is None:
            return
        found.flags.writeable = False
        for domain, points in zip(alike, found, strict=True):
            self._index_maps[function.name, kind, domain] = points.reshape(*extents, 2)

    def _index_map(self, task: str, kind: str | None, domain: LaunchDomain) -> NDArray[np.int64]:
        function = self._require_function(self.index_function(task, kind), task)
        key = (function.name, kind, domain)
        if key not in self._index_maps:
            try:
                self._index_maps[key] = self._launch(function, kind, domain)
            except MapperEvaluationError as error:
                self._index_maps[key] = error
        answer = self._index_maps[key]
        if isinstance(answer, MapperEvaluationError):
            raise answer.with_traceback(None)
        return answer

    def _launch(
        self, function: FunctionDefinition, kind: str | None, domain: LaunchDomain
    ) -> NDArray[np.int64]:
        domain.require_possible()
        try:
            points, sessions = evaluate_launch(self._session, function, domain, kind)
        except PointFailed as failed:
            raise self._error(failed.failure, failed.point) from None
        for session in sessions:
            self._say(session)
        points.flags.writeable = False
        return points if domain.points else points.reshape(*domain.extents, 2)

    def index_point(
        self,
        task: str,
        kind: str | None,
        ispace: Sequence[int],
        ipoint: Sequence[int],
        *,
        lower: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Where one point of an index launch runs: node, and processor within it.

        As `index_map`, for one point: ``ipoint`` is the true one, as the runtime has it. Where no
        kind is asked for, the function may return any int tuple, which is given back as it is.

        Raises:
            MapperEvaluationError: As for `index_map`.
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
    ) -> list[tuple[int, ...]]:
        """All processors on which one point of an index launch may run: several for a star.

        Raises:
            MapperEvaluationError: As for `index_map`.
        """
        function = self._require_function(self.index_function(task, kind), task)
        domain, point = LaunchDomain.box(ispace, lower), tuple(map(int, ipoint))
        domain.require_point(point)
        return self._points(function, IndexTask(point, domain.extents, domain.lower), kind, point)

    def single_map(
        self,
        task: str,
        kind: str | None,
        parent: Sequence[int] | None,
        parent_kind: str | None = None,
    ) -> list[tuple[int, ...]]:
        """Where a task that is launched alone may run.

        Args:
            task: Name of the task.
            kind: Processor kind that it runs on, or None for no check.
            parent: Node, and processor within it, that the launching task runs on: what
                ``task.processor(m)`` and ``task.parent.processor(m)`` tell. None where no task
                launches it; then it starts on processor 0 of node 0, and has no parent.
            parent_kind: Kind of that processor. The places of CPU, GPU and OMP processors are
                known to the language, others are not.

        Returns:
            Pairs of node and processor, the first choice first.

        Raises:
            MapperEvaluationError: No function maps the task, or the function fails.
        """
        function = self._require_function(self.single_function(task, kind), task)
        if parent is None:
            launched = SingleTask((0, 0))
        else:
            require_32_bits(tuple(map(int, parent)))
            node, processor = map(int, parent)
            known = parent_kind is None or parent_kind in PLACED_KINDS
            place = (node, processor) if known else None
            launched = SingleTask(place, parent=SingleTask(place))
        return self._points(function, launched, kind, None)

    def _points(
        self,
        function: FunctionDefinition,
        task: IndexTask | SingleTask,
        kind: str | None,
        ipoint: tuple[int, ...] | None,
    ) -> list[tuple[int, ...]]:
        session = self._session()
        try:
            points = evaluate_task(session, function, task, kind)
        except Failed as failure:
            raise self._error(failure, ipoint) from None
        self._say(session)
        return [tuple([int(x) for x in point]) for point in points]

    def _session(self) -> Session:
        return replace(self._loaded, work=MAX_WORK, printed=[])

    def _say(self, session: Session) -> None:
        if session.printed:
            self._printed.append(render(session.printed))

    def _require_function(self, name: str | None, task: str) -> FunctionDefinition:
        if name is None:
            raise MapperEvaluationError(
                f"no function maps the task {task}: the runtime decides where it runs",
                code="no-map-for-task",
                filename=self.program.filename,
                hint=f"write IndexTaskMap {task} and the name of a function",
            )
        definition: FunctionDefinition = self._loaded.names[name].definition
        return definition

    def _error(self, failed: Failed, point: tuple[int, ...] | None) -> MapperEvaluationError:
        fault = failed.fault
        return MapperEvaluationError(
            fault.sentence,
            point=point,
            code=fault.code,
            hint=fault.hint,
            **source_location(self.program, failed.position),
        )
