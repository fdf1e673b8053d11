"""Outcomes by normal form: equal mappers run once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A thread-safe cache that forgets what was not asked for longest.

    Values are made outside the lock, so that threads evaluate side by side; two that ask for the
    same new key at the same time both make it, which costs time and changes nothing.

    >>> cache = BoundedCache[str, int](capacity=2)
    >>> cache.get_or_make("a", lambda: 1), cache.get_or_make("a", lambda: 2)
    ((1, False), (1, True))
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a cache holds at least one entry, not {capacity}")
        self._capacity = capacity
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get_or_make(self, key: K, make: Callable[[], V]) -> tuple[V, bool]:
        """The value of a key, made where it is missing, and whether it was there."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key], True
        value = make()
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)
        return value, False

    # A lock does not travel between processes, and a cache need not.
    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._capacity,)
