"""Runs that go ahead of what else a shared machine does."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["with_priority"]

_PRIORITY = -15


def with_priority(command: Sequence[str], variables: str = "") -> list[str]:
    """The command, put before other processes where the kernel lets us.

    Nice values alone would not do: Linux groups processes by session (``sched_autogroup``), and
    they count within a session only. Where it may not be, the command runs as it would.

    Args:
        command: The program and its arguments.
        variables: Assignments for its environment, quoted for the shell, which keeps out of them.
    """
    script = f"echo {_PRIORITY} 2>/dev/null >/proc/self/autogroup; exec env {variables} "
    return ["sh", "-c", script + '"$@"', "sh", *command]
