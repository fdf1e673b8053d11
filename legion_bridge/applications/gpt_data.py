"""The regions of a language model's training step, and how they are cut.

Rows are tokens of a micro-batch, cut into batch pieces, and each of these into as many slices as
there are tensor pieces. Columns are cut by tensor pieces. Weights are a row of parameters, cut by
tensor pieces and, where the optimizer's state is shared out, each of these by batch pieces; else
each batch piece has a copy of weights and state.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsl.facts import Privilege
from legion_bridge.applications.building import Use, even_bounds, grid, partitions_of
from legion_bridge.applications.gpt_model import FULL, NOTHING, SELECTIVE, Model
from legion_bridge.programs.application import Field, Partition, Region, Requirement

__all__ = ["BUFFERS", "GRADIENTS", "NONE", "STATE", "STATE_BYTES", "Cut", "Data"]

Ints = NDArray[np.int64]
STATE_BYTES = 12
"""Of a parameter's state: the weight itself and two moments, each in 32 bits."""
KINDS = ("layer", "vocabulary")
NONE, STATE, GRADIENTS = 0, 1, 2
"""What may be shared out over the batch pieces."""
BUFFERS = 2
"""Of what one launch hands to the next: one is filled while the other is read."""


class Cut(NamedTuple):
    """How a model is trained, and cut into point tasks.

    Attributes:
        model: The model.
        micro: Sequences of a micro-batch, for each batch piece.
        micros: Micro-batches of a step.
        bytes: Of an element of weights and activations.
        recompute: What the backward pass computes anew.
        by_sequence: Whether tensor pieces share out by tokens what they do not by columns.
        scores: Whether scores of the attention are stored at all.
        shards: What is shared out over the batch pieces: ``NONE``, the optimizer's ``STATE``, or
            the ``GRADIENTS`` as well.
        stages, chunks: Pipeline stages, and chunks of layers in each.
        blocks: Launches of a pass through a chunk.
        batch_pieces, tensor_pieces: Points of a launch.
    """

    model: Model
    micro: int
    micros: int
    bytes: int
    recompute: int
    by_sequence: bool
    scores: bool
    shards: int
    stages: int
    chunks: int
    blocks: int
    batch_pieces: int
    tensor_pieces: int

    @property
    def tokens(self) -> int:
        """Tokens of a micro-batch in a batch piece."""
        return self.micro * self.model.sequence

    @property
    def all_chunks(self) -> int:
        """Chunks of layers in all stages."""
        return self.stages * self.chunks

    @property
    def all_blocks(self) -> int:
        """Blocks of layers in all chunks."""
        return self.all_chunks * self.blocks

    def layers_of(self, block: int) -> int:
        """Layers of a block."""
        low, high = even_bounds(self.model.layers, self.all_blocks)[block]
        return int(high - low + 1)

    @property
    def most_layers(self) -> int:
        """Layers of the largest block."""
        return ceil(self.model.layers / self.all_blocks)

    @property
    def inner_sums(self) -> int:
        """Sums of all tensor pieces inside a block's forward pass: two a layer, but the last."""
        return 2 * self.most_layers - 1

    @property
    def inner_gradients(self) -> int:
        """The same of its backward pass; where that computes layers anew, with theirs."""
        return self.inner_sums + (2 * self.most_layers if self.recompute == FULL else 0)

    def activations(self, *, scores: bool) -> float:
        """Bytes of a layer's activations for each token, on a tensor piece."""
        found = self.model.activations(
            self.tensor_pieces, by_sequence=self.by_sequence, scores=scores and self.scores
        )
        return found * self.bytes / 2

    def kept_columns(self) -> int:
        """Elements that a block keeps for each token, on a tensor piece."""
        kept = self.model.kept(
            self.tensor_pieces, self.recompute, by_sequence=self.by_sequence, scores=self.scores
        )
        return ceil(self.most_layers * kept / 2)

    def working_columns(self) -> int:
        """Elements for each token that a tensor piece works in, beside those of its sums.

        It is what is computed anew of one layer. The sums of a block lie beside each other here,
        while a program that sends each as soon as it is there has room for two.
        """
        needed = {
            NOTHING: 0.0,
            SELECTIVE: self.activations(scores=True) - self.activations(scores=False),
            FULL: self.activations(scores=True),
        }[self.recompute]
        more = self.inner_sums + self.inner_gradients - 2 if self.tensor_pieces > 1 else 0
        return max(1, ceil(needed / self.bytes - max(0, more) * self.model.hidden))


