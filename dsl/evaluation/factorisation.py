"""Ways to write the size of a machine dimension as a product (section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import comb, prod

import numpy as np

from dsl.evaluation.faults import Fault
from dsl.limits import MAX_CANDIDATES, MAX_SPLIT_EXTENT

__all__ = ["auto_split", "balance_split", "greedy_split"]

_BALANCE_PRIMES = (2, 3, 5, 7, 11, 13, 17)


def balance_split(n: int, k: int) -> tuple[int, ...]:
    """``k`` factors of ``n``, near each other, in decreasing order.

    >>> balance_split(12, 2), balance_split(60, 3)
    ((6, 2), (10, 3, 2))
    """
    if n < 1:
        raise Fault("balance-split-extent", f"balance_split cannot factor a size of {n}")
    factors = [1] * k
    for prime in _BALANCE_PRIMES:
        while n % prime == 0:
            n //= prime
            factors[factors.index(min(factors))] *= prime
    if n > 1:
        raise Fault(
            "balance-split-extent",
            f"balance_split knows the primes up to 17, and {n} is left of the size",
            "use auto_split or greedy_split",
        )
    return tuple(sorted(factors, reverse=True))


def greedy_split(n: int, extents: tuple[int, ...]) -> tuple[int, ...]:
    """One factor of ``n`` per extent: each prime, from the largest, to the largest extent left.

    >>> greedy_split(24, (5, 7, 11))
    (2, 2, 6)
    """
    _require_extent(n)
    factors = [1] * len(extents)
    left = [float(extent) for extent in extents]
    for prime in reversed(_primes(n)):
        widest = left.index(max(left))
        factors[widest] *= prime
        left[widest] /= prime
    return tuple(factors)


@lru_cache(maxsize=4096)
def auto_split(n: int, extents: tuple[int, ...]) -> tuple[int, ...]:
    """One factor of ``n`` per extent, such that the sum of factor over extent is least.

    Costs are compared in single precision and within 1e-6, as the reference does. Of equal ones
    `greedy_split`'s is taken, or else the first.

    >>> auto_split(24, (5, 7, 11)), auto_split(12, (1, 1))
    ((2, 3, 4), (3, 4))
    """
    _require_extent(n)
    if n <= 1:
        return (1,) * len(extents)
    if 0 in extents:
        raise Fault(
            "auto-split-zero-extent",
            "auto_split cannot share processors among extents of which one is zero",
            "keep every extent at least 1, or use greedy_split",
        )
    candidates = _factorisations(n, len(extents))
    best = _cheapest(candidates, extents)
    greedy = greedy_split(n, extents)
    return greedy if greedy in best else best[0]


def _require_extent(n: int) -> None:
    if not 0 <= n <= MAX_SPLIT_EXTENT:
        raise Fault("split-extent", f"a size of {n} is outside of 0 to {MAX_SPLIT_EXTENT}")


@lru_cache(maxsize=1024)
def _primes(n: int) -> tuple[int, ...]:
    """Prime factors in increasing order; none of 0 and 1."""
    found = []
    prime = 2
    while prime * prime <= n:
        while n % prime == 0:
            found.append(prime)
            n //= prime
        prime += 1
    return (*found, n) if n > 1 else tuple(found)


@lru_cache(maxsize=16)
def _factorisations(n: int, k: int) -> list[tuple[int, ...]]:
    """All ways to write ``n`` as ``k`` ordered factors, in the order of the reference."""
    primes = _primes(n)
    powers = {prime: primes.count(prime) for prime in sorted(set(primes), reverse=True)}
    count = prod(comb(power + k - 1, k - 1) for power in powers.values())
    if count > MAX_CANDIDATES:
        raise Fault("too-large", f"auto_split would compare {count:,} factorisations of {n}")
    found = [(1,) * k]
    for prime, power in powers.items():
        shares = list(_shares(power, k))
        found = [
            tuple([f * prime**s for f, s in zip(factors, share, strict=True)])
            for factors in found
            for share in shares
        ]
    return found


def _shares(power: int, places: int) -> Iterator[tuple[int, ...]]:
    """Ways to spread a power over places: the first takes 0, 1, ..., the last what is left."""
    if places == 1:
        yield (power,)
        return
    for first in range(power + 1):
        for rest in _shares(power - first, places - 1):
            yield (first, *rest)


def _cheapest(
    candidates: list[tuple[int, ...]], extents: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """The candidates of least cost, by the reference's scan."""
    quotients = (np.array(candidates) / np.array(extents)).astype(np.float32)
    totals = np.zeros(len(candidates))
    for column in quotients.T:  # in order: numpy's own sum pairs the terms
        totals += column
    costs = totals.astype(np.float32)
    best, ties = np.float32(2**31 - 1), [candidates[0]]
    for candidate, cost in zip(candidates, costs, strict=True):
        if abs(cost - best) < np.float32(1e-6):
            ties.append(candidate)
        elif cost < best:
            best, ties = cost, [candidate]
    return ties
