"""Training steps of a transformer: layers of attention and MLP, forward and backward.

Every heavy launch is over (batch piece, tensor piece): a tensor piece is a share of the attention
heads, and of the MLP's hidden units, with the weights that belong to them. Both dimensions can be
spread, so that the index map *is* the sharding: all points of a tensor piece on one processor is
tensor parallelism (weights stay, activations travel), all points of a batch piece is data
parallelism (activations stay, weights and their gradients travel), and there is all between.

Outputs of the tensor pieces are added up by reductions into the activations, gradients of the
batch pieces by reductions into the weights' gradients. Between them small launches over the batch
add the residual. Scores of the attention are not kept, but computed anew where they are needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from legion_bridge.applications.building import (
    Bounds,
    Use,
    WorkOptions,
    even_bounds,
    grid,
    launch,
    partitions_of,
)
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import (
    Application,
    Field,
    Launch,
    Partition,
    Region,
    Requirement,
    TaskKind,
)

__all__ = ["build"]

Ints = NDArray[np.int64]

REAL = 4
MOST_LAYERS = 1_000
"""Layers at most: each is ten launches."""
ATTENTION, MLP = 4, 8
"""Columns of weights, in widths: query, key, value, output; out to 4 widths, and back."""
FACTORS = {"attention": ATTENTION, "mlp": MLP}
KEPT = {"attention": ("heads", "head_tiles"), "mlp": ("units", "unit_tiles")}
BACKWARD = 2
"""Operations of a backward pass to those of the forward one: for the input, for the weights."""
TASKS = (
    "initialize",
    "embed",
    "residual",
    "attention",
    "mlp",
    "loss",
    "mlp_backward",
    "attention_backward",
    "update",
)


def build(
    *,
    nodes: int = 1,
    layers: int = 4,
    hidden: int = 2048,
    sequence: int = 1024,
    batch: int = 0,
    batch_pieces: int = 0,
    tensor_pieces: int = 0,
    steps: int = 10,
    prune: int = 5,
) -> Application:
    """A transformer at a size.

    Args:
        nodes: Nodes that the pieces which are 0 are chosen for.
        layers: Layers, each of attention and MLP.
        hidden: Width of the activations.
        sequence: Tokens in a sequence.
        batch: Sequences in a step; 0 for 8 a node.
        batch_pieces: Pieces of the batch; 0 for 4 a node.
        tensor_pieces: Pieces of heads and hidden units; 0 for 4 a node.
        steps: Training steps that are measured.
        prune: Training steps before them.

    Raises:
        ApplicationError: There are more pieces than sequences or hidden units, or a size is 0.
    """
    batch = batch or 8 * nodes
    batch_pieces, tensor_pieces = batch_pieces or 4 * nodes, tensor_pieces or 4 * nodes
    if min(layers, sequence, steps) < 1 or batch < batch_pieces or hidden < tensor_pieces:
        raise ApplicationError(
            f"transformer: {batch} sequences of width {hidden} cannot be cut into {batch_pieces} "
            f"x {tensor_pieces} pieces; take fewer pieces, and every size at least 1"
        )
    if layers > MOST_LAYERS:
        raise ApplicationError(f"transformer: layers must be at most {MOST_LAYERS:,}")
    sizes = _Sizes(hidden, sequence, sequence * batch, batch_pieces, tensor_pieces, layers)
    return Application(
        name="transformer",
        summary="Training steps of a transformer, sharded by batch and by tensor pieces",
        parameters={
            "nodes": nodes,
            "layers": layers,
            "hidden": hidden,
            "sequence": sequence,
            "batch": batch,
            "batch_pieces": batch_pieces,
            "tensor_pieces": tensor_pieces,
            "steps": steps,
            "prune": prune,
        },
        task_kinds={name: TaskKind(name, ("CPU", "GPU")) for name in TASKS},
        regions=_regions(sizes),
        partitions=_partitions(sizes),
        setup=(_initialize(sizes),),
        loop=_step(sizes),
        warmup=prune,
        timed=steps,
        traced=True,
        work=float(sequence * batch),
        unit="tokens/s",
    )


class _Sizes(NamedTuple):
    hidden: int
    sequence: int
    tokens: int
    batch_pieces: int
    tensor_pieces: int
    layers: int

    def rows(self) -> Bounds:
        return even_bounds(self.tokens, self.batch_pieces)

    def columns(self, factor: int) -> Bounds:
        return even_bounds(factor * self.hidden, self.tensor_pieces)


def _regions(sizes: _Sizes) -> dict[str, Region]:
    """Activations and their gradients, weights and theirs, and what a pass keeps for the next."""
    layers = range(sizes.layers)
    states = [f"{kind}{i}" for kind in ("x", "dx") for i in range(sizes.layers + 1)]
    states += [f"{kind}{i}" for kind in ("y", "dy") for i in layers]
    parameters = [f"{kind}{i}" for kind in ("w", "g") for i in layers]
    kept = [f"a{i}" for i in layers]
    tokens, hidden = sizes.tokens, sizes.hidden
    table = {
        "tokens": (tokens, hidden, states),
        "attention_weights": (hidden, ATTENTION * hidden, parameters),
        "mlp_weights": (hidden, MLP * hidden, parameters),
        "heads": (tokens, ATTENTION * hidden, kept),
        "units": (tokens, MLP // 2 * hidden, kept),
    }
    return {
        name: Region(name, (0, 0), (m - 1, n - 1), tuple(Field(f, REAL) for f in fields))
        for name, (m, n, fields) in table.items()
    }


def _partitions(sizes: _Sizes) -> dict[str, Partition]:
    rows, all_rows = sizes.rows(), even_bounds(sizes.hidden, 1)
    attention, mlp, units = (sizes.columns(factor) for factor in (ATTENTION, MLP, MLP // 2))
    return (
        partitions_of("tokens", token_rows=grid(rows, all_rows))
        | partitions_of("attention_weights", attention_columns=grid(all_rows, attention))
        | partitions_of("mlp_weights", mlp_columns=grid(all_rows, mlp))
        | partitions_of("heads", head_tiles=grid(rows, attention))
        | partitions_of("units", unit_tiles=grid(rows, units))
    )


class _Points:
    """The points (b, t) of a launch domain, and what they may use."""

    def __init__(self, sizes: _Sizes, *, batch: bool = True, tensor: bool = True) -> None:
        self.domain = (sizes.batch_pieces if batch else 1, sizes.tensor_pieces if tensor else 1)
        self.b, self.t = np.indices(self.domain).reshape(2, -1)
        self.sizes = sizes
        self.rows = _lengths(sizes.rows())[self.b]

    def tokens(self, privilege: Privilege, *fields: str) -> Use:
        return _use(
            ("tokens", "token_rows"), privilege, fields, self.rows * self.sizes.hidden, self.b
        )

    def weights(self, layer_kind: str, privilege: Privilege, *fields: str) -> Use:
        data = (f"{layer_kind}_weights", f"{layer_kind}_columns")
        points = self.sizes.hidden * self.columns(FACTORS[layer_kind])
        return _use(data, privilege, fields, points, self.t)

    def kept(self, layer_kind: str, privilege: Privilege, *fields: str) -> Use:
        columns = self.columns(ATTENTION if layer_kind == "attention" else MLP // 2)
        tile = self.b * self.sizes.tensor_pieces + self.t
        return _use(KEPT[layer_kind], privilege, fields, self.rows * columns, tile)

    def columns(self, factor: int) -> Ints:
        return _lengths(self.sizes.columns(factor))[self.t]

    def flops(self, layer_kind: str) -> Ints:
        """Operations of a forward pass: with the weights and, in attention, with all tokens."""
        columns = self.columns(FACTORS[layer_kind])
        flops = 2 * self.rows * self.sizes.hidden * columns
        if layer_kind == "attention":
            flops += 4 * self.rows * self.sizes.sequence * columns // ATTENTION
        return flops


def _lengths(bounds: Bounds) -> Ints:
    lengths: Ints = bounds[:, 1] - bounds[:, 0] + 1
    return lengths


def _use(
    data: tuple[str, str],
    privilege: Privilege,
    fields: tuple[str, ...],
    points: Ints,
    colors: Ints,
) -> Use:
    moves = 1 if privilege in {"READ_ONLY", "WRITE_ONLY"} else 2
    reduction = "sum<float>" if privilege == "REDUCE" else None
    requirement = Requirement(*data, privilege, fields, reduction)
    return Use(requirement, moves * REAL * len(fields) * points, colors=colors)


def _initialize(sizes: _Sizes) -> Launch:
    points = _Points(sizes, batch=False)
    fields = [f"{kind}{i}" for kind in ("w", "g") for i in range(sizes.layers)]
    uses = [points.weights(kind, "WRITE_ONLY", *fields) for kind in FACTORS]
    return launch("initialize", points.domain, uses)


def _step(sizes: _Sizes) -> tuple[Launch, ...]:
    """A training step."""
    layers, rows = range(sizes.layers), _Points(sizes, tensor=False)
    forward = [
        launch
        for i in layers
        for launch in (
            *_forward(sizes, "attention", i, f"x{i}", f"y{i}"),
            *_forward(sizes, "mlp", i, f"y{i}", f"x{i + 1}"),
        )
    ]
    backward = [
        launch
        for i in reversed(layers)
        for launch in (
            *_backward(sizes, "mlp", i, value=f"y{i}", source=f"dx{i + 1}", target=f"dy{i}"),
            *_backward(sizes, "attention", i, value=f"x{i}", source=f"dy{i}", target=f"dx{i}"),
        )
    ]
    last = sizes.layers
    loss = [rows.tokens("READ_ONLY", f"x{last}"), rows.tokens("WRITE_ONLY", f"dx{last}")]
    return (
        launch("embed", rows.domain, [rows.tokens("WRITE_ONLY", "x0")]),
        *forward,
        launch(
            "loss", rows.domain, loss, {"flops": 10 * rows.rows * sizes.hidden, "rate": "fp32"}
        ),
        *backward,
        _update(sizes),
    )


def _residual(sizes: _Sizes, source: str, target: str) -> Launch:
    """Begins a sum with what goes around the layer."""
    rows = _Points(sizes, tensor=False)
    uses = [rows.tokens("READ_ONLY", source), rows.tokens("WRITE_ONLY", target)]
    return launch("residual", rows.domain, uses)


def _forward(sizes: _Sizes, kind: str, layer: int, source: str, target: str) -> list[Launch]:
    points = _Points(sizes)
    uses = [
        points.tokens("READ_ONLY", source),
        points.weights(kind, "READ_ONLY", f"w{layer}"),
        points.kept(kind, "WRITE_ONLY", f"a{layer}"),
        points.tokens("REDUCE", target),
    ]
    work: WorkOptions = {"flops": points.flops(kind), "rate": "fp32", "kernels": 6}
    return [_residual(sizes, source, target), launch(kind, points.domain, uses, work)]


def _backward(
    sizes: _Sizes, kind: str, layer: int, *, value: str, source: str, target: str
) -> list[Launch]:
    """Gradients of a layer's input and of its weights.

    Args:
        sizes: Of the application.
        kind: Of layer.
        layer: Number of the layer.
        value: What the layer took.
        source: Gradient of what it gave.
        target: Gradient of what it took.
    """
    points = _Points(sizes)
    uses = [
        points.tokens("READ_ONLY", value, source),
        points.weights(kind, "READ_ONLY", f"w{layer}"),
        points.kept(kind, "READ_ONLY", f"a{layer}"),
        points.weights(kind, "REDUCE", f"g{layer}"),
        points.tokens("REDUCE", target),
    ]
    flops = BACKWARD * points.flops(kind)
    work: WorkOptions = {"flops": flops, "rate": "fp32", "kernels": 12}
    name = f"{kind}_backward"
    return [_residual(sizes, source, target), launch(name, points.domain, uses, work)]


def _update(sizes: _Sizes) -> Launch:
    """Applies the gradients to the weights, and clears them."""
    points = _Points(sizes, batch=False)
    fields = [f"{kind}{i}" for kind in ("w", "g") for i in range(sizes.layers)]
    uses = [points.weights(kind, "READ_WRITE", *fields) for kind in FACTORS]
    return launch("update", points.domain, uses, {"kernels": 2 * sizes.layers})
