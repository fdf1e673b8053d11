"""The task of a study that has no trial yet, for strategies that tell of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuners.llm.prompts.writer import part

if TYPE_CHECKING:
    from tuners.llm.prompts.trial_formatter import TrialFormatter

__all__ = ["first_task"]


def first_task(formatter: TrialFormatter) -> str:
    """What the model shall do where nothing was tried."""
    name = "task_first" if formatter.problem.form == "mapper" else "task_first_values"
    return part(name, count=formatter.wanted)
