"""What a comparison says of the models in it: who proposed how much, at what cost, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies.cli.console import say, table

if TYPE_CHECKING:
    from studies.records import StudyResult

__all__ = ["arms_as_json", "marked", "tell_models"]

MARK = " *"
MOST_REASONS = 5  # of an arm


def marked(rows: Sequence[Sequence[str]], results: Sequence[StudyResult]) -> list[list[str]]:
    """Rows of a table, of which those of arms that hardly asked their model bear a mark."""
    known = {name for name, arm in _arms(results).items() if _hardly_asked(arm)}
    return [[row[0] + MARK if row[0] in known else row[0], *row[1:]] for row in rows]


def tell_models(results: Sequence[StudyResult]) -> None:
    """A table of the arms that ask models, and why these did not propose trials."""
    from studies.records import ModelUse, reasons

    arms = _arms(results)
    if not arms:
        return
    rows = [
        [
            name,
            f"{_share(arm):.1%}",
            str(ModelUse.total(result.model_use for result in arm if result.model_use)),
        ]
        for name, arm in arms.items()
    ]
    table(["arm", "by the model", "what that has cost"], marked(rows, results), words=3)
    for name, arm in arms.items():
        records = [record for result in arm for record in result.records]
        for count, why in reasons(records)[:MOST_REASONS]:
            say(f"{name}, not by the model: {count} x {why}")
    if any(map(_hardly_asked, arms.values())):
        say(
            "* the model proposed under half of the trials: the arm is its fallback's rather than "
            "the model's"
        )


def arms_as_json(results: Sequence[StudyResult]) -> dict[str, Any]:
    """The share of the trials that models proposed, by arm."""
    return {
        name: {"share": _share(arm), "hardly_asked": _hardly_asked(arm)}
        for name, arm in _arms(results).items()
    }


def _arms(results: Sequence[StudyResult]) -> dict[str, list[StudyResult]]:
    """The studies that ask a model, by the names of their arms."""
    arms: dict[str, list[StudyResult]] = {}
    for result in results:
        if result.spec.llm is not None:
            arms.setdefault(result.spec.tuner, []).append(result)
    return arms


def _share(arm: Sequence[StudyResult]) -> float:
    from studies.records import model_share

    return model_share([record for result in arm for record in result.records])


def _hardly_asked(arm: Sequence[StudyResult]) -> bool:
    from studies.records import hardly_asked

    return hardly_asked([record for result in arm for record in result.records])
