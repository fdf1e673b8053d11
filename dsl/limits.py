"""The limits of the language: every program is answered or refused in bounded time and space.

A program that exceeds one gets an error with the code named beside it.
"""

from __future__ import annotations

__all__ = [
    "CHUNK",
    "INT_MAX",
    "INT_MIN",
    "MAX_BRACKETS",
    "MAX_CALL_DEPTH",
    "MAX_CANDIDATES",
    "MAX_CODE",
    "MAX_DIMENSIONS",
    "MAX_FORKS",
    "MAX_NESTING",
    "MAX_POINTS",
    "MAX_PRINTED",
    "MAX_SPLIT_EXTENT",
    "MAX_TEXT",
    "MAX_TUPLE",
    "MAX_TUPLE_DEPTH",
    "MAX_WORK",
    "STEP_WORK",
]

# An integer is a C int (section 4): "overflow".
INT_MIN = -(2**31)
INT_MAX = 2**31 - 1

MAX_TEXT = 1_000_000  # characters of a mapper: "too-large"
MAX_NESTING = 100  # nodes from a statement down to its deepest expression: "too-deep"
MAX_BRACKETS = 1_600  # brackets within brackets, or operators of one chain: "too-deep"
MAX_CALL_DEPTH = 200  # calls within calls: "too-deep"
MAX_CODE = 100_000  # instructions of a function, its comprehensions written out: "too-large"
MAX_TUPLE = 10_000  # elements of a tuple or of an argument list: "too-large"
MAX_TUPLE_DEPTH = 50  # tuples within tuples: "too-deep"
MAX_DIMENSIONS = 64  # dimensions of a machine space: "too-large"
MAX_POINTS = 1_000_000  # index points of a launch: "too-large"
MAX_PRINTED = 1_000_000  # characters of printed text; what exceeds them is dropped

# A step counts STEP_WORK, and a number that it makes for each of n points n; an answer may take
# MAX_WORK: "too-many-steps". That is two million steps, or a few seconds.
STEP_WORK = 256
MAX_WORK = 500_000_000

# auto_split and greedy_split know the primes below 131, and factor no further (section 6).
MAX_SPLIT_EXTENT = 131**2
MAX_CANDIDATES = 100_000  # factorisations that auto_split compares: "too-large"

# Index points are evaluated this many at a time: what is at hand then stays in the cache.
CHUNK = 32_768
MAX_FORKS = 50  # conditionals within conditionals that divide the points of a chunk
