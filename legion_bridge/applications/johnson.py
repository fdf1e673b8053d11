"""Johnson's 3D multiplication: a cube of points, each of which multiplies once."""

from __future__ import annotations

from legion_bridge.applications.matrices import GPUS_PER_NODE, node_size
from legion_bridge.applications.reducing import Grid, Problem, build_one_round
from legion_bridge.programs.application import Application

__all__ = ["build"]

# Edges of the cube that were run where they are not the cube root rounded up.
EDGES = {4: 4}


def build(*, nodes: int = 1, n: int = 0, gdim: int = 0, ranks_per_node: int = 1) -> Application:
    """Johnson's multiplication at a size.

    Args:
        nodes: Nodes of 4 GPUs that what is 0 is chosen for.
        n: Rows of the matrices; 0 for 20000 times the root of the nodes.
        gdim: Edge of the cube of points; 0 for the smallest with at least a point a GPU.
        ranks_per_node: Processes per node; the published runs on Lassen had 4, of one GPU each.

    Raises:
        ApplicationError: The matrices are too small for the grid.
    """
    gpus = GPUS_PER_NODE * nodes
    gdim = gdim or EDGES.get(nodes, next(g for g in range(1, gpus + 1) if g**3 >= gpus))
    problem = Problem(
        "johnson",
        "Johnson's multiplication: a cube of points and one reduction",
        Grid(gdim, gdim, gdim),
        {
            "nodes": nodes,
            "n": n or node_size(nodes),
            "gdim": gdim,
            "ranks_per_node": ranks_per_node,
        },
    )
    return build_one_round(problem)
