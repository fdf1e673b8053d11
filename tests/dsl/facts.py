"""Small programs and machines that have what the language needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dsl import MachineShape


@dataclass(frozen=True)
class Need:
    order: str | None = None
    soa: bool | None = None
    message: str = "stride does not match expected value"
    compact: bool | None = None


@dataclass(frozen=True)
class Requirement:
    names: tuple[str, ...]
    privilege: str = "READ_ONLY"
    fields: tuple[str, ...] = ("a",)
    dimension: int = 2
    piece_bytes: int = 1 << 20
    layout_need: Need | None = None


@dataclass(frozen=True)
class Task:
    name: str
    variants: tuple[str, ...]
    requirements: tuple[Requirement, ...] = ()
    launch_domains: tuple[tuple[int, ...], ...] = ()
    parents: tuple[str, ...] = ()
    launched_singly: bool = False
    inner: bool = False
    finish_only: bool = False


@dataclass(frozen=True)
class Application:
    name: str
    tasks: Mapping[str, Task]
    ranks_per_node: int = 1
    captured: bool = False


@dataclass(frozen=True)
class Machine:
    name: str
    shape: MachineShape
    seen: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "GPU": ("FBMEM", "ZCMEM"),
            "CPU": ("SYSMEM", "ZCMEM", "RDMEM"),
            "OMP": ("SYSMEM", "ZCMEM", "RDMEM"),
        }
    )

    def visible_memories(self, processor: str) -> tuple[str, ...]:
        return self.seen.get(processor, ())

    def capacity(self, memory: str) -> int:
        return 1 << 30

    def for_ranks(self, per_node: int) -> Machine:
        counts = {kind: n // per_node for kind, n in self.shape.processors.items()}
        shape = MachineShape(nodes=self.shape.nodes * per_node, processors=counts)
        return replace(self, shape=shape)

    def memories_per_node(self, memory: str) -> int:
        return self.shape.count("GPU") if memory == "FBMEM" else 1


def program(*tasks: Task) -> Application:
    return Application("program", {task.name: task for task in tasks})


def stencil() -> Application:
    """The two tasks of stencil's time step, seven requirements each, one without access."""

    def requirements(halo: str) -> tuple[Requirement, ...]:
        regions = ("private", "inner", *(f"p{side}_{halo}" for side in ("xm", "xp", "ym", "yp")))
        found = [
            Requirement((region, str(i)), "NO_ACCESS" if region == "inner" else "READ_WRITE")
            for i, region in enumerate(regions)
        ]
        return (*found, Requirement(("p_times", "6"), "READ_WRITE", ("start", "stop"), 1))

    return program(
        Task("stencil", ("CPU", "GPU"), requirements("in"), ((4,),)),
        Task("increment", ("CPU", "GPU"), requirements("out"), ((4,),)),
    )


P100X4 = Machine("p100x4", MachineShape(nodes=1, processors={"GPU": 4, "CPU": 1, "OMP": 1}))
TWO_NODES = Machine("two_nodes", MachineShape(nodes=2, processors={"GPU": 4, "CPU": 2, "OMP": 1}))
CPU2 = Machine("cpu2", MachineShape(nodes=1, processors={"CPU": 2}), {"CPU": ("SYSMEM",)})
