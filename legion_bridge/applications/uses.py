"""Launches from what they use: each requirement beside the traffic that it causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from legion_bridge.programs.application import Launch, Requirement, Work

__all__ = ["Amount", "LaunchOptions", "Use", "WorkOptions", "launch"]

Amount = float | NDArray[np.floating[Any]] | NDArray[np.int64]
"""One number for all points, or one for each."""


class Use(NamedTuple):
    """A requirement, and what each point does to it.

    Attributes:
        traffic: Bytes streamed to and from it.
        accesses: Scattered accesses to it.
        colors: Which piece each point takes; None for its own number.
    """

    requirement: Requirement
    traffic: Amount = 0.0
    accesses: Amount = 0.0
    colors: NDArray[np.int64] | None = None


class WorkOptions(TypedDict, total=False):
    """Options of ``Work.of`` beside traffic and accesses."""

    flops: Amount
    rate: str
    kernels: int
    window: float
    window_traffic: float


class LaunchOptions(TypedDict, total=False):
    """Options of ``Launch`` that concern its place in the program."""

    parent: int | None
    after: tuple[int, ...]
    blocking: bool
    timed: bool


def launch(
    task: str,
    domain: tuple[int, ...],
    uses: Sequence[Use] = (),
    work: WorkOptions | None = None,
    *,
    parents: int = 1,
    **place: Unpack[LaunchOptions],
) -> Launch:
    """A launch of a task, an index launch where the domain is not empty.

    Args:
        task: Its name.
        domain: Extents of the launch domain; ``()`` for a single task.
        uses: Its requirements, in order, and what its points do to them.
        work: What else its points do.
        parents: Points of all its parents together.
        place: Attributes of ``Launch`` that concern its place in the program.
    """
    points = parents * math.prod(domain)
    shape = (points, len(uses))
    traffic, accesses = np.zeros(shape), np.zeros(shape)
    for index, use in enumerate(uses):
        traffic[:, index], accesses[:, index] = use.traffic, use.accesses
    return Launch(
        task=task,
        domain=domain,
        requirements=tuple(use.requirement for use in uses),
        colors=tuple(use.colors for use in uses),
        work=Work.of(points, len(uses), traffic=traffic, accesses=accesses, **(work or {})),
        **place,
    )
