"""Training steps of a large language model, by data, tensor, sequence and pipeline pieces.

Every launch is over ``(chunk, micro-batch, batch piece, tensor piece)``: a chunk of layers and a
micro-batch have launches of their own, whose points are the pieces. So an index map *is* the
sharding, in the words of those who train such models: chunks on different processors are pipeline
parallelism, batch pieces are data, tensor pieces tensor parallelism; ``shards`` shares out the
optimizer's state over the batch pieces (ZeRO), and weights that are collected after each use
(``CollectMemory``) are shared out as well.

A pass of a block of layers is two launches. The first multiplies; what its tensor pieces found
are partial sums, which are reduced. The second needs the sums: it does what goes over each token
by itself (norms, dropout, residual), each tensor piece for its slice of the tokens, and hands
them on. All tasks of a batch and a tensor piece have a workspace in common. So those on one
processor run in the order in which they are launched, as in a stream of CUDA, and wait for their
sums: nothing is computed beside a sum over tensor pieces. ``gpt_schedule.py`` has the order.

Sums that were read are filled with zeros. A fill is deferred until its data is used and costs
nothing by itself, so that no launch stands for it.

Why this is not ``transformer``: that is a layer as a graph of single operations in 32 bits without
stages, and has tables of figures of its own.
"""

from __future__ import annotations

from legion_bridge.applications.gpt_data import GRADIENTS, NONE, STATE, Cut, Data
from legion_bridge.applications.gpt_model import FULL, NOTHING, SELECTIVE, Model
from legion_bridge.applications.gpt_schedule import most_slots, one_forward_one_backward
from legion_bridge.applications.gpt_step import RATES, StepWriter
from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application, TaskKind

__all__ = ["build"]

SWITCHES = ("gated", "sequence_parallel", "flash")
MOST_LAUNCHES = 1_000_000
TASKS = (
    "initialize",
    "initialize_vocabulary",
    "embed",
    "forward",
    "forward_sum",
    "loss",
    "loss_sum",
    "backward",
    "backward_sum",
    "gradient_sum",
    "embed_backward",
    "norm",
    "update",
    "update_vocabulary",
)


def build(
    *,
    nodes: int = 1,
    layers: int = 4,
    hidden: int = 1024,
    heads: int = 16,
    key_heads: int = 0,
    feed_forward: int = 0,
    gated: int = 0,
    sequence: int = 512,
    vocabulary: int = 8192,
    batch: int = 0,
    micro_batch: int = 1,
    element_bytes: int = 2,
    recompute: int = SELECTIVE,
    sequence_parallel: int = 1,
    flash: int = 0,
    shards: int = 0,
    stages: int = 2,
    chunks: int = 1,
    blocks: int = 1,
    batch_pieces: int = 0,
    tensor_pieces: int = 2,
    steps: int = 4,
    prune: int = 4,
) -> Application:
    """A language model at a size, cut into pieces.

    Args:
        nodes: Nodes that the pieces which are 0 are chosen for.
        layers: Layers, each of attention and MLP.
        hidden: Width of the activations.
        heads: Heads of the attention.
        key_heads: Heads of keys and values; 0 for as many.
        feed_forward: Width of the MLP; 0 for four times ``hidden``.
        gated: 1 where the MLP has a gate.
        sequence: Tokens in a sequence.
        vocabulary: Tokens that there are.
        batch: Sequences in a step; 0 for 8 a batch piece.
        micro_batch: Sequences in a micro-batch, for each batch piece.
        element_bytes: 2 for bf16, 4 for tf32, 1 for fp8.
        recompute: What the backward pass computes anew: 0 nothing, 1 the core of the attention,
            2 all of each layer.
        sequence_parallel: 1 where activations that are not cut by heads and units are cut by
            tokens; it counts for memory and for what streams, the same data is sent.
        flash: 1 where scores of the attention are never stored.
        shards: What is shared out over the batch pieces: 0 nothing, 1 the optimizer's state, 2 the
            gradients as well, which are then added up after each micro-batch.
        stages: Pipeline stages that the order of launches is for.
        chunks: Chunks of layers in each of them (interleaving).
        blocks: Launches of a pass through a chunk: more show more, and cost more to simulate.
        batch_pieces: Pieces of the batch; 0 for one a node.
        tensor_pieces: Pieces of heads and of the MLP's units.
        steps: Training steps that are measured.
        prune: Training steps before them.

    Raises:
        ApplicationError: A size cannot be cut into so many pieces.
    """
    given = dict(locals())
    given["batch_pieces"] = batch_pieces = batch_pieces or nodes
    given["batch"] = batch = batch or 8 * micro_batch * batch_pieces
    given["key_heads"] = key_heads = key_heads or heads
    given["feed_forward"] = feed_forward = feed_forward or 4 * hidden
    _check(given)
    cut = Cut(
        model=Model(
            layers=layers,
            heads=heads,
            hidden=hidden,
            key_heads=key_heads,
            feed_forward=feed_forward,
            gated=bool(gated),
            sequence=sequence,
            vocabulary=vocabulary,
        ),
        micro=micro_batch,
        micros=batch // (batch_pieces * micro_batch),
        bytes=element_bytes,
        recompute=recompute,
        by_sequence=bool(sequence_parallel),
        scores=not flash,
        shards=shards,
        stages=stages,
        chunks=chunks,
        blocks=blocks,
        batch_pieces=batch_pieces,
        tensor_pieces=tensor_pieces,
    )
    tasks = [name for name in TASKS if name != "gradient_sum" or shards == GRADIENTS]
    passes = list(one_forward_one_backward(stages, chunks, cut.micros))
    data = Data(cut, most_slots(passes))
    writer = StepWriter(cut, data)
    return Application(
        name="gpt",
        summary="Training steps of a large language model, by data, tensor and pipeline pieces",
        parameters=given,
        task_kinds={name: TaskKind(name, ("CPU", "GPU")) for name in tasks},
        regions=data.regions(),
        partitions=data.partitions(),
        setup=tuple(writer.setup()),
        loop=tuple(writer.step(passes)),
        warmup=prune,
        timed=steps,
        traced=True,
        work=float(sequence * batch),
        unit="tokens/s",
    )


