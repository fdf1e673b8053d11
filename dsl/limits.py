"""The bounds of the language: every program is answered, or refused, in bounded time and space.

A program beyond one of them gets a clear error with the code beside it.
"""

from __future__ import annotations

__all__ = [
    "INT_MAX",
    "INT_MIN",
    "MAX_CALL_DEPTH",
    "MAX_CANDIDATES",
    "MAX_DIMENSIONS",
    "MAX_NESTING",
    "MAX_POINTS",
    "MAX_PRINTED",
    "MAX_SPLIT_EXTENT",
    "MAX_STEPS",
    "MAX_TEXT",
    "MAX_TUPLE",
]

# An integer is a C int (section 4): "overflow".
INT_MIN = -(2**31)
INT_MAX = 2**31 - 1

MAX_TEXT = 1_000_000  # characters of a mapper: "too-large"
MAX_NESTING = 200  # nodes from a statement down to its deepest expression: "too-deep"
MAX_CALL_DEPTH = 200  # calls within calls, and elements within comprehensions: "too-deep"
MAX_STEPS = 1_000_000  # instructions that one answer may take: "too-many-steps"
MAX_POINTS = 1_000_000  # index points of a launch: "too-large"
MAX_TUPLE = 10_000  # elements of a tuple or of an argument list: "too-large"
MAX_DIMENSIONS = 64  # dimensions of a machine space: "too-large"
MAX_PRINTED = 1_000_000  # characters of printed text; what exceeds them is dropped

# auto_split and greedy_split know the primes below 131, and factor no further (section 6).
MAX_SPLIT_EXTENT = 131**2
MAX_CANDIDATES = 100_000  # factorisations that auto_split compares: "too-large"
