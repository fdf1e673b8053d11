"""The machine file of this machine, with a source beside every number."""

from __future__ import annotations

from collections.abc import Mapping

from legion_bridge.calibration.figure import Figure
from legion_bridge.machines.local_machine import LOCAL_MACHINE

__all__ = ["machine_text"]

_TEXT = """\
# {head}
#
# Measured by mappertune calibrate on {date}. Every number has its source; what nobody measured is
# called a guess, with the reason.
schema = 1
name = "{name}"
summary = "{summary}"
nodes = 1

[processors.CPU]
count = {count}
start = {start}
kernel = 0.0  # told: CPU processors launch no kernels
fp32 = {fp32}
fp64 = {fp64}
dgemm = {dgemm}
cache = {cache}
together = {together}
strided = {strided}
near_strided = {near_strided}
line = {line}
far = {far}
farther = {farther}
paged = {paged}
near = {near}
overlap = {overlap}
pooled = true

[memories.SYSMEM]
scope = "rank"
capacity = {system_bytes}
whole = true
[memories.RDMEM]
scope = "rank"
capacity = {registered_bytes}
whole = true

[access.CPU.SYSMEM]
bandwidth = {bandwidth}
gather = {gather}
update = {update}
{access_links}
[access.CPU.RDMEM]
bandwidth = {registered}
gather = {gather}
update = {update}
{access_links}
[links.dram]
scope = "node"
bandwidth = {all}
label = "memory of"
[links.copies]
scope = "rank"
bandwidth = {copy}
exclusive = true
label = "copies of"
[links.copies_across]
scope = "rank"
bandwidth = {across}
exclusive = true
label = "copies between memories of"
[links.network]
scope = "node"
bandwidth = {network}
label = "network of"

[[routes]]
from = "*"
to = "*"
where = "memory"
links = ["source.copies"]
latency = {latency}
analysis = {analysis}
[[routes]]
from = "*"
to = "*"
where = "rank"
links = ["source.copies_across"]
latency = {latency}
analysis = {analysis}
[[routes]]
from = "*"
to = "*"
where = "node"
links = ["source.copies_across"]
latency = {latency}
analysis = {analysis}
[[routes]]
from = "*"
to = "*"
where = "network"
links = ["source.network", "target.network"]
latency = {network_latency}
analysis = {network_analysis}

[runtime]
launch = {launch}
point = {point}
requirement = {requirement}
untraced = {untraced}
message = {message}
domain = {domain}
fold = {fold}
transpose = {transpose}
instance = {instance}
fresh = {fresh}
refinement = {refinement}
recording = {recording}
permit = {permit}
threads = {threads}
recorded = true  # told: Legion replays a trace without asking the mapper
keeps_folded = true  # told: data that was reduced into is collected when it is overwritten
shares_cores = true  # told: a program is given as many CPU processors as there are cores
"""
_WHOLE_NUMBERS = ("count", "system_bytes", "registered_bytes")
_SHARED = 0.8
"""Of what the cores would stream together if each had a memory of its own."""


def machine_text(figures: Mapping[str, Figure], date: str, processor: str) -> str:
    """The text of the file.

    Args:
        figures: By name.
        date: Of the measurement.
        processor: What the processor calls itself; empty if nobody knows.
    """
    count = int(figures["count"].value)
    apart = count * figures["bandwidth"].value
    shared = figures["all"].value < _SHARED * apart
    return _TEXT.format(
        head=_plain(processor) or "This machine",
        date=date,
        name=LOCAL_MACHINE,
        summary=f"this machine as measured on {date}: {count} CPU processors",
        access_links='links = ["dram"]\n' if shared else "",
        **{name: _number(name, figure) for name, figure in figures.items()},
    )


def _number(name: str, figure: Figure) -> str:
    value = str(int(figure.value)) if name in _WHOLE_NUMBERS else f"{figure.value:.4g}"
    return f"{value}  # {_plain(figure.source)}"


def _plain(text: str) -> str:
    """On one line, without quotes."""
    return " ".join(text.replace('"', "'").split())
