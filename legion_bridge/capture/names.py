"""Names that a mapper can use, and stand-ins for things that have none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable

from dsl.names import is_name

__all__ = ["Names", "TaskNames", "language_name"]


class Names:
    """Unique names of keys; ``given`` tells which are the program's own."""

    def __init__(self, stand_in: str) -> None:
        self._stand_in = stand_in
        self._names: dict[Hashable, str] = {}
        self.given: set[str] = set()

    def name(self, key: Hashable, wanted: str | None) -> str:
        """The name of a key: the wanted one, if it can be written and is still free."""
        if key in self._names:
            return self._names[key]
        taken = set(self._names.values())
        name = wanted or ""
        if not name or name in taken or not is_name(name):
            number = 0
            while (name := f"{self._stand_in}{number}") in taken:
                number += 1
        else:
            self.given.add(name)
        self._names[key] = name
        return name


class TaskNames:
    """The tasks of a program as the language can write them, each by a name of its own.

    Of tasks whose names are spelt alike, all have what the spelling changes written out:

    >>> names = TaskNames(["h.fill values", "v.step", "v_step"])
    >>> names["h.fill values"], names["v.step"], names["v_step"]
    ('h_fill_values', 'v_x2e_step', 'v_x5f_step')
    """

    def __init__(self, tasks: Iterable[str] = ()) -> None:
        spelt: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for task in tasks:
            spelt[language_name(task)][task] = None
        self._alike = [list(alike) for alike in spelt.values() if len(alike) > 1]
        self._written_out = {task for alike in self._alike for task in alike}

    def __getitem__(self, task: str) -> str:
        return _written_out(task) if task in self._written_out else language_name(task)

    def told(self) -> dict[str, str]:
        """For an application's ``unknown``: which tasks have other names than one would expect."""
        return {
            f"tasks.{self[task]}": f"the name of the task {task!r}: "
            f"{' and '.join(repr(other) for other in alike if other != task)} would be spelt "
            f"{language_name(task)}, too"
            for alike in self._alike
            for task in alike
        }


def _written_out(task: str) -> str:
    """As the mapper writes it that runs the program (mapper/task_names.cc): byte by byte."""
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_x{byte:02x}_"
        for byte in task.encode()
    )


def language_name(task: str) -> str:
    """A task's name as the language can write it; the mapper uses the same spelling.

    >>> language_name("cupynumeric::BinaryOpTask")
    'cupynumeric__BinaryOpTask'
    """
    return re.sub(rb"[^A-Za-z0-9]", b"_", task.encode()).decode()  # the mapper sees bytes
