"""PUMMA: in each step each row of nodes takes another chunk, all of a row the same one."""

from __future__ import annotations

from legion_bridge.applications.systolic import Order, build_systolic, near_square
from legion_bridge.programs.application import Application

__all__ = ["build"]

ORDER = Order(row=1, column=0, halves=0)


def build(*, nodes: int = 1, n: int = 0, gx: int = 0, gy: int = 0) -> Application:
    """PUMMA at a size.

    Args:
        nodes: Nodes that what is 0 is chosen for.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        gx: Nodes along the rows of A; 0 for the smaller near-square factor.
        gy: Nodes along its columns; 0 for the other factor.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    larger, smaller = near_square(nodes)
    summary = "PUMMA: each step broadcasts chunks along rows, another one in each row"
    shape = (gx or smaller, gy or larger)
    return build_systolic("pumma", summary, ORDER, n, shape)
