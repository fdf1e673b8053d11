"""Launch domains at random, for tests: boxes that begin anywhere, and sparse ones."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st

from dsl.launch_domain import LaunchDomain

__all__ = ["boxes", "sparse_domains"]


@st.composite
def boxes(draw: st.DrawFn, *, most: int = 6) -> LaunchDomain:
    """Boxes of one to three dimensions that begin anywhere, below zero too."""
    rank = draw(st.integers(1, 3))
    extents = draw(st.tuples(*[st.integers(1, most)] * rank))
    return LaunchDomain(extents, draw(st.tuples(*[st.integers(-20, 20)] * rank)))


@st.composite
def sparse_domains(draw: st.DrawFn) -> LaunchDomain:
    """Some points, at least two so that the box around them has others."""
    rank = draw(st.integers(1, 3))
    corner = st.tuples(*[st.integers(-9, 9)] * rank)
    points = tuple(sorted(draw(st.sets(corner, min_size=2, max_size=9))))
    lower, upper = (tuple(map(end, zip(*points, strict=True))) for end in (min, max))
    extents = tuple(b - a + 1 for a, b in zip(lower, upper, strict=True))
    whole = list(product(*(range(a, b + 1) for a, b in zip(lower, upper, strict=True))))
    return LaunchDomain(extents, lower, () if len(points) == len(whole) else points)
