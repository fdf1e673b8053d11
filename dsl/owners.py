"""Processes by names that no other process has had, so that it can be told whether one lives."""

from __future__ import annotations

import os
import platform
import re
import uuid
from functools import cache
from pathlib import Path

__all__ = ["has_died", "this_process"]

_THIS_RUN = uuid.uuid4().hex[:12]  # where nothing better tells two processes of one number apart


def this_process() -> str:
    """The name of this process: ``HOST/NUMBER/START``."""
    return f"{_host()}/{os.getpid()}/{_start(os.getpid()) or _THIS_RUN}"


def has_died(name: str) -> bool:
    """Whether a process is known to have ended; false for one of another host, and for no name.

    >>> has_died(this_process()), has_died("elsewhere/1/2"), has_died("nobody")
    (False, False, False)
    """
    host, number, start = ["", "", *name.rsplit("/", 2)][-3:]
    if host != _host() or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return name != this_process()  # another one had this number before
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    now = _start(int(number))
    return now is not None and now != start


@cache
def _host() -> str:
    """The host since it was booted, and the numbering of processes within it (containers)."""
    parts = [platform.node().replace("/", "_")]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            text = str(Path(path).readlink()) if "/ns/" in path else Path(path).read_text()
        except OSError:
            continue
        parts.append(re.sub(r"[^0-9a-f]", "", text)[:12])
    return "-".join(parts)


def _start(number: int) -> str | None:
    """When a process began, in ticks since the boot; None where the system does not tell.

    One that has ended, and that its parent has not taken notice of, has no beginning that counts.
    """
    try:
        told = Path(f"/proc/{number}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = told.rpartition(")")[2].split()
    return "ended" if fields[0] in ("Z", "X") else fields[19]