def _check(given: dict[str, int]) -> None:
    """Raises where a size is none, or cannot be cut into so many pieces."""
    for name, value in given.items():
        if name in SWITCHES and value > 1:
            raise ApplicationError(f"gpt: {name} must be 0 or 1, not {value}")
        if value < 1 and name not in (*SWITCHES, "recompute", "shards", "prune"):
            raise ApplicationError(f"gpt: {name} must be at least 1")
    if given["recompute"] not in (NOTHING, SELECTIVE, FULL):
        raise ApplicationError("gpt: recompute must be 0 (nothing), 1 (attention) or 2 (layers)")
    if given["shards"] not in (NONE, STATE, GRADIENTS):
        raise ApplicationError("gpt: shards must be 0 (nothing), 1 (state) or 2 (gradients, too)")
    if given["element_bytes"] not in RATES:
        raise ApplicationError("gpt: element_bytes must be 1 (fp8), 2 (bf16) or 4 (tf32)")
    _check_tensors(given)
    _check_launches(given)


def _check_tensors(given: dict[str, int]) -> None:
    heads, units, pieces = given["heads"], given["feed_forward"], given["tensor_pieces"]
    if given["hidden"] % heads or heads % given["key_heads"]:
        raise ApplicationError(
            f"gpt: {heads} heads must divide the width of {given['hidden']}, and be a multiple of "
            f"the {given['key_heads']} heads of keys"
        )
    if heads % pieces or units % pieces:
        raise ApplicationError(
            f"gpt: {heads} heads and {units} units of the MLP cannot be cut into {pieces} tensor "
            "pieces; take a number that divides both"
        )


def _check_launches(given: dict[str, int]) -> None:
    parts = given["stages"] * given["chunks"] * given["blocks"]
    if parts > given["layers"]:
        raise ApplicationError(
            f"gpt: {given['layers']} layers cannot be cut into {given['stages']} stages of "
            f"{given['chunks']} chunks of {given['blocks']} blocks; take fewer"
        )
    together = given["batch_pieces"] * given["micro_batch"]
    micros, rest = divmod(given["batch"], together)
    if rest:
        raise ApplicationError(
            f"gpt: a batch of {given['batch']} is no multiple of {given['batch_pieces']} pieces "
            f"of {given['micro_batch']} sequences; take a multiple of {together}"
        )
    if given["chunks"] > 1 and micros % given["stages"]:
        raise ApplicationError(
            f"gpt: with several chunks a stage, the {micros} micro-batches must be a multiple of "
            f"the {given['stages']} stages"
        )
    launches = 4 * parts * micros
    if launches > MOST_LAUNCHES:
        raise ApplicationError(
            f"gpt: a step of {launches:,} launches is too long: at most {MOST_LAUNCHES:,}; take "
            "fewer blocks, or larger micro-batches"
        )
