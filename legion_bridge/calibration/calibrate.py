"""This machine measured, with and without the Legion runtime."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime

from legion_bridge.calibration.figure import Figure, guess
from legion_bridge.calibration.host import (
    cache_bytes,
    cores,
    line_bytes,
    memory_bytes,
    near_bytes,
    numpy_rates,
    processor_name,
)
from legion_bridge.calibration.machine_text import machine_text
from legion_bridge.calibration.real import LARGE, SMALL, real_figures
from legion_bridge.errors import LegionError
from legion_bridge.machines.machine import Machine

__all__ = ["Calibration", "calibrate"]

_HOST_ROUNDS = 5
_ENOUGH = 15.0
"""Seconds below which the data is small, and its figures coarse."""


@dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes:
        figures: By name.
        text: The machine file.
        without_runtime: Why the real runtime was not measured; empty if it was.
    """

    figures: dict[str, Figure]
    text: str
    without_runtime: str = ""


def calibrate(seconds: float = 45.0) -> Calibration:
    """Measures this machine.

    Without a Legion runtime, or a compiler, memory and arithmetic are measured with numpy, and the
    rest is taken from the machine ``cpu2`` and called a guess.

    Args:
        seconds: That the runs may take, about; compiling the programs comes on top, once.
    """
    figures = _told()
    why = ""
    try:
        figures |= real_figures(
            cores(),
            seconds=seconds,
            points=LARGE if seconds >= _ENOUGH else SMALL,
            line=figures["line"].value,
            near=figures["near"].value,
        )
    except LegionError as error:
        why = str(error)
        figures |= _from_model(why) | numpy_rates(_HOST_ROUNDS)
        figures |= _of_numpy(figures)
    date = datetime.now(UTC).date().isoformat()
    text = machine_text(figures, date, processor_name() or platform.machine())
    return Calibration(figures, text, why)


def _told() -> dict[str, Figure]:
    """What need not be measured, and what cannot be on one machine."""
    one = "programs run on this machine alone"
    share = "of the machine's memory, which runs are given"
    memory = memory_bytes()
    model = Machine.load("cpu2")
    network = model.links["nic_in"].bandwidth
    route = model.route("SYSMEM", "SYSMEM", "network")
    return {
        "count": Figure(cores(), "told by the kernel: cores that this process may use"),
        "cache": cache_bytes(),
        "line": line_bytes(),
        "near": near_bytes(),
        "system_bytes": Figure(memory // 4, f"told by the kernel: a quarter {share}"),
        "registered_bytes": Figure(memory // 8, f"told by the kernel: an eighth {share}"),
        "start": guess(model.processors["CPU"].start, "part of the point's time, as on cpu2"),
        "latency": guess(model.route("SYSMEM", "SYSMEM", "rank").latency, "as on cpu2"),
        "network": guess(network, f"{one}; as on cpu2"),
        "network_latency": guess(route.latency, f"{one}; as on cpu2"),
        "network_analysis": guess(route.analysis, f"{one}; as on cpu2"),
        "message": guess(model.runtime.message, f"{one}; as on cpu2"),
        "domain": guess(0.0, "within the time of a point"),
        "fold": guess(model.runtime.fold, "as on cpu2"),
    }


def _from_model(why: str) -> dict[str, Figure]:
    """What the real runtime would have told."""
    model, reason = Machine.load("cpu2"), f"as on cpu2, for {why}"
    processor, access = model.processors["CPU"], model.access["CPU", "SYSMEM"]
    runtime, link = model.runtime, model.links["host"]
    values = {
        "together": 1.0,  # the lines say the rest
        "far": 2.0,
        "farther": 1.0,
        "paged": 1.0,
        "strided": processor.strided,
        "near_strided": processor.strided,
        "overlap": processor.overlap,
        "gather": access.gather,
        "update": access.update,
        "dgemm": processor.dgemm,
        "point": runtime.point,
        "launch": runtime.launch,
        "requirement": runtime.requirement,
        "untraced": runtime.untraced,
        "copy": link.bandwidth,
        "across": link.bandwidth,
        "transpose": 2.0,
        "instance": 1e-4,
        "fresh": 0.0,
        "refinement": 0.0,
        "recording": 1.0,
        "permit": 0.0,
        "threads": 1.0,
        "analysis": model.route("SYSMEM", "SYSMEM", "rank").analysis,
    }
    return {name: guess(value, reason) for name, value in values.items()}


def _of_numpy(figures: dict[str, Figure]) -> dict[str, Figure]:
    """What follows from the bandwidth of one core."""
    bandwidth = figures["bandwidth"]
    every = bandwidth.value * cores()
    return {
        "registered": guess(bandwidth.value, "as system memory"),
        "all": guess(every, "as if each core had a memory of its own"),
    }
