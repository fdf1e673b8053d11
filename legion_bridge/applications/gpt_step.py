"""The launches of a language model's training step: what each does, and with which data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from dsl.facts import Privilege
from legion_bridge.applications.building import Use, WorkOptions, launch
from legion_bridge.applications.gpt_data import BUFFERS, GRADIENTS, STATE_BYTES, Cut, Data
from legion_bridge.applications.gpt_model import FULL, SELECTIVE
from legion_bridge.applications.gpt_schedule import Pass
from legion_bridge.programs.application import Launch

__all__ = ["RATES", "StepWriter"]

RATES = {1: "fp8", 2: "bf16", 4: "tf32"}
"""The rate of matrix products by the bytes of an element."""
FORWARD_PASSES, BACKWARD_PASSES = 2.0, 3.0
"""How often each byte of activations is streamed between products: written and read; and the
gradient written and read, and the activation read."""
BESIDE_STATE = 34
"""Bytes a parameter that the optimizer streams beside state, weight and gradient: the gradient is
widened to 32 bits, unscaled, its norm is taken, it is clipped, read by Adam and cleared, and the
weight is narrowed, each by a kernel of its own (Megatron-LM, ``megatron/optimizer``)."""


ADDING = ("backward", "backward_sum", "loss", "embed_backward")
"""Tasks that add to gradients."""


class StepWriter:
    """Writes the launches; those that differ in their micro-batch alone share all they hold."""

    def __init__(self, cut: Cut, data: Data) -> None:
        self.cut = cut
        self.data = data
        self.rate = RATES[cut.bytes]
        model, pieces = cut.model, cut.tensor_pieces
        self.side = min(cut.tokens, model.hidden // pieces, model.feed_forward // pieces)
        self._weight_bytes = cut.bytes * cut.most_layers * model.layer_parameters / pieces
        self._vocabulary_bytes = cut.bytes * model.embedding_parameters / pieces
        self._known: dict[tuple[object, ...], Launch] = {}

    def setup(self) -> Iterator[Launch]:
        """Weights and state take their places."""
        for chunk, kind, block in self._all_parameters():
            uses = [
                self.data.own(kind, "weights", "WRITE_ONLY", block, self.cut.bytes),
                self.data.own(kind, "state", "WRITE_ONLY", block, STATE_BYTES),
            ]
            task = "initialize" if kind == "layer" else "initialize_vocabulary"
            yield self._launch(task, uses, None, chunk)

    def step(self, passes: Sequence[Pass]) -> Iterator[Launch]:
        """A training step: nothing is updated before the norm of all gradients is known."""
        last: dict[tuple[str, int], int] = {}
        number = 0
        for each in passes:
            for made in self._forward(each) if each.forward else self._backward(each):
                if made.task in ADDING:
                    last[made.task, each.chunk] = number
                yield made
                number += 1
        yield launch("norm", (1, 1, 1, 1), after=tuple(last.values()))
        for chunk, kind, block in self._all_parameters():
            yield replace(self._update(chunk, kind, block), after=(number,))

    def _all_parameters(self) -> Iterator[tuple[int, str, int]]:
        """Chunk, kind and number of every block of parameters, the last layers first."""
        last = self.cut.all_chunks - 1
        yield last, "vocabulary", 1
        for block in reversed(range(self.cut.all_blocks)):
            yield block // self.cut.blocks, "layer", block
        yield 0, "vocabulary", 0

    def _launch(
        self, task: str, uses: list[Use], work: WorkOptions | None, chunk: int, micro: int = 0
    ) -> Launch:
        made = launch(task, self.data.domain, uses, work)
        return replace(made, lower=(chunk, micro, 0, 0))

    def _again(self, key: tuple[object, ...], micro: int, make: Callable[[], Launch]) -> Launch:
        """A launch like an earlier one but for its micro-batch."""
        if key not in self._known:
            self._known[key] = make()
        known = self._known[key]
        return replace(known, lower=(known.lower[0], micro, 0, 0))

    def _products(self, flops: int, kernels: int) -> WorkOptions:
        share = np.full(self.data.domain[2] * self.data.domain[3], flops / self.cut.tensor_pieces)
        return {"flops": share, "rate": self.rate, "kernels": kernels, "side": self.side}

    def _streams(self, layers: int, passes: float) -> float:
        """Bytes that a pass of some layers streams between its products."""
        return passes * layers * self.cut.tokens * self.cut.activations(scores=True)

    # Passes

    def _forward(self, each: Pass) -> Iterator[Launch]:
        cut, (chunk, micro, _, slot), buffer = self.cut, each, each.micro % BUFFERS
        if chunk == 0:
            yield self._again(("embed", buffer), micro, partial(self._embed, buffer))
        for block in range(chunk * cut.blocks, (chunk + 1) * cut.blocks):
            yield self._again(
                ("forward", block, buffer, slot),
                micro,
                partial(self._multiply, chunk, block, buffer, slot),
            )
            yield self._again(
                ("forward_sum", block, buffer),
                micro,
                partial(self._add_up, chunk, block, buffer),
            )
        if chunk == cut.all_chunks - 1:
            yield self._again(("loss", buffer), micro, partial(self._loss, chunk, buffer))
            yield self._again(("loss_sum", buffer), micro, partial(self._loss_sum, chunk, buffer))

    def _backward(self, each: Pass) -> Iterator[Launch]:
        cut, (chunk, micro, _, slot), buffer = self.cut, each, each.micro % BUFFERS
        for block in reversed(range(chunk * cut.blocks, (chunk + 1) * cut.blocks)):
            yield self._again(
                ("backward", block, buffer, slot),
                micro,
                partial(self._multiply_back, chunk, block, buffer, slot),
            )
            yield self._again(
                ("backward_sum", block, buffer),
                micro,
                partial(self._add_up_back, chunk, block, buffer),
            )
            if cut.shards == GRADIENTS:
                make = partial(self._sum_gradients, chunk, block)
                yield self._again(("gradient_sum", block), micro, make)
        if chunk == 0:
            yield self._again(
                ("embed_backward", buffer), micro, partial(self._embed_backward, buffer)
            )

    def _embed(self, buffer: int) -> Launch:
        data = self.data
        uses = [
            data.weights("vocabulary", 0),
            data.slice("WRITE_ONLY", data.handed("x", 0, buffer)),
            data.workspace(2 * self.cut.tokens * self.cut.model.hidden * self.cut.bytes),
        ]
        return self._launch("embed", uses, {"kernels": 2}, 0)

    def _multiply(self, chunk: int, block: int, buffer: int, slot: int) -> Launch:
        data, layers, stage = self.data, self.cut.layers_of(block), chunk % self.cut.stages
        uses = [
            data.rows("READ_ONLY", data.handed("x", block, buffer)),
            data.weights("layer", block, self._weight_bytes),
            data.kept("WRITE_ONLY", block, slot),
            *data.inner("inner_sums", "REDUCE", stage),
            data.rows("REDUCE", f"s{stage}"),
            data.workspace(),
        ]
        flops = layers * self.cut.model.layer_flops(self.cut.tokens)
        return self._launch("forward", uses, self._products(flops, 8 * layers), chunk)

    def _add_up(self, chunk: int, block: int, buffer: int) -> Launch:
        data, layers, stage = self.data, self.cut.layers_of(block), chunk % self.cut.stages
        uses = [
            *data.inner("inner_sums", "READ_ONLY", stage),
            data.slice("READ_WRITE", f"s{stage}"),
            data.slice("WRITE_ONLY", data.handed("x", block + 1, buffer)),
            data.workspace(self._streams(layers, FORWARD_PASSES)),
        ]
        return self._launch("forward_sum", uses, {"kernels": 8 * layers}, chunk)

    def _loss(self, chunk: int, buffer: int) -> Launch:
        data, cut, stage = self.data, self.cut, chunk % self.cut.stages
        uses = [
            data.rows("READ_ONLY", data.handed("x", cut.all_blocks, buffer)),
            data.weights("vocabulary", 1, self._vocabulary_bytes),
            data.gradients("vocabulary", 1),
            data.rows("REDUCE", f"s{stage}"),
            data.workspace(),
        ]
        return self._launch(
            "loss", uses, self._products(cut.model.logit_flops(cut.tokens), 10), chunk
        )

    def _loss_sum(self, chunk: int, buffer: int) -> Launch:
        """Softmax and cross entropy, which go over the logits in 32 bits."""
        data, cut, stage = self.data, self.cut, chunk % self.cut.stages
        logits = cut.tokens * cut.model.vocabulary // cut.tensor_pieces
        uses = [
            data.slice("READ_WRITE", f"s{stage}"),
            data.slice("WRITE_ONLY", data.handed("dx", cut.all_blocks, buffer)),
            data.workspace(4 * (FORWARD_PASSES + BACKWARD_PASSES) * logits),
        ]
        return self._launch("loss_sum", uses, {"kernels": 6}, chunk)

    def _multiply_back(self, chunk: int, block: int, buffer: int, slot: int) -> Launch:
        data, cut, stage = self.data, self.cut, chunk % self.cut.stages
        layers = cut.layers_of(block)
        uses = [
            data.rows("READ_ONLY", data.handed("dx", block + 1, buffer)),
            data.weights("layer", block, self._weight_bytes),
            data.kept("READ_ONLY", block, slot),
            data.gradients("layer", block),
            *data.inner("inner_gradients", "REDUCE", stage),
            data.rows("REDUCE", f"s{stage}"),
            data.workspace(),
        ]
        flops = layers * cut.model.backward_flops(cut.tokens, cut.recompute)
        return self._launch("backward", uses, self._products(flops, 16 * layers), chunk)

    def _add_up_back(self, chunk: int, block: int, buffer: int) -> Launch:
        """What goes over each token by itself, and the gradients of the norms.

        So a stage hands on what it found before its gradients can be added up over the batch
        pieces, as in Megatron-LM: otherwise those of one stage after the other would take the
        links that the next one's begin depends on.
        """
        data, layers, stage = self.data, self.cut.layers_of(block), chunk % self.cut.stages
        uses = [
            *data.inner("inner_gradients", "READ_ONLY", stage),
            data.slice("READ_WRITE", f"s{stage}"),
            data.slice("WRITE_ONLY", data.handed("dx", block, buffer)),
            data.gradients("layer", block),
            data.workspace(self._streams(layers, BACKWARD_PASSES) + self._streamed_again(layers)),
        ]
        return self._launch("backward_sum", uses, {"kernels": 12 * layers}, chunk)

    def _streamed_again(self, layers: int) -> float:
        """Bytes that stream where layers, or their attention, are computed anew."""
        cut = self.cut
        if cut.recompute == FULL:
            return self._streams(layers, FORWARD_PASSES)
        if cut.recompute == SELECTIVE:
            scores = cut.activations(scores=True) - cut.activations(scores=False)
            return FORWARD_PASSES * layers * cut.tokens * scores
        return 0.0

    def _sum_gradients(self, chunk: int, block: int) -> Launch:
        """Gradients of all batch pieces meet, each shard where it is kept."""
        bytes_ = 2 * self.cut.bytes
        uses = [self.data.own("layer", "gradients", "READ_WRITE", block, bytes_)]
        return self._launch("gradient_sum", uses, None, chunk)

    def _embed_backward(self, buffer: int) -> Launch:
        data, cut = self.data, self.cut
        uses = [
            data.rows("READ_ONLY", data.handed("dx", 0, buffer)),
            data.gradients("vocabulary", 0),
            data.workspace(3 * cut.tokens * cut.model.hidden * cut.bytes),
        ]
        return self._launch("embed_backward", uses, {"kernels": 2}, 0)

    def _update(self, chunk: int, kind: str, block: int) -> Launch:
        """Applies the gradients: sums of all batch pieces, or the shard of each."""
        size = self.cut.bytes
        privilege: Privilege = "READ_WRITE" if self.cut.shards else "READ_ONLY"
        uses = [
            self.data.own(kind, "gradients", privilege, block, size),
            self.data.own(kind, "state", "READ_WRITE", block, 2 * STATE_BYTES + BESIDE_STATE),
            self.data.own(kind, "weights", "WRITE_ONLY", block, size),
        ]
        task = "update" if kind == "layer" else "update_vocabulary"
        return self._launch(task, uses, {"kernels": 1}, chunk)
