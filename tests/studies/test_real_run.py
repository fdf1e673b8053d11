"""Programs tuned by runs of them: the machine, the reference, the last comparison."""

from __future__ import annotations

import pytest

import dsl
from legion_bridge import Application
from legion_bridge.outcome import Outcome
from studies.errors import UsageError
from studies.real_run import PairedComparison, RealCase, compare_with_own, machine_of
from studies.references import best_reference

BEST = "Task * CPU;"


class Scripted:
    """Answers with given throughputs, and notes who was run in which order."""

    unit = "runs/s"
    flags = ()
    repeats = 1

    def __init__(self, own: float, mapped: float) -> None:
        self.own, self.mapped = own, mapped
        self.order: list[str] = []

    def evaluate(
        self, program: dsl.Program | None, *, profile: bool = False, enough: object = None
    ) -> Outcome:
        assert not profile
        self.order.append("own" if program is None else "mapped")
        throughput = self.own if program is None else self.mapped
        if not throughput:
            return Outcome("execution_error", 0.0, self.unit, raw="it broke")
        return Outcome("ok", throughput, self.unit)

    sample = evaluate


def test_pairs_are_interleaved_and_each_goes_first_in_turn() -> None:
    runner = Scripted(2.0, 3.0)
    found = compare_with_own(runner, BEST, 6)
    assert runner.order == ["own", "mapped", "mapped", "own"] * 3
    assert found.percent == pytest.approx(50)
    assert found.sentence.startswith("50.0 % faster than its own mapper (95 % interval")


def test_the_interval_leaves_out_what_the_sign_test_allows() -> None:
    nine = PairedComparison((0.5, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 9.0))
    assert nine.percent == pytest.approx(5)
    assert nine.interval == pytest.approx((2, 8))
    assert PairedComparison(nine.ratios[:6]).interval == pytest.approx((-50, 6))


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ((0.9, 1.2, 0.95, 1.1, 1.0, 1.02), "no difference from its own mapper was found: +1.0 %"),
        ((0.8,) * 6, "20.0 % slower than its own mapper"),
    ],
)
def test_what_is_no_gain_is_not_called_one(ratios: tuple[float, ...], said: str) -> None:
    sentence = PairedComparison(ratios).sentence
    assert sentence.startswith(said)
    assert sentence.endswith(": keep that one") == ("slower" in said)


def test_too_few_pairs_and_failures_are_told() -> None:
    with pytest.raises(UsageError, match="5 pairs of runs give no 95 % interval"):
        compare_with_own(Scripted(1.0, 1.0), BEST, 5)
    with pytest.raises(UsageError, match="under the best mapper: it broke"):
        compare_with_own(Scripted(1.0, 0.0), BEST, 6)


def case(runner: Scripted, command: str = "./stencil") -> RealCase:
    return RealCase(
        command=(command,),
        captured=Application.load("stencil"),
        target=machine_of([command, "-ll:cpu", "2"]),
        runner=runner,
    )


def test_the_reference_is_the_programs_own_mapper_run_once() -> None:
    runner = Scripted(2.0, 3.0)
    problem = case(runner).problem()
    assert [best_reference(problem).throughput for _ in range(2)] == [2.0, 2.0]
    assert runner.order == ["own"]
    assert problem.unit == "runs/s"


def test_a_program_that_fails_under_its_own_mapper_is_told() -> None:
    with pytest.raises(UsageError, match="under its own mapper: it broke"):
        best_reference(case(Scripted(0.0, 1.0)).problem())


def test_another_command_is_another_study() -> None:
    assert case(Scripted(1, 1)).name != case(Scripted(1, 1), "./other").name


def test_flags_of_the_command_come_after_those_of_the_environment() -> None:
    assert machine_of(["./a"]).processors["CPU"].count == 1
    assert machine_of(["./a", "-ll:cpu", "4"], "-ll:cpu 2").processors["CPU"].count == 4
    with pytest.raises(UsageError, match="-ll:gpu asks for other processors"):
        machine_of(["./a", "-ll:gpu", "1"])


def test_memories_are_as_large_as_the_flags_say() -> None:
    def sizes(*command: str) -> dict[str, int]:
        return {k: int(m.capacity) >> 20 for k, m in machine_of(command).memories.items()}

    assert sizes("./a") == {"SYSMEM": 512}
    assert sizes("./a", "-ll:csize", "60M", "-ll:rsize", "1g") == {"SYSMEM": 60, "RDMEM": 1024}
    assert sizes("venv/bin/python3.12", "a.py")["SYSMEM"] > 4096  # Legate sizes it
    assert all(memory.whole for memory in machine_of(["./a"]).memories.values())
    with pytest.raises(UsageError, match="-ll:csize much is not a size"):
        machine_of(["./a", "-ll:csize", "much"])
