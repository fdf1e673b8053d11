"""What was made before, by key, for threads that share it: the project's one bounded cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["BoundedCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A thread-safe cache that forgets what was not asked for longest.

    An evaluation asks two hundred times, so a look-up must be a read of a dictionary and no more:
    a list of all keys in the order of their use, behind a lock, takes five times as long. Here
    entries have two ages. New ones are recent; when half of the capacity is, they become the
    older ones, and those that were older before are forgotten. Whatever is asked for in time
    becomes recent again.

    Values are made outside the lock, so that threads work side by side; two that ask for the same
    new key at the same time may both make it, and both get the first one.

    >>> cache = BoundedCache[str, int](capacity=2)
    >>> cache.get_or_make("a", lambda: 1), cache.get_or_make("a", lambda: 2)
    ((1, False), (1, True))
    >>> cache.keep("b", 3), cache.get("a"), cache.keep("c", 4), cache.get("b"), cache.get("a")
    (3, 1, 4, None, 1)
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a cache holds at least one entry, not {capacity}")
        self._capacity = capacity
        self._recent: dict[K, V] = {}
        self._older: dict[K, V] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._recent.keys() | self._older.keys())

    def get(self, key: K) -> V | None:
        """The value of a key; None where it is missing."""
        value = self._recent.get(key)
        if value is None:
            value = self._older.get(key)
            if value is not None:
                return self.keep(key, value)
        return value

    def keep(self, key: K, value: V) -> V:
        """Keeps a value that was made.

        Returns:
            The value that is kept: another thread's where that was sooner. Use it rather than ask
            again, for it may be forgotten by then.
        """
        with self._lock:
            if key in self._recent:
                return self._recent[key]
            value = self._older.get(key, value)
            half = self._capacity // 2
            if len(self._recent) >= max(half, 1):
                self._older = self._recent if half else {}
                self._recent = {}
            self._recent[key] = value
        return value

    def get_or_make(self, key: K, make: Callable[[], V]) -> tuple[V, bool]:
        """The value of a key, made where it is missing, and whether it was there.

        A value may be None here.
        """
        for entries in (self._recent, self._older):
            try:
                return self.keep(key, entries[key]), True
            except KeyError:
                continue
        return self.keep(key, make()), False

    # A lock does not travel between processes, and a cache need not.
    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._capacity,)
