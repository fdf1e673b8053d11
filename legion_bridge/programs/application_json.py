"""Applications as JSON: a program that somebody captured, or wrote down, without any code.

The document has the members of ``Application`` and its parts by their own names; the version of
its schema comes first. A column of numbers that are all equal is written as one number. What is
written reads back exactly, to the last bit.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from legion_bridge.documents import DocumentError, read_json
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, Launch, Requirement, Work
from legion_bridge.programs.application_schema import application_of, schema_of

__all__ = ["from_json", "read_application", "to_json", "write_application"]


def to_json(application: Application) -> str:
    """An application as a JSON document.

    >>> document = to_json(Application.load("stencil"))
    >>> from_json(document).parameters["nx"]
    10000
    """
    partitions = {
        name: _without(
            {
                "region": partition.region,
                "named": partition.named,
                "pieces": partition.pieces.tolist(),
                "volumes": None if partition.volumes is None else partition.volumes.tolist(),
            },
            named=True,
            volumes=None,
        )
        for name, partition in application.partitions.items()
    }
    document = {
        "schema": schema_of(application),
        "name": application.name,
        "summary": application.summary,
        "parameters": dict(application.parameters),
        "unit": application.unit,
        "work": application.work,
        "warmup": application.warmup,
        "timed": application.timed,
        "traced": application.traced,
        "ranks_per_node": application.ranks_per_node,
        "tasks": {
            name: {"variants": list(kind.variants), "inner": kind.inner}
            for name, kind in application.task_kinds.items()
        },
        "regions": {
            name: _without(
                {
                    "named": region.named,
                    "lower": list(region.lower),
                    "upper": list(region.upper),
                    "fields": {f.name: f.bytes for f in region.fields},
                },
                named=True,
            )
            for name, region in application.regions.items()
        },
        "partitions": partitions,
        "setup": [_launch(launch) for launch in application.setup],
        "loop": [_launch(launch) for launch in application.loop],
        "finish": [_launch(launch) for launch in application.finish],
        "mappers": dict(application.mappers),
        "unknown": dict(application.unknown),
        "copies": [asdict(copy) for copy in application.copies],
        "own_mapper": application.own_mapper,
    }
    return json.dumps(_without(document, own_mapper=""), indent=1)


def from_json(text: str, *, source: str = "application") -> Application:
    """The application that a JSON document describes.

    Args:
        text: The document.
        source: What messages call it, such as the name of its file.

    Raises:
        ApplicationError: It is no such document, or contradicts itself; the message says where,
            and what is expected there.
    """
    try:
        return application_of(read_json(text))
    except DocumentError as error:
        place = (
            source if error.line is None else f"{source}, line {error.line}, column {error.column}"
        )
        raise ApplicationError(f"{place}: {error}") from None
    except ApplicationError as error:
        raise ApplicationError(f"{source}: {error}") from None


def write_application(application: Application, path: str | Path) -> None:
    """Writes an application to a file.

    Raises:
        ApplicationError: The file cannot be written.
    """
    try:
        Path(path).write_text(to_json(application) + "\n", "utf-8")
    except OSError as error:
        raise ApplicationError(f"{path}: cannot be written: {error.strerror}") from None


def read_application(path: str | Path) -> Application:
    """The application in a file.

    Raises:
        ApplicationError: The file cannot be read, or describes no application.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ApplicationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ApplicationError(f"{path}: this is not a text file") from None
    return from_json(text, source=str(path))


def _without(members: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """An object without the members that are what a reader assumes anyway."""
    return {k: v for k, v in members.items() if k not in defaults or v != defaults[k]}


def _launch(launch: Launch) -> dict[str, Any]:
    colors = launch.colors or (None,) * len(launch.requirements)
    work = launch.work
    return _without(
        {
            "task": launch.task,
            "domain": list(launch.domain),
            "lower": list(launch.lower),
            "points": [list(point) for point in launch.points],
            "parent": launch.parent,
            "after": list(launch.after),
            "blocking": launch.blocking,
            "timed": launch.timed,
            "requirements": [
                _requirement(requirement)
                | _without(
                    {
                        "traffic": _column(work.traffic[:, index]),
                        "accesses": _column(work.accesses[:, index]),
                        "pieces": None if color is None else color.tolist(),
                    },
                    traffic=0.0,
                    accesses=0.0,
                    pieces=None,
                )
                for index, (requirement, color) in enumerate(
                    zip(launch.requirements, colors, strict=True)
                )
            ],
            "work": _work(work),
        },
        lower=[],
        points=[],
        parent=None,
        after=[],
        blocking=False,
        timed=True,
        requirements=[],
    )


def _requirement(requirement: Requirement) -> dict[str, Any]:
    need = requirement.need
    return _without(
        {
            "region": requirement.region,
            "partition": requirement.partition,
            "privilege": requirement.privilege,
            "fields": list(requirement.fields),
            "reduction": requirement.reduction,
            "virtual": requirement.virtual,
            "output": requirement.output,
            "collective": requirement.collective,
            "layout": need and _without(asdict(need), compact=None, alone=False),
        },
        partition=None,
        fields=[],
        reduction=None,
        virtual=False,
        output=False,
        collective=False,
        layout=None,
    )


def _work(work: Work) -> dict[str, Any]:
    return _without(
        {
            "flops": _column(work.flops),
            "rate": work.rate,
            "kernels": work.kernels,
            "window": work.window,
            "window_traffic": work.window_traffic,
            "seconds": dict(work.seconds),
            "side": None if work.side is None else _column(work.side, int),
        },
        window=0.0,
        window_traffic=1.0,
        seconds={},
        side=None,
    )


def _column(
    values: NDArray[np.float64] | NDArray[np.int64], of: type[float | int] = float
) -> float | list[float]:
    """One number where all are equal; 0 where there are none."""
    if not len(values):
        return of(0)
    return of(values[0]) if bool((values == values[0]).all()) else [of(v) for v in values]
