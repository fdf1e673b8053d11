"""Commands that run before the other processes of a shared machine."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["with_priority"]

_PRIORITY = -15


def with_priority(command: Sequence[str], variables: str = "") -> list[str]:
    """A command that runs with a higher priority than other processes, where the kernel allows it.

    Nice values alone would not do: Linux groups processes by session (``sched_autogroup``), and
    nice values count within a session only. Where the kernel refuses, the command runs as usual.

    Args:
        command: The program and its arguments.
        variables: Assignments for the command's environment, quoted for the shell.
    """
    script = f"echo {_PRIORITY} 2>/dev/null >/proc/self/autogroup; exec env {variables} "
    return ["sh", "-c", script + '"$@"', "sh", *command]
