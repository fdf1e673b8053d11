"""What a language model computes and keeps: parameters, operations, bytes of activations.

Operations are those of Narayanan et al. (arXiv 2104.04473, section 5.1), bytes of activations
those of Korthikanti et al. (arXiv 2205.05198, section 4), both written for any width of the MLP,
gated MLPs and fewer heads of keys and values than of queries.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FULL", "NOTHING", "SELECTIVE", "Model"]

NOTHING, SELECTIVE, FULL = 0, 1, 2
"""What the backward pass computes anew: nothing, the core of the attention, whole layers."""

BYTES = 2
"""Of the elements that the formulas of activations are written for."""
BESIDE_PRODUCTS = 10
"""Bytes of activations a token and unit of width beside the sharded products: inputs of the two
norms and of the attention and the MLP, masks of two dropouts (2205.05198, equation 2)."""
SCORES = 5
"""Bytes a token, head and position: output of the softmax, mask and output of its dropout."""


class Model(NamedTuple):
    """A decoder-only transformer.

    Attributes:
        layers, heads, hidden: Layers, heads of attention, width of the activations.
        key_heads: Heads of keys and values; fewer than ``heads`` where queries share them.
        feed_forward: Width of the MLP.
        gated: Whether the MLP has a gate: three matrices in place of two.
        sequence: Tokens in a sequence.
        vocabulary: Tokens that there are.
    """

    layers: int
    heads: int
    hidden: int
    key_heads: int
    feed_forward: int
    gated: bool
    sequence: int
    vocabulary: int

    @property
    def key_width(self) -> float:
        """Widths of the keys and values together, in widths of the activations."""
        return 2 * self.key_heads / self.heads

    @property
    def layer_parameters(self) -> int:
        """Parameters of a layer's matrices."""
        attention = int((2 + self.key_width) * self.hidden**2)
        return attention + (3 if self.gated else 2) * self.hidden * self.feed_forward

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding, and as many of the layer that gives the logits."""
        return self.vocabulary * self.hidden

    def attention_flops(self, tokens: int) -> int:
        """Operations of queries with keys, and of scores with values, in a layer."""
        return 4 * tokens * self.sequence * self.hidden

    def layer_flops(self, tokens: int) -> int:
        """Operations of a layer's forward pass."""
        return 2 * tokens * self.layer_parameters + self.attention_flops(tokens)

    def backward_flops(self, tokens: int, recompute: int) -> int:
        """Operations of a layer's backward pass, with what it computes anew."""
        again = {
            NOTHING: 0,
            SELECTIVE: self.attention_flops(tokens),
            FULL: self.layer_flops(tokens),
        }
        return 2 * self.layer_flops(tokens) + again[recompute]

    def logit_flops(self, tokens: int) -> int:
        """Operations of the logits, forward and backward."""
        return 6 * tokens * self.embedding_parameters

    def flops(self, tokens: int, recompute: int) -> int:
        """Operations of a step (2104.04473, equation 3, where ``recompute`` is ``FULL``)."""
        layer = self.layer_flops(tokens) + self.backward_flops(tokens, recompute)
        return self.layers * layer + self.logit_flops(tokens)

    def activations(self, pieces: int, *, by_sequence: bool, scores: bool) -> float:
        """Bytes of a layer's activations, for each token, on each of the tensor pieces.

        Args:
            pieces: Tensor pieces.
            by_sequence: Whether what the pieces do not share out by heads and units they share
                out by tokens (sequence parallelism).
            scores: Whether scores of the attention are among them.
        """
        products = BYTES * ((2 + self.key_width) * self.hidden)
        products += BYTES * (3 if self.gated else 2) * self.feed_forward
        beside = BESIDE_PRODUCTS * self.hidden / (pieces if by_sequence else 1)
        core = SCORES * self.heads * self.sequence if scores else 0
        return beside + (products + core) / pieces

    def kept(self, pieces: int, recompute: int, *, by_sequence: bool, scores: bool) -> float:
        """Those of them that are kept for the backward pass."""
        if recompute == FULL:
            return BYTES * self.hidden / (pieces if by_sequence else 1)
        scores = scores and recompute == NOTHING
        return self.activations(pieces, by_sequence=by_sequence, scores=scores)