class Data:
    """The regions, and what the point ``(b, t)`` of a launch may use of them.

    Args:
        cut: How the model is cut.
        slots: For how many micro-batches at once each chunk keeps activations.
    """

    def __init__(self, cut: Cut, slots: Mapping[int, int]) -> None:
        self.cut = cut
        self.slots = slots
        self.domain = (1, 1, cut.batch_pieces, cut.tensor_pieces)
        self.b, self.t = np.indices(self.domain[2:]).reshape(2, -1)
        self.tile = self.b * cut.tensor_pieces + self.t
        self._piece = {
            "layer": self._parameters(cut.most_layers * cut.model.layer_parameters),
            "vocabulary": self._parameters(cut.model.embedding_parameters),
        }
        of_blocks = np.repeat([slots[chunk] for chunk in range(cut.all_chunks)], cut.blocks)
        self._first_slot = [0, *np.cumsum(of_blocks).tolist()]

    def _parameters(self, count: int) -> int:
        """Parameters of a tensor piece."""
        return ceil(count / self.cut.tensor_pieces)

    # Regions

    def regions(self) -> dict[str, Region]:
        """All regions by name."""
        cut, hidden = self.cut, self.cut.model.hidden
        rows, pieces = cut.batch_pieces * cut.tokens, cut.tensor_pieces
        stages, size = range(cut.stages), cut.bytes
        handed = [
            f"{kind}{number}"
            for kind in ("x", "dx")
            for number in range((cut.all_chunks + 1) * BUFFERS**2)
        ]
        kept = [f"k{number}" for number in range(self._first_slot[-1])]
        found = [
            _region("tokens", (rows, hidden), handed + [f"s{i}" for i in stages], size),
            _region("kept", (rows, pieces * cut.kept_columns()), kept, size),
            _region("workspace", (rows, pieces * cut.working_columns()), ["work"], size),
        ]
        if pieces > 1:
            shapes = {"inner_sums": cut.inner_sums, "inner_gradients": cut.inner_gradients}
            names = [f"y{i}" for i in stages]
            found += [_region(n, (rows, k * hidden), names, size) for n, k in shapes.items()]
        copies = 1 if cut.shards else cut.batch_pieces
        for kind in KINDS:
            row = pieces * self._piece[kind]
            blocks = range(cut.all_blocks if kind == "layer" else 2)
            fields = [[f"{letter}{block}" for block in blocks] for letter in "wgo"]
            found += [
                _region(f"{kind}_weights", (copies, row), fields[0], size),
                _region(f"{kind}_gradients", (1, row), fields[1], size),
                _region(f"{kind}_state", (copies, row), fields[2], STATE_BYTES),
            ]
        return {region.name: region for region in found}

    def partitions(self) -> dict[str, Partition]:
        """All partitions by name."""
        cut, hidden, pieces = self.cut, self.cut.model.hidden, self.cut.tensor_pieces
        extent = cut.batch_pieces * cut.tokens
        rows = even_bounds(extent, cut.batch_pieces)
        slices = even_bounds(extent, cut.batch_pieces * pieces)
        found: dict[str, Partition] = {}

        def add(region: str, **each: Ints) -> None:
            found.update(partitions_of(region, **each))

        wide = even_bounds(hidden, 1)
        add("tokens", token_rows=grid(rows, wide), token_slices=grid(slices, wide))
        for region, width in (
            ("kept", cut.kept_columns()),
            ("workspace", cut.working_columns()),
        ):
            add(region, **{f"{region}_tiles": grid(rows, even_bounds(pieces * width, pieces))})
        if pieces > 1:
            add("inner_sums", sum_rows=grid(rows, even_bounds(cut.inner_sums * hidden, 1)))
            wide = even_bounds(cut.inner_gradients * hidden, 1)
            add("inner_gradients", gradient_rows=grid(rows, wide))
        one = even_bounds(1, 1)
        copies = one if cut.shards else even_bounds(cut.batch_pieces, cut.batch_pieces)
        for kind in KINDS:
            row = pieces * self._piece[kind]
            columns = even_bounds(row, pieces)
            shards = even_bounds(row, pieces * cut.batch_pieces)
            for part in ("weights", "gradients", "state"):
                of = one if part == "gradients" else copies
                names = {f"{kind}_{part}_pieces": grid(of, columns)}
                if cut.shards:
                    names[f"{kind}_{part}_shards"] = grid(of, shards)
                add(f"{kind}_{part}", **names)
        return found

    # What a point uses

    def handed(self, kind: str, block: int, buffer: int) -> str:
        """The field of what enters a block (``"x"``), or of its gradient (``"dx"``).

        The blocks of a chunk take turns: what has entered one is needed no more two blocks later.
        """
        chunk, within = divmod(block, self.cut.blocks)
        return f"{kind}{(chunk * BUFFERS + within % BUFFERS) * BUFFERS + buffer}"

    def rows(self, privilege: Privilege, name: str) -> Use:
        """All tokens of the batch piece."""
        requirement = _requirement(("tokens", "token_rows"), privilege, name)
        return Use(requirement, colors=self.b)

    def slice(self, privilege: Privilege, name: str) -> Use:
        """The tokens of the batch piece that are this tensor piece's."""
        requirement = _requirement(("tokens", "token_slices"), privilege, name)
        return Use(requirement, colors=self.tile)

    def inner(self, region: str, privilege: Privilege, stage: int) -> list[Use]:
        """Sums of all tensor pieces inside a block; nothing where there is one piece."""
        if self.cut.tensor_pieces == 1:
            return []
        partition = {"inner_sums": "sum_rows", "inner_gradients": "gradient_rows"}[region]
        requirement = _requirement((region, partition), privilege, f"y{stage}")
        return [Use(requirement, colors=self.b)]

    def kept(self, privilege: Privilege, block: int, slot: int) -> Use:
        """Activations that are kept for the backward pass."""
        requirement = _requirement(
            ("kept", "kept_tiles"), privilege, f"k{self._first_slot[block] + slot}"
        )
        return Use(requirement, colors=self.tile)

    def workspace(self, traffic: float = 0.0) -> Use:
        """What it works in. Tasks that have it in common run in the order of their launches."""
        requirement = _requirement(("workspace", "workspace_tiles"), "WRITE_ONLY", "work")
        return Use(requirement, traffic, colors=self.tile)

    def weights(self, kind: str, block: int, traffic: float = 0.0) -> Use:
        """The weights of its tensor piece, to be read: all, or its batch piece's copy of them."""
        colors = self.t if self.cut.shards else self.tile
        data = (f"{kind}_weights", f"{kind}_weights_pieces")
        return Use(_requirement(data, "READ_ONLY", f"w{block}"), traffic, colors=colors)

    def gradients(self, kind: str, block: int) -> Use:
        """Their gradients, to be added to."""
        data = (f"{kind}_gradients", f"{kind}_gradients_pieces")
        return Use(_requirement(data, "REDUCE", f"g{block}"), colors=self.t)

    def own(self, kind: str, part: str, privilege: Privilege, block: int, bytes_: float) -> Use:
        """Its share of weights, gradients or state in the update: a shard, or all of its copy.

        Args:
            kind: Of parameters.
            part: ``"weights"``, ``"gradients"`` or ``"state"``.
            privilege: The privilege.
            block: Number of the block.
            bytes_: That move for each parameter.
        """
        region, share = f"{kind}_{part}", self._piece[kind]
        field = {"weights": "w", "gradients": "g", "state": "o"}[part] + str(block)
        if self.cut.shards:
            requirement = _requirement((region, f"{region}_shards"), privilege, field)
            colors = self.t * self.cut.batch_pieces + self.b
            return Use(requirement, bytes_ * share / self.cut.batch_pieces, colors=colors)
        requirement = _requirement((region, f"{region}_pieces"), privilege, field)
        colors = self.t if part == "gradients" else self.tile
        return Use(requirement, bytes_ * share, colors=colors)


def _region(name: str, shape: tuple[int, int], fields: list[str], size: int) -> Region:
    rows, columns = shape
    return Region(name, (0, 0), (rows - 1, columns - 1), tuple(Field(f, size) for f in fields))


def _requirement(data: tuple[str, str], privilege: Privilege, field: str) -> Requirement:
    reduction = "sum<float>" if privilege == "REDUCE" else None
    return Requirement(*data, privilege, (field,), reduction)
