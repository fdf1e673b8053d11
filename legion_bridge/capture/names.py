"""Names that a mapper can use, and stand-ins for things that have none."""

from __future__ import annotations

import re
from collections.abc import Hashable

from dsl.names import is_name

__all__ = ["Names", "language_name"]


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


def language_name(task: str) -> str:
    """A task's name as the language can write it; the mapper uses the same spelling.

    >>> language_name("cupynumeric::BinaryOpTask")
    'cupynumeric__BinaryOpTask'
    """
    return re.sub(r"[^A-Za-z0-9]", "_", task)
