"""Integers of 32 bits with the meaning of C, one or many at a time (section 4).

An operand is a Python ``int``, or an int64 array with one value per index point. Overflow and
division by zero are faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsl.evaluation.faults import Fault
from dsl.limits import INT_MAX, INT_MIN

__all__ = [
    "ARITHMETIC",
    "COMPARISONS",
    "Bools",
    "Ints",
    "add",
    "divide",
    "multiply",
    "negate",
    "product",
    "remainder",
    "require",
    "subtract",
]

Ints: TypeAlias = int | NDArray[np.int64]
Bools: TypeAlias = bool | NDArray[np.bool_]


def require(holds: Bools, code: str, sentence: str, hint: str | None = None) -> None:
    """Fails for the points at which a condition does not hold."""
    if isinstance(holds, bool):
        if not holds:
            raise Fault(code, sentence, hint)
    elif not holds.all():
        raise Fault(code, sentence, hint, failing=~holds)


def _in_range(result: Ints, operation: str) -> Ints:
    if isinstance(result, int):
        if INT_MIN <= result <= INT_MAX:
            return result
        raise _overflow(f"the result {result} of {operation}")
    if result.min() < INT_MIN or result.max() > INT_MAX:
        outside = (result < INT_MIN) | (result > INT_MAX)
        raise _overflow(f"a result of {operation}", outside)
    return result


def _overflow(what: str, failing: NDArray[np.bool_] | None = None) -> Fault:
    return Fault(
        "overflow",
        f"{what} does not fit into 32 bits",
        "an integer lies between -2147483648 and 2147483647",
        failing=failing,
    )


def add(a: Ints, b: Ints) -> Ints:
    """``a + b``."""
    return _in_range(a + b, "+")


def subtract(a: Ints, b: Ints) -> Ints:
    """``a - b``."""
    return _in_range(a - b, "-")


def multiply(a: Ints, b: Ints) -> Ints:
    """``a * b``; two 32-bit factors cannot overflow the 64 bits they are multiplied in."""
    return _in_range(a * b, "*")


def negate(a: Ints) -> Ints:
    """``-a``."""
    return _in_range(-a, "-")


def divide(a: Ints, b: Ints) -> Ints:
    """``a / b``, rounded toward zero."""
    _require_divisor(b, "/")
    if _least(a) >= 0 and _least(b) > 0:
        return a // b
    quotient = _magnitude(a) // _magnitude(b)
    negative: Bools = (a < 0) != (b < 0)
    if isinstance(negative, bool):
        quotient = -quotient if negative else quotient
    else:
        quotient = np.where(negative, -quotient, quotient)
    return _in_range(quotient, "/")


def remainder(a: Ints, b: Ints) -> Ints:
    """``a % b``, with the sign of ``a``."""
    _require_divisor(b, "%")
    # Through the quotient: numpy divides by one number faster than it takes remainders.
    return a - divide(a, b) * b if _least(a) < 0 or _least(b) < 0 else a - a // b * b


def _magnitude(a: Ints) -> Ints:
    return abs(a) if isinstance(a, int) else np.abs(a)


def _least(a: Ints) -> int:
    return a if isinstance(a, int) else int(a.min())


def _require_divisor(b: Ints, operation: str) -> None:
    require(b != 0, "division-by-zero", f"the right operand of {operation} is zero")


def product(factors: Iterable[Ints]) -> Ints:
    """The product of all; 1 of none."""
    result: Ints = 1
    for factor in factors:
        result = multiply(result, factor)
    return result


ARITHMETIC: dict[str, Callable[[Ints, Ints], Ints]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
}

COMPARISONS: dict[str, Callable[[Ints, Ints], Bools]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
