"""Names that a mapper can call things by, and stand-ins where there are none."""

from __future__ import annotations

import re
from collections.abc import Hashable

import dsl

__all__ = ["Names", "can_be_written", "language_name"]


def can_be_written(name: str) -> bool:
    """Whether the language has a way to write a name.

    >>> can_be_written("grid"), can_be_written("my grid"), can_be_written("Task")
    (True, False, False)
    """
    try:
        dsl.parse(f"InstanceLimit {name} 1;")
    except dsl.MapperSyntaxError:
        return False
    return True


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
        if not name or name in taken or not can_be_written(name):
            number = 0
            while (name := f"{self._stand_in}{number}") in taken:
                number += 1
        else:
            self.given.add(name)
        self._names[key] = name
        return name


def language_name(task: str) -> str:
    """A task's name as the language can say it; the mapper calls the task so, too.

    >>> language_name("cupynumeric::BinaryOpTask")
    'cupynumeric__BinaryOpTask'
    """
    return re.sub(r"[^A-Za-z0-9]", "_", task)
