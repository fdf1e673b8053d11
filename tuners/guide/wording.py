"""Lists and memories as people say them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dsl.machine_shape import MEMORY_KINDS

__all__ = ["listed", "memory_word"]

_REALM = {
    "SYSTEM_MEM": "SYSMEM",
    "GPU_FB_MEM": "FBMEM",
    "Z_COPY_MEM": "ZCMEM",
    "REGDMA_MEM": "RDMEM",
    "SOCKET_MEM": "SOCKMEM",
}


def memory_word(said: str) -> str | None:
    """The mapping language's word for a memory, where a runtime's text names one.

    >>> memory_word("1e00000000000000 (SYSTEM_MEM)"), memory_word("FBMEM of GPU 2 of node 0")
    ('SYSMEM', 'FBMEM')
    """
    words = re.findall(r"\w+", said)
    known = [_REALM.get(word, word) for word in words]
    return next((word for word in known if word in MEMORY_KINDS), None)


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence, the last ones counted where there are many.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a', 'a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
