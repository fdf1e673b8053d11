"""COSMA: a grid of points with as little traffic as can be, each of which multiplies once."""

from __future__ import annotations

from legion_bridge.applications.matrices import GPUS_PER_NODE, node_size
from legion_bridge.applications.reducing import Grid, Problem, build_one_round
from legion_bridge.programs.application import Application

__all__ = ["build"]


def build(
    *,
    nodes: int = 1,
    n: int = 0,
    gx: int = 0,
    gy: int = 0,
    gz: int = 0,
    ranks_per_node: int = 1,
) -> Application:
    """COSMA's multiplication at a size.

    Args:
        nodes: Nodes of 4 GPUs that what is 0 is chosen for.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        gx: Points along the rows of A; 0 for the smallest near-cubic factor of the GPUs.
        gy: Points along its columns; 0 for the middle factor.
        gz: Points along the inner dimension; 0 for the largest factor.
        ranks_per_node: Processes per node; the published runs on Lassen had 4, of one GPU each.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    factors = near_cubic(GPUS_PER_NODE * nodes)
    shape = Grid(gx or factors[0], gy or factors[1], gz or factors[2])
    problem = Problem(
        "cosma",
        "COSMA: a grid of points chosen for little traffic, and one reduction",
        shape,
        {
            "nodes": nodes,
            "n": n or node_size(nodes),
            "gx": shape.x,
            "gy": shape.y,
            "gz": shape.z,
            "ranks_per_node": ranks_per_node,
        },
    )
    return build_one_round(problem)


def near_cubic(number: int) -> tuple[int, int, int]:
    """Three factors of a number that are as equal as can be, ascending.

    >>> near_cubic(4), near_cubic(16), near_cubic(32)
    ((1, 2, 2), (2, 2, 4), (2, 4, 4))
    """
    factors = (
        (a, b, number // (a * b))
        for a in range(1, number + 1)
        if number % a == 0
        for b in range(a, number // a + 1)
        if (number // a) % b == 0 and b <= number // (a * b)
    )
    return min(factors, key=sum)
