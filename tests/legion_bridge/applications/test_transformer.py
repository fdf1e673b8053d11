"""The transformer: its passes, its shards, and what flows between them."""

from __future__ import annotations

import numpy as np
import pytest

from legion_bridge.errors import ApplicationError
from legion_bridge.programs.application import Application
from legion_bridge.programs.data_flow import data_flow

HEAVY = {"attention": 2, "mlp": 2, "attention_backward": 4, "mlp_backward": 4}


def test_operations_are_those_of_the_formula() -> None:
    """24 d^2 + 4 s d a token and layer forward, twice that backward."""
    transformer = Application.load("transformer")
    p = transformer.parameters
    d, s, layers = (int(p[key]) for key in ("hidden", "sequence", "layers"))
    forward = sum(
        launch.work.flops.sum()
        for launch in transformer.loop
        if launch.task in {"attention", "mlp"}
    )
    tokens = transformer.work
    assert forward == pytest.approx(layers * tokens * (24 * d**2 + 4 * s * d))
    backward = sum(x.work.flops.sum() for x in transformer.loop if x.task.endswith("_backward"))
    assert backward == pytest.approx(2 * forward)


def test_uneven_pieces_do_all_the_work() -> None:
    sizes = {"hidden": 100, "sequence": 30, "batch": 7, "layers": 2}
    even = Application.load("transformer", **sizes, batch_pieces=1, tensor_pieces=1)
    odd = Application.load("transformer", **sizes, batch_pieces=3, tensor_pieces=7)
    for one, other in zip(even.loop, odd.loop, strict=True):
        assert one.work.flops.sum() == pytest.approx(other.work.flops.sum(), rel=1e-9)


def test_heavy_launches_are_over_batch_and_tensor_pieces() -> None:
    transformer = Application.load("transformer", batch_pieces=2, tensor_pieces=3)
    for launch in transformer.loop:
        if launch.task in HEAVY:
            assert launch.domain == (2, 3)


def test_a_shard_keeps_its_weights_and_shares_its_tokens() -> None:
    transformer = Application.load("transformer", batch_pieces=2, tensor_pieces=3)
    attention = next(x for x in transformer.loop if x.task == "attention")
    tokens, weights, kept, output = (np.asarray(c) for c in attention.colors)
    assert tokens.tolist() == [0, 0, 0, 1, 1, 1]
    assert weights.tolist() == [0, 1, 2, 0, 1, 2]
    assert kept.tolist() == [0, 1, 2, 3, 4, 5]
    assert (output == tokens).all()


def test_outputs_and_gradients_are_reduced() -> None:
    transformer = Application.load("transformer")
    for launch in transformer.loop:
        reduced = {r.region for r in launch.requirements if r.privilege == "REDUCE"}
        if launch.task in {"attention", "mlp"}:
            assert reduced == {"tokens"}
        elif launch.task.endswith("_backward"):
            assert reduced == {"tokens", f"{launch.task.removesuffix('_backward')}_weights"}
        else:
            assert not reduced


def test_gradients_reach_the_weights_of_the_next_step() -> None:
    flows = {
        (f.source, f.target, f.next_iteration) for f in data_flow(Application.load("transformer"))
    }
    assert ("mlp_backward", "update", False) in flows
    assert ("attention_backward", "update", False) in flows
    assert ("update", "attention", True) in flows
    assert ("update", "mlp_backward", True) in flows
    assert ("mlp", "mlp_backward", False) in flows


@pytest.mark.parametrize(
    "sizes", [{"batch": 3, "batch_pieces": 4}, {"hidden": 2, "tensor_pieces": 4}, {"layers": 0}]
)
def test_more_pieces_than_there_is_to_cut_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ApplicationError, match="take fewer pieces"):
        Application.load("transformer", **sizes)
