"""Launches over equal boxes, evaluated together, run where each would run by itself."""

from __future__ import annotations

import pytest

from dsl import Mapper, MapperEvaluationError, load, parse
from dsl.launch_domain import LaunchDomain
from dsl.machine_shape import MachineShape

SHAPE = MachineShape(nodes=4, processors={"GPU": 2})
TOGETHER = {
    "point": "i = t.ipoint; return gpus[(i[0] + i[1]) % 4, i[1] % 2];",
    "lower bound": "return gpus[t.ilower[0] % 4, (t.ipoint[1] - t.ilower[1]) % 2];",
    "extents": "return gpus[t.ipoint[0] % 4, t.ispace[1] % 2];",
    "divided": "i = t.ipoint; return i[0] > 3 ? gpus[i[0] % 4, 0] : gpus[0, i[1] % 2];",
}
ALONE = {
    "printing": 'print("{}", t.ipoint); return gpus[t.ipoint[0] % 4, 0];',
    "failing at some points": "i = t.ipoint; return gpus[i[0] / (i[0] - 5) % 4, 0];",
    "of differing shape": "return t.ipoint[0] > 3 ? (1, 2) : 3;",
}
DOMAINS = [LaunchDomain.box((2, 3), (i, 10 * i)) for i in range(4)]


def mapper(body: str) -> Mapper:
    return load(
        parse(f"gpus = Machine(GPU);\ndef go(Task t) {{ {body} }}\nIndexTaskMap work go;"), SHAPE
    )


def answers(of: Mapper) -> list[object]:
    """What each launch gets; an error is told by its words."""
    found: list[object] = []
    for domain in DOMAINS:
        try:
            found.append(of.launch_map("work", "GPU", domain).tolist())
        except MapperEvaluationError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("body", [*TOGETHER.values(), *ALONE.values()], ids=[*TOGETHER, *ALONE])
def test_launches_get_the_same_together_as_alone(body: str) -> None:
    one, all_ = mapper(body), mapper(body)
    all_.prepare_launches("work", "GPU", DOMAINS)
    assert answers(all_) == answers(one)
    assert all_.printed == one.printed


@pytest.mark.parametrize("body", TOGETHER.values(), ids=TOGETHER)
def test_what_was_prepared_is_known(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = mapper(body)
    known.prepare_launches("work", "GPU", DOMAINS)
    monkeypatch.setattr(Mapper, "_launch", None)
    assert len(answers(known)) == len(DOMAINS)
