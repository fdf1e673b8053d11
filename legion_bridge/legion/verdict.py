"""What the end of a program means: which outcome it is, in the runtime's words."""

from __future__ import annotations

import os
import re
import signal

from legion_bridge.legion.guarded import Ended
from legion_bridge.outcome import Status

__all__ = ["failure_of", "is_intermittent", "words_of"]

_OUR_EXIT_CODE = 87  # of mapper/failure.h
_OUR_FAILURE = re.compile(r"^mappertune: error: .*$", re.MULTILINE)
_TAIL = 6000  # characters of the output that are kept of a failure

# Aborts inside the runtime that come and go with the same mapping: run again before calling a
# mapping bad.
_INTERMITTENT = (re.compile(r"Assertion [`'\"]read_pointer == max_entries"),)

# Lines that say nothing about a failure.
_NOISE = re.compile(
    r"^(?:.*(?:not able to discover the CUDA|Signal \d+ received by process|"
    r"obtained \d+ stack frames|For best performance|cuInit\(0\) returned \d+|"
    r"\{threads\}: reservation).*|\[\d+\] = .*)\n?",
    re.MULTILINE,
)


def is_intermittent(ended: Ended) -> bool:
    """Whether the program may well succeed when it is run again."""
    if ended.reason == "disturbed":
        return True
    return ended.code < 0 and any(pattern.search(ended.output) for pattern in _INTERMITTENT)


def failure_of(
    ended: Ended, command: str, timeout: float, memory: int | None
) -> tuple[Status, str] | None:
    """The status and raw text of a run that failed; None for one that did not.

    Args:
        ended: How the program ended.
        command: Its name, for messages.
        timeout: Seconds that it had.
        memory: Bytes that it had, if it was limited.
    """
    if ended.reason == "exited":
        return None if ended.code == 0 else ("execution_error", _exit_text(ended))
    if ended.reason == "timeout":
        sentence = f"The program still ran after {timeout:g} seconds, and was stopped."
        return "timeout", _with_tail(sentence, ended)
    if ended.reason == "not started":
        return "execution_error", _not_started(command, ended.code)
    sentence = {
        "memory": f"The program took {ended.peak / 1e6:,.0f} MB of memory, more than the "
        f"{(memory or 0) / 1e6:,.0f} MB that it may have, and was stopped.",
        "output": f"The program printed {ended.printed / 1e6:,.0f} MB, more than it may, and was "
        "stopped.",
        "disturbed": "The process that watches over the program was stopped each time: nothing "
        "can be said of how long it took.",
    }.get(ended.reason, "The program was stopped.")
    return "execution_error", _with_tail(sentence, ended)


def _not_started(command: str, number: int) -> str:
    reason = os.strerror(number)
    if number in {2, 20}:
        return (
            f"The program {command} was not found: give its path, such as ./{command}."
            if "/" not in command
            else f"The program {command} was not found: see whether the path is right."
        )
    return f"The program {command} cannot be started: {reason}."


def _exit_text(ended: Ended) -> str:
    """The line of our mapper, where it is what ended the program, else all that was said."""
    ours = _OUR_FAILURE.findall(ended.output)
    if ours and ended.code == _OUR_EXIT_CODE:
        return str(ours[-1])
    if ended.code == -signal.SIGKILL:
        how = "The program was killed (SIGKILL): by the system, if its memory ran out."
    elif ended.code < 0:
        how = f"The program ended with signal {-ended.code} ({_signal_name(-ended.code)})."
    else:
        how = f"The program ended with exit code {ended.code}."
    return _with_tail(how, ended)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _with_tail(sentence: str, ended: Ended) -> str:
    said = words_of(ended)[-_TAIL:]
    return f"{said}\n{sentence}" if said else sentence


def words_of(ended: Ended) -> str:
    """What a program printed, less the lines that say nothing about how it went."""
    return _NOISE.sub("", ended.output).strip()
