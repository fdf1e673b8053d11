"""What the first request tells of each program, and how long a study's requests are."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest

from legion_bridge import Application, Machine, application_names
from tests.tuners.llm.scripted import Scripted
from tuners import LLMSampler, MapperProblem, attributes
from tuners.llm.prompts.briefing import describe_program
from tuners.llm.prompts.machine import describe_machine, describe_runtime
from tuners.llm.prompts.manual import brief_manual, manual_for

PROPOSALS = 10
# Tokens of a study of ten proposals in the encoding o200k_base; before, circuit's took 83,000 and
# pennant's 168,000, as conversations that held all that had been said.
MOST_TOKENS = {"circuit": 35_000, "pennant": 60_000, "gpt": 58_000}
OTHERS = 48_000


@pytest.fixture(scope="module")
def tokens() -> Callable[[str], int]:
    """Counts tokens by o200k_base, which litellm brings along; an estimate where it is not there.

    The estimate is a token for each 3.1 characters, as measured on these prompts.
    """
    found = importlib.util.find_spec("litellm")
    folders = found.submodule_search_locations if found else None
    if not folders or importlib.util.find_spec("tiktoken") is None:
        return lambda text: round(len(text) / 3.1)
    import tiktoken

    folder = str(Path(folders[0], "litellm_core_utils", "tokenizers"))  # litellm takes seconds
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = folder
    try:
        encoding = tiktoken.get_encoding("o200k_base")
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def told(name: str, machine: str = "p100x4", **sizes: int) -> str:
    return describe_program(Application.load(name, **sizes), Machine.load(machine))


REASONS = (
    "The time goes to arithmetic on the GPUs, which run at the same pieces in every task. What is "
    "left are small exchanges between neighbours, and starting tasks. I keep the placement and "
    "see whether points that are held back a little let copies run beside the tasks, where they "
    "wait for nothing. All else stays as it is; nothing moves that did not move before.\n\n"
)
ALL_IN_FRAME_BUFFERS = "Region * * GPU FBMEM;\nRegion * * CPU SYSMEM;"


def proposals(application: Application) -> list[str]:
    """An expert's mapper, and revisions as strong models made them: ten in all."""
    tasks = list(dict.fromkeys(launch.task for launch in application.loop))
    limits = [f"InstanceLimit {task} {most};" for most in (4, 8, 16, 32, 64) for task in tasks]
    second = [ALL_IN_FRAME_BUFFERS] if application.name in ("circuit", "pennant") else []
    texts = [application.mappers["expert"], *second, *limits]
    return [f"{REASONS}```mapper\n{text}\n```" for text in texts[:PROPOSALS]]


SLOW = ("pennant", "transformer")
NAMES = [
    pytest.param(name, marks=pytest.mark.long) if name in SLOW else name
    for name in application_names()
]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_of_ten_proposals_is_short(name, tokens):
    problem = MapperProblem(Application.load(name), Machine.load("p100x4"))
    replies = proposals(problem.application)
    model = Scripted(replies)
    sampler = LLMSampler(problem, model=model, seed=0, fallback="random", repairs=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=PROPOSALS)
    assert [trial.user_attrs[attributes.PROPOSER] for trial in study.trials] == ["model"] * 10
    asked = [message.content for request in model.requests for message in request.messages]
    assert sum(map(tokens, [*asked, *replies])) < MOST_TOKENS.get(name, OTHERS)


def test_a_program_is_told_in_its_order_with_what_is_timed():
    text = told("cannon")
    lines = [line.strip() for line in text.splitlines()]
    order = [line.split(":")[0] for line in lines if line.startswith(("task_", "taco_fill"))]
    assert order == [*["taco_fill"] * 3, *(f"task_{number}" for number in (1, 2, 3, 7, 6, 5, 4))]
    fills = [line for line in lines if line.startswith("taco_fill")]
    assert all("not timed" in line for line in fills)
    assert "the program waits for it" in next(line for line in lines if "task_1:" in line)


def test_pieces_are_told_as_formulas():
    text = told("cannon")
    assert "1 B_tile[i, (i+j+s)%2] R 800 MB needs C_order <taco_fill" in text
    assert "2 C_tile[(i+j+s)%2, j] R" in text
    assert "0 A_home[i, j] W 800 MB" in text
    assert "1 B_tile[i, s] R" in told("summa")


