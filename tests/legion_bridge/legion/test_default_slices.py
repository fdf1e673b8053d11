"""How launches without a map are sliced: by Legion's own default mapper, and by ours."""

from __future__ import annotations

import subprocess
from itertools import product

import numpy as np
import pytest

from dsl.launch_domain import LaunchDomain
from legion_bridge.mapping.launch_decisions import sharding_and_slicing
from tests.legion_bridge.real_legion import legion_or_skip

from .probe_runs import built

COUNTS = (1, 2, 3, 4, 6, 8, 16)
EXTENTS = [
    *product(range(1, 14)),
    *product(range(1, 8), repeat=2),
    *product((1, 2, 3, 5), (1, 4, 7), (1, 2, 6)),
]


@pytest.mark.long
def test_slices_are_those_of_the_default_mapper() -> None:
    environment = legion_or_skip().environment()
    program = built("slices")
    cases = [(count, extents) for count in COUNTS for extents in EXTENTS]
    lines = "".join(f"{count} {' '.join(map(str, extents))}\n" for count, extents in cases)
    ran = subprocess.run(
        [program], input=lines, env=environment, capture_output=True, text=True, check=True
    )
    answers = ran.stdout.splitlines()
    assert len(answers) == len(cases)
    for (count, extents), answer in zip(cases, answers, strict=True):
        domain = LaunchDomain(extents, (0,) * len(extents))
        ours = sharding_and_slicing(domain, 1, count)[1]
        assert ours.tolist() == np.array(answer.split(), np.int64).tolist(), (count, extents)
