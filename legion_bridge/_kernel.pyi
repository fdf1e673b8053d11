from collections.abc import Callable
from typing import Any, TypeAlias, final

Numbers: TypeAlias = tuple[float, ...]
Window: TypeAlias = tuple[int, int, int]

@final
class Prepared: ...  # a capsule: what simulate needs of a program and a machine

INPUTS: tuple[tuple[str, str, str], ...]  # name, owner and type, as in kernel/inputs.def
COSTS: tuple[str, ...]
SETTINGS: tuple[str, ...]

def prepare(arrays: dict[str, Any], /) -> Prepared: ...
def simulate(
    prepared: Prepared,
    decisions: dict[str, Any],
    window: Window,
    trace: bool,
    more: Callable[[Numbers, float, float], Window | None] | None = None,
    /,
) -> tuple[int, int, int, int, bytes, Numbers, Numbers, float, dict[str, bytes | int] | None]: ...
