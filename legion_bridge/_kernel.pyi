from collections.abc import Sequence
from typing import Any

def simulate(
    arrays: Sequence[Any], trace: bool, /
) -> tuple[int, int, int, bytes, bytes, bytes, tuple[bytes | int, ...] | None]: ...
