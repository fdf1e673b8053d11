"""What the bounded cache keeps, forgets and gives to threads."""

from __future__ import annotations

import threading

import pytest

from dsl.bounded_cache import BoundedCache


def test_the_cache_forgets_what_was_not_asked_for_longest():
    cache: BoundedCache[str, int] = BoundedCache(2)
    for key in "aba":
        cache.get_or_make(key, lambda: 1)
    cache.get_or_make("c", lambda: 1)
    assert cache.get_or_make("a", lambda: 2) == (1, True)
    assert cache.get_or_make("b", lambda: 2) == (2, False)
    assert len(cache) == 2


def test_the_cache_makes_values_side_by_side():
    cache: BoundedCache[str, int] = BoundedCache(2)
    both = threading.Barrier(2, timeout=10)

    def make() -> int:
        both.wait()  # breaks where the other thread must wait for us
        return 1

    threads = [threading.Thread(target=cache.get_or_make, args=(k, make)) for k in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 2


def test_a_cache_must_hold_something():
    with pytest.raises(ValueError, match="at least one"):
        BoundedCache(0)


def test_what_is_asked_for_again_and_again_stays():
    cache = BoundedCache[int, int](10)
    cache.keep(0, 0)
    for number in range(1, 1000):
        cache.keep(number, number)
        assert cache.get(0) == 0
        assert len(cache) <= 10


def test_all_threads_get_the_value_that_came_first():
    cache = BoundedCache[str, object](2)
    first, second = object(), object()
    assert cache.keep("a", first) is first
    assert cache.keep("a", second) is first
    cache.keep("b", second)
    assert cache.keep("a", second) is first  # though it had grown old


def test_none_is_a_value_like_others():
    cache = BoundedCache[str, None](4)
    assert cache.get_or_make("a", lambda: None) == (None, False)
    assert cache.get_or_make("a", lambda: pytest.fail("it is known")) == (None, True)
