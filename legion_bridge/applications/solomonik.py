"""Solomonik's 2.5D multiplication: layers of Cannon's, whose sums are reduced."""

from __future__ import annotations

import math

from legion_bridge.applications.matrices import GPUS_PER_NODE, node_size
from legion_bridge.applications.reducing import Grid, Problem, build_solomonik
from legion_bridge.programs.application import Application

__all__ = ["build"]


def build(*, nodes: int = 1, n: int = 0, rpoc: int = 0, c: int = 0, rpoc3: int = 0) -> Application:
    """Solomonik's multiplication at a size.

    Args:
        nodes: Nodes of 4 GPUs that what is 0 is chosen for.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        rpoc: Points along the rows, and along the columns, of A; 0 for what makes a point a GPU.
        c: Layers; 0 for 2 where the GPUs are twice a square number, and 1 else.
        rpoc3: Steps of each point; 0 for ``rpoc``.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    gpus = GPUS_PER_NODE * nodes
    c = c or (2 if math.isqrt(gpus // 2) ** 2 * 2 == gpus else 1)
    rpoc = rpoc or max(math.isqrt(gpus // c), 1)
    rpoc3 = rpoc3 or rpoc
    problem = Problem(
        "solomonik",
        "Solomonik's multiplication: layers that shift tiles, and a reduction over them",
        Grid(rpoc, rpoc, c),
        {
            "nodes": nodes,
            "n": n or node_size(nodes),
            "rpoc": rpoc,
            "c": c,
            "rpoc3": rpoc3,
        },
    )
    return build_solomonik(problem, rpoc3)
