"""Plans: what cannot be executed is refused, and sizes follow one number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from legion_bridge import Application, ApplicationError
from legion_bridge.legion.replay_plan import PLAN_VERSION, plan_text
from legion_bridge.legion.scaled import (
    fitted,
    on_cpus,
    scalable_names,
    scaled,
    seconds_of_iteration,
)


@pytest.mark.parametrize("name", scalable_names())
def test_every_application_has_a_plan_at_a_small_size(name: str) -> None:
    application = fitted(name, 0.01)
    words = plan_text(application).split()
    assert words[:3] == ["mappertune-replay", str(PLAN_VERSION), name]
    assert words.count("launches") == 3
    assert words[-1] == "end"
    assert all("CPU" in kind.variants for kind in application.task_kinds.values())
    assert seconds_of_iteration(application) < 0.1


def test_a_domain_of_four_dimensions_is_refused() -> None:
    with pytest.raises(ApplicationError, match="gpt cannot be scaled; take one of circuit"):
        scaled("gpt", 0.1)
    with pytest.raises(ApplicationError, match="is launched over 4 dimensions; 3 can be executed"):
        plan_text(on_cpus(Application.load("gpt")))


def test_points_that_write_the_same_are_refused() -> None:
    application = scaled("stencil", 0.001)
    private = application.partitions["private"]
    pieces = np.repeat(private.pieces[:1], len(private.pieces), axis=0)
    partitions = dict(application.partitions) | {"private": replace(private, pieces=pieces)}
    with pytest.raises(
        ApplicationError, match="writes private, where points of one launch overlap"
    ):
        plan_text(replace(application, partitions=partitions))


def test_a_nested_launch_must_take_what_its_parent_holds() -> None:
    application = scaled("summa", 1e-6)
    inner = application.loop[6]
    loop = list(application.loop)
    loop[6] = replace(inner, requirements=inner.requirements[:2] + inner.requirements[1:2])
    with pytest.raises(
        ApplicationError, match="task_7, which launches it, holds no such part of C"
    ):
        plan_text(replace(application, loop=tuple(loop)))


@pytest.mark.parametrize("scale", [0.0, 2.0, -1.0])
def test_scales_that_make_no_sense_are_refused(scale: float) -> None:
    with pytest.raises(ApplicationError, match="give more than 0, up to 1"):
        scaled("stencil", scale)


def test_a_scale_of_one_is_the_full_size() -> None:
    full = on_cpus(Application.load("stencil"))
    assert scaled("stencil", 1.0).parameters == full.parameters
