"""The language model: its operations, bytes, pieces, order, and what flows between its tasks."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from itertools import product

import numpy as np
import pytest

import dsl
from legion_bridge import Application, ApplicationError, Evaluator, Machine
from legion_bridge.applications.gpt_model import FULL, NOTHING, SELECTIVE, Model
from legion_bridge.applications.gpt_schedule import most_slots, one_forward_one_backward
from legion_bridge.programs.data_flow import data_flow

SMALL = {"layers": 4, "hidden": 64, "heads": 4, "sequence": 32, "vocabulary": 256}
GPT3 = Model(96, 96, 12288, 96, 4 * 12288, False, 2048, 51200)


def flops(gpt: Application) -> float:
    return float(sum(launch.work.flops.sum() for launch in gpt.loop))


def test_operations_are_those_of_the_formula() -> None:
    """Equation 3 of arXiv 2104.04473, with all layers computed anew."""
    gpt = Application.load("gpt", **SMALL, batch=8, recompute=FULL)
    h, layers, s, v = (SMALL[k] for k in ("hidden", "layers", "sequence", "vocabulary"))
    expected = 96 * 8 * s * layers * h**2 * (1 + s / (6 * h) + v / (16 * layers * h))
    assert flops(gpt) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("recompute", "passes"), [(NOTHING, 3.0), (SELECTIVE, 3.0), (FULL, 4.0)])
def test_a_pass_computed_anew_is_one_more(recompute: int, passes: float) -> None:
    tokens = GPT3.sequence
    attention = GPT3.attention_flops(tokens) if recompute == SELECTIVE else 0
    found = GPT3.flops(tokens, recompute) - GPT3.logit_flops(tokens)
    assert found == GPT3.layers * (passes * GPT3.layer_flops(tokens) + attention)


@pytest.mark.parametrize(
    ("cut", "same"),
    [
        ({"batch_pieces": 4, "tensor_pieces": 1}, {"batch_pieces": 1, "tensor_pieces": 4}),
        ({"stages": 1}, {"stages": 4}),
        ({"stages": 2, "blocks": 2}, {"stages": 2, "chunks": 2}),
        ({"layers": 7, "stages": 1}, {"layers": 7, "stages": 3}),
    ],
)
def test_pieces_do_all_the_work(cut: dict[str, int], same: dict[str, int]) -> None:
    first, second = (Application.load("gpt", **SMALL | sizes, batch=8) for sizes in (cut, same))
    assert flops(first) == pytest.approx(flops(second), rel=1e-12)


def test_activations_are_those_of_the_formulas() -> None:
    """Equations 1 to 6 of arXiv 2205.05198, for each token, with 8 tensor pieces."""
    h, scores = 12288, 5 * 96 * 2048

    def kept(recompute: int, pieces: int, *, by_sequence: bool = False) -> float:
        return GPT3.kept(pieces, recompute, by_sequence=by_sequence, scores=True)

    assert kept(NOTHING, 1) == 34 * h + scores
    assert kept(NOTHING, 8) == 10 * h + 24 * h / 8 + scores / 8
    assert kept(NOTHING, 8, by_sequence=True) == (34 * h + scores) / 8
    assert kept(SELECTIVE, 8, by_sequence=True) == 34 * h / 8
    assert kept(FULL, 8) == 2 * h


def test_parameters_are_those_of_the_models() -> None:
    """GPT-3 has 174.6 billion (2104.04473, table 2), Llama 3 405 billion (2407.21783)."""
    llama = Model(126, 128, 16384, 8, 53248, True, 8192, 128_256)
    for model, expected, embeddings in ((GPT3, 174.6e9, 1), (llama, 405e9, 2)):
        found = model.layers * model.layer_parameters + embeddings * model.embedding_parameters
        assert found == pytest.approx(expected, rel=0.003)


@pytest.mark.parametrize(
    ("stages", "chunks", "micros"), [(1, 1, 3), (4, 1, 2), (4, 1, 9), (3, 2, 6)]
)
def test_each_pass_comes_after_those_that_it_needs(stages: int, chunks: int, micros: int) -> None:
    last, done = stages * chunks - 1, set[tuple[int, int, bool]]()
    for chunk, micro, forward, _ in one_forward_one_backward(stages, chunks, micros):
        assert (chunk, micro, forward) not in done
        if forward:
            assert chunk == 0 or (chunk - 1, micro, True) in done
        else:
            assert (chunk, micro, True) in done
            assert chunk == last or (chunk + 1, micro, False) in done
        done.add((chunk, micro, forward))
    assert len(done) == 2 * (last + 1) * micros


def test_a_stage_keeps_no_more_micro_batches_than_there_are_stages_behind_it() -> None:
    """The point of 1F1B (2104.04473, section 2.2.1)."""
    assert most_slots(one_forward_one_backward(4, 1, 16)) == {0: 4, 1: 3, 2: 2, 3: 1}


def test_no_two_micro_batches_under_way_have_one_place() -> None:
    held: dict[tuple[int, int], int] = {}
    for chunk, micro, forward, slot in one_forward_one_backward(3, 2, 6):
        if forward:
            assert (chunk, slot) not in held
            held[chunk, slot] = micro
        else:
            assert held.pop((chunk, slot)) == micro
    assert not held


def test_launches_have_chunk_micro_batch_and_pieces_as_coordinates() -> None:
    gpt = Application.load("gpt", **SMALL, stages=2, batch_pieces=2, tensor_pieces=4, batch=6)
    assert all(x.domain == (1, 1, 2, 4) for x in gpt.launches() if x.task != "norm")
    forward = [launch.lower[:2] for launch in gpt.loop if launch.task == "forward"]
    assert Counter(forward) == Counter(product(range(2), range(3)))
    assert Counter(launch.task for launch in gpt.loop) == {
        **dict.fromkeys(("forward", "forward_sum", "backward", "backward_sum"), 6),
        **dict.fromkeys(("embed", "embed_backward", "loss", "loss_sum"), 3),
        **dict.fromkeys(("update", "update_vocabulary"), 2),
        "norm": 1,
    }


def test_tensor_pieces_are_summed_and_batch_pieces_meet_in_the_gradients() -> None:
    gpt = Application.load("gpt", **SMALL, batch_pieces=2, tensor_pieces=2)
    forward, backward = (
        next(launch for launch in gpt.loop if launch.task == task)
        for task in ("forward", "backward")
    )

    def reduced(launch: object) -> dict[str, list[int]]:
        return {
            requirement.region: np.asarray(colors).tolist()
            for requirement, colors in zip(launch.requirements, launch.colors, strict=True)  # type: ignore[attr-defined]
            if requirement.privilege == "REDUCE"
        }

    by_batch, by_tensor = [0, 0, 1, 1], [0, 1, 0, 1]
    assert reduced(forward) == {"inner_sums": by_batch, "tokens": by_batch}
    assert reduced(backward) == {
        "inner_gradients": by_batch,
        "tokens": by_batch,
        "layer_gradients": by_tensor,
    }


@pytest.mark.parametrize("shards", [0, 1, 2])
def test_gradients_reach_the_weights_of_the_next_step(shards: int) -> None:
    gpt = Application.load("gpt", **SMALL, batch_pieces=2, shards=shards)
    flows = {(f.source, f.target, f.next_iteration) for f in data_flow(gpt)}
    assert {
        ("gradient_sum" if shards == 2 else "backward", "update", False),
        ("loss", "update_vocabulary", False),
        ("embed_backward", "update_vocabulary", False),
        ("update", "forward", True),
        ("update", "backward", True),
        ("forward", "backward", False),
        ("forward_sum", "forward", False),
        ("backward_sum", "backward", False),
    } <= flows


def bytes_of(gpt: Application, *regions: str) -> int:
    return sum(
        region.field_bytes([field.name for field in region.fields])
        * int(np.prod([b - a + 1 for a, b in zip(region.lower, region.upper, strict=True)]))
        for name, region in gpt.regions.items()
        if name in regions
    )


def test_shards_keep_the_state_once() -> None:
    """16 bytes a parameter and copy, or once for all batch pieces (ZeRO, arXiv 1910.02054)."""
    kinds = [f"{kind}_{part}" for kind in ("layer", "vocabulary") for part in ("weights", "state")]
    whole, shared = (
        bytes_of(Application.load("gpt", **SMALL, batch_pieces=4, shards=shards), *kinds)
        for shards in (0, 1)
    )
    parameters = 4 * 12 * 64**2 + 2 * 256 * 64
    assert whole == 4 * shared
    assert shared == parameters * (2 + 12)


def iteration(machine: str = "h100x8", mapper: str = "expert", **sizes: int) -> float | None:
    gpt = Application.load("gpt", **sizes)
    evaluator = Evaluator(gpt, Machine.load(machine, nodes=sizes.get("nodes", 1)))
    return evaluator.evaluate(dsl.parse(gpt.mappers[mapper])).iteration


LARGE = {"layers": 8, "hidden": 4096, "heads": 32, "sequence": 1024, "vocabulary": 512}
LARGE |= {"steps": 1, "prune": 0}


def test_a_pipeline_has_bubbles() -> None:
    """With m micro-batches on p stages a step takes as long as m + p - 1 of them."""
    few, many = (
        iteration(**LARGE, tensor_pieces=1, stages=4, batch=batch, recompute=FULL)
        for batch in (8, 32)
    )
    assert few is not None
    assert many is not None
    one = (many - few) / (32 - 8)
    assert 8 + 3 < few / one < 8 + 5  # the update is in it, too


def test_chunks_shorten_the_bubble() -> None:
    sizes = LARGE | {"tensor_pieces": 1, "stages": 4, "batch": 4, "recompute": FULL}
    one, two = iteration(**sizes), iteration(**sizes, chunks=2)
    assert one is not None
    assert two is not None
    assert two < 0.9 * one


def test_the_default_mapper_leaves_gpus_idle_that_the_expert_uses() -> None:
    expert, default = (iteration(mapper=mapper, **LARGE) for mapper in ("expert", "default"))
    assert expert is not None
    assert default is not None
    assert expert < default


@pytest.mark.parametrize(("recompute", "runs"), [(NOTHING, False), (FULL, True)])
def test_what_does_not_fit_fails(recompute: int, runs: bool) -> None:
    """22 billion parameters on 8 GPUs of 80 GB: 104 GB without, 54 with computing anew."""
    sizes = {"layers": 48, "hidden": 6144, "heads": 64, "sequence": 2048, "batch": 4}
    cut = {"micro_batch": 4, "tensor_pieces": 8, "stages": 1, "blocks": 24, "steps": 1, "prune": 0}
    found = iteration("a100x8", **sizes, **cut, recompute=recompute, sequence_parallel=0)
    assert (found is not None) == runs


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"layers": 3, "stages": 4}, "take fewer"),
        ({"heads": 4, "tensor_pieces": 3}, "a number that divides both"),
        ({"heads": 5}, "must divide the width"),
        ({"batch": 9, "batch_pieces": 2}, "take a multiple of 2"),
        ({"batch": 9, "stages": 2, "chunks": 2}, "must be a multiple of the 2 stages"),
        ({"recompute": 3}, "recompute must be 0"),
        ({"element_bytes": 3}, "element_bytes must be 1"),
        ({"shards": 3}, "shards must be 0"),
        ({"flash": 2}, "flash must be 0 or 1"),
        ({"layers": 0}, "layers must be at least 1"),
        ({"batch": 400_000}, "fewer blocks"),
    ],
)
def test_what_cannot_be_cut_is_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ApplicationError, match=message):
        Application.load("gpt", **SMALL | sizes)


TEMPLATE = dsl.Template(
    (files("legion_bridge.applications") / "mappers" / "gpt.template").read_text(encoding="utf-8")
)


def test_the_template_holds_the_experts_plan_and_data_parallelism() -> None:
    gpt = Application.load("gpt", **SMALL, stages=4, batch_pieces=4, nodes=4)
    shape = Machine.load("h100x8", nodes=4).shape

    def places(text: str) -> list[list[int]]:
        mapper = dsl.load(dsl.parse(text), shape)
        return [
            mapper.index_map(x.task, "GPU", x.domain, lower=x.lower).ravel().tolist()
            for x in gpt.loop
        ]

    plans = {"tensor": "2", "stages": "4"}, {"tensor": "1", "stages": "1"}
    expert, alone = (places(TEMPLATE.render({**TEMPLATE.defaults(), **plan})) for plan in plans)
    assert expert == places(gpt.mappers["expert"])
    used = {pair for each in alone for pair in zip(each[::2], each[1::2], strict=True)}
    assert len(used) == 4


def test_collected_weights_need_less_room() -> None:
    """22 billion parameters on 8 GPUs: 45 GB of weights a GPU, and as much of gradients."""
    sizes = {"layers": 48, "hidden": 6144, "heads": 64, "sequence": 256, "stages": 1, "blocks": 16}
    cut = {"tensor_pieces": 1, "batch_pieces": 8, "batch": 8, "shards": 2, "steps": 1, "prune": 0}
    gpt = Application.load("gpt", **sizes, **cut)
    evaluator = Evaluator(gpt, Machine.load("a100x8"))
    plan = {**TEMPLATE.defaults(), "tensor": "1"}
    runs = [
        evaluator.evaluate(dsl.parse(TEMPLATE.render({**plan, "weights": weights}))).ok
        for weights in ("none", "layer_weights_pieces")
    ]
    assert runs == [False, True]


def test_nothing_is_updated_before_all_gradients_are_there() -> None:
    gpt = Application.load("gpt", **SMALL, stages=2, blocks=2, batch=3)
    norm = next(number for number, launch in enumerate(gpt.loop) if launch.task == "norm")
    waited = {(gpt.loop[n].task, gpt.loop[n].lower[0]) for n in gpt.loop[norm].after}
    layers = {(task, chunk) for task in ("backward", "backward_sum") for chunk in (0, 1)}
    assert waited == {*layers, ("loss", 1), ("embed_backward", 0)}
    assert all(gpt.loop[n].lower[1] == 2 for n in gpt.loop[norm].after)
    assert [x.after for x in gpt.loop[norm + 1 :]] == [(norm,)] * 6


def test_sums_of_gradients_hold_up_no_other_stage() -> None:
    """What a stage hands on goes before its gradients, so that the stages' sums are at once."""

    def seconds(stages: int, pieces: int) -> float:
        cut = {"stages": stages, "tensor_pieces": 8, "batch_pieces": pieces}
        gpt = Application.load(
            "gpt", nodes=stages * pieces, layers=stages, hidden=16384, heads=32, sequence=512,
            vocabulary=1024, batch=stages * pieces, steps=1, prune=0, **cut,
        )  # fmt: skip
        machine = Machine.load("a100x8-nccl", nodes=stages * pieces)
        outcome = Evaluator(gpt, machine).evaluate(dsl.parse(gpt.mappers["expert"]))
        assert outcome.iteration is not None
        return outcome.iteration

    of_two, of_four = (seconds(stages, 2) - seconds(stages, 1) for stages in (2, 4))
    assert of_four == pytest.approx(of_two, rel=0.01)