@pytest.mark.parametrize("name", ["cannon", "summa", "pumma", "solomonik", "johnson", "cosma"])
@pytest.mark.parametrize("nodes", [1, 4])
def test_formulas_name_the_pieces_that_points_take(name, nodes):
    from tuners.llm.prompts.pieces import Coordinates, piece_formula

    application = Application.load(name, nodes=nodes)
    checked = 0
    for number, launch in enumerate(application.loop):
        coordinates = Coordinates(application.loop, [number])
        for index, requirement in enumerate(launch.requirements):
            colors = launch.colors[index] if launch.colors else None
            if colors is None or requirement.partition is None:
                continue
            formula = piece_formula(application, coordinates, requirement, colors)
            if formula in ("", "[varies]") or " " in formula.replace(", ", ","):
                continue
            parts = [eval(each, {}, coordinates.values) for each in formula[1:-1].split(", ")]  # noqa: S307  (our own)
            bounds = application.piece_bounds(requirement)[:, 0]
            grid = np.array([np.unique(b, return_inverse=True)[1] for b in bounds.T])[:, colors]
            shown = [axis for axis in grid if np.ptp(axis)]
            assert [np.broadcast_to(p, colors.shape).tolist() for p in parts] == [
                axis.tolist() for axis in shown
            ]
            checked += 1
    assert checked


def test_who_made_data_is_told_and_what_is_folded():
    text = told("solomonik")
    assert "0 A_tile[i, j] W 800 MB\n" in text  # what is overwritten comes from nobody
    assert "0 A_tile[i, j] R 800 MB <task_1 <+task_4" in text
    circuit = told("circuit")
    assert "3 rp_shared RW charge,node_voltage 4 kB <+distribute_charge" in circuit
    assert "0 rp_private R node_voltage 198 kB (356 k gathers) <update_voltages'" in circuit
    assert "3 rp_wires R in_ptr,out_ptr,inductance,resistance,wire_cap 6 MB <-" in circuit
    assert "rp_ghost 4 overlapping of 800" in circuit


def test_what_does_not_fit_is_said_before_it_is_tried():
    text = told("circuit", wires=15_500_000, circuit_nodes=500_000)
    assert "does not fit into ZCMEM's 2.15 GB" in text
    assert "does not fit" not in told("circuit")


def test_launches_that_repeat_are_told_once():
    text = told("transformer")
    assert text.count("  mlp_backward:") == 1
    assert "embed, 4 x (residual, attention, residual, mlp), loss, 4 x (" in text


def test_times_are_told_by_kind_of_processor():
    assert "calculate_new_currents: 4 points; CPU 48 s (arithmetic), GPU 41.8 ms" in told(
        "circuit"
    )


def test_a_machine_tells_what_copies_and_scattered_accesses_cost():
    text = describe_machine(Machine.load("p100x4"))
    assert "GPU 11 GB/s (in place: a gather 80 ns, an atomic update 220 ns)" in text
    assert "FBMEM to FBMEM, FBMEM to host, host to FBMEM 12 µs (40 µs)" in text
    lassen = describe_machine(Machine.load("lassen", nodes=8))
    assert "network thread of a rank: 8.7 GB/s and 95 µs a copy" in lassen
    assert "of another node 300 µs (150 µs)" in lassen
    assert "network" not in text


def test_a_runtime_tells_what_statements_do():
    text = describe_runtime(Machine.load("p100x4"), traced=True)
    for word in ("`InstanceLimit`", "`CollectMemory`", "`Align`", "`Exact`", "to the bit"):
        assert word in text
    assert "21 µs a launch" in text
    assert "84 µs a launch" in describe_runtime(Machine.load("p100x4"), traced=False)
    assert "median" in describe_runtime(Machine.load("p100x4"), traced=True, simulated=False)


def test_the_floor_and_the_reference_are_told_at_once(circuit_problem):
    text = circuit_problem.describe()
    assert "No mapper takes less than 41.862 ms an iteration" in text
    assert "The reference (expert) reaches 14.56 Mwires/s." in text


def test_a_manual_has_the_maps_that_a_program_can_use():
    machine = Machine.load("p100x4")
    one, two, three = (manual_for(Application.load(n), machine)
                       for n in ("circuit", "cannon", "johnson"))  # fmt: skip
    assert "def block" in one
    assert "def tiles" not in one
    assert "auto_split" not in one
    assert "def tiles" in two
    assert "def row" not in two
    assert "def row" in three
    assert "def same_point" in two
    assert "def same_point" not in three
    assert "def hierarchical" in manual_for(
        Application.load("cannon", nodes=2), Machine.load("p100x4", nodes=2)
    )


def test_a_brief_manual_still_has_the_language(circuit_problem):
    whole = circuit_problem.language
    brief = brief_manual(whole)
    assert len(brief) < 0.75 * len(whole)
    for section in ("## Statements", "## Functions", "These are silent:"):
        assert section in brief
    assert "```wrong" not in brief


def test_only_what_a_program_can_decide_is_told(circuit_problem):
    space = circuit_problem.space()
    assert "GPU: FBMEM or ZCMEM" in space
    assert "`C_order` and `F_order` are the same" in space
    assert len(space) < 600
