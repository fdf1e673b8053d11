"""Finds the tasks of one run in another run of the same program.

Legion Spy and Legion's profile are written by two runs: together they make some programs crash.
The runtime numbers operations as they come, so that those of two runs differ; but what one task
launches has its numbers in the order of the program.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from legion_bridge.capture.spy_log import SpyLog
from legion_bridge.capture.times import Times

__all__ = ["times_of"]

_NOBODY = 2**64 - 1  # the parent of the first task


def times_of(log: SpyLog, profile: Times) -> Times:
    """A profile with the numbers that another run's log has for the same tasks and regions.

    What only one of the runs launched is left out. Of an index launch, points are matched in the
    order of their numbers, which need not be that of their index points.
    """
    matched = _Matching(log, profile).numbers
    trees = _matched_trees(log, profile)
    return replace(
        profile,
        spans={matched[n]: span for n, span in profile.spans.items() if n in matched},
        ran_on={matched[n]: kind for n, kind in profile.ran_on.items() if n in matched},
        waits=defaultdict(
            list, {matched[n]: waits for n, waits in profile.waits.items() if n in matched}
        ),
        launched={matched[n]: at for n, at in profile.launched.items() if n in matched},
        copies=tuple(
            replace(copy, region=trees[copy.region])
            for copy in profile.copies
            if copy.region in trees
        ),
    )


class _Matching:
    """``numbers`` are those of the log, by those of the profile."""

    def __init__(self, log: SpyLog, profile: Times) -> None:
        self._log, self._profile = log, profile
        self.numbers: dict[int, int] = {}
        self._logged: defaultdict[int, list[int]] = defaultdict(list)
        for number, operation in sorted(log.operations.items()):
            self._logged[operation.parent].append(number)
        self._logged_points: defaultdict[int, list[int]] = defaultdict(list)
        for point in sorted(log.points):
            self._logged_points[log.launch_of(point)].append(point)
        self._profiled: defaultdict[int, list[int]] = defaultdict(list)
        for number in sorted(profile.parents):
            if number not in profile.owners:
                self._profiled[profile.parents[number]].append(number)
        self._profiled_points: defaultdict[int, list[int]] = defaultdict(list)
        slices = set(profile.owners.values())
        for number in sorted(profile.owners):
            if number not in slices:
                self._profiled_points[self._launch_of(number)].append(number)
        # The shards of replicated tasks: they run, and nothing launches them.
        self._shards = [n for n in sorted(profile.spans) if n not in profile.parents]
        if log.top_task is not None:
            self._match(log.top_task, self._top())

    def _top(self) -> int:
        """The first task, which may be an implicit one: of that only the children are listed."""
        top = min(self._profile.parents, default=min(self._profile.spans, default=0))
        while self._profile.parents.get(top, _NOBODY) != _NOBODY:
            top = self._profile.parents[top]
        return top

    def _launch_of(self, number: int) -> int:
        while number in self._profile.owners:
            number = self._profile.owners[number]
        return number

    def _match(self, logged: int, profiled: int) -> None:
        """Matches two tasks, and what they launched."""
        self.numbers[profiled] = logged
        shards = self._log.shards_of(logged)
        if shards:
            for ours, theirs in zip(shards, self._take_shards(logged, len(shards)), strict=False):
                self._match_launches(ours, theirs)
                self.numbers[theirs] = ours
        else:
            self._match_launches(logged, profiled)

    def _take_shards(self, logged: int, count: int) -> list[int]:
        task = self._log.operations[logged].task
        found = [n for n in self._shards if self._profile.tasks.get(n) == task][:count]
        self._shards = [n for n in self._shards if n not in set(found)]
        return found

    def _match_launches(self, logged: int, profiled: int) -> None:
        for ours, theirs in self._pairs(self._logged[logged], self._profiled[profiled]):
            if self._log.operations[ours].is_index:
                self.numbers[theirs] = ours
                points = self._logged_points[ours], self._profiled_points[theirs]
                for our_point, their_point in zip(*points, strict=False):
                    self._match(our_point, their_point)
            else:
                self._match(ours, theirs)

    def _pairs(self, logged: Sequence[int], profiled: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Launches of one task in both runs: by place, or by place among those of equal tasks."""
        ours = [self._log.operations[number].task for number in logged]
        theirs = [self._profile.tasks.get(number) for number in profiled]
        alike = (b is None or a == b for a, b in zip(ours, theirs, strict=False))
        if len(ours) == len(theirs) and all(alike):
            yield from zip(logged, profiled, strict=True)
            return
        for task in dict.fromkeys(ours):
            yield from zip(
                [number for number, each in zip(logged, ours, strict=True) if each == task],
                [number for number, each in zip(profiled, theirs, strict=True) if each == task],
                strict=False,
            )


def _matched_trees(log: SpyLog, profile: Times) -> dict[str, str]:
    """Region trees of the log by those of the profile; none where the runs made other ones."""
    ours = sorted(log.roots)
    if len(ours) != len(profile.trees):
        return {}
    return {str(a): str(b) for a, b in zip(profile.trees, ours, strict=True)}
