"""Cannon's multiplication: in each step no two GPUs of a row or column take the same chunk."""

from __future__ import annotations

from legion_bridge.applications.systolic import Order, build_systolic, near_square
from legion_bridge.programs.application import Application

__all__ = ["build"]

ORDER = Order(row=1, column=1, halves=1)


def build(*, nodes: int = 1, n: int = 0, gx: int = 0, gy: int = 0) -> Application:
    """Cannon at a size.

    Args:
        nodes: Nodes that what is 0 is chosen for.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        gx: Nodes along the rows of A; 0 for the larger near-square factor.
        gy: Nodes along its columns; 0 for the other factor.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    larger, smaller = near_square(nodes)
    summary = "Cannon's multiplication: each step shifts tiles along rows and columns"
    shape = (gx or larger, gy or smaller)
    return build_systolic("cannon", summary, ORDER, n, shape)
