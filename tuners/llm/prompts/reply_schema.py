"""The JSON schema of a reply, for providers that hold a model to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuners.llm.replies.values import told

if TYPE_CHECKING:
    from tuners.problems.problem import TextProblem

__all__ = ["reply_schema", "values_schema"]


def values_schema(problem: TextProblem) -> dict[str, Any]:
    """The JSON schema of a candidate that is written as values."""
    properties = {name: _value_schema(each) for name, each in problem.distributions.items()}
    for name in getattr(problem, "conditions", ()):  # decoders want every property there
        properties[name] = {"anyOf": [properties[name], {"type": "null"}]}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value_schema(distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, IntDistribution | FloatDistribution):
        kind = "integer" if isinstance(distribution, IntDistribution) else "number"
        return {"type": kind, "minimum": distribution.low, "maximum": distribution.high}
    assert isinstance(distribution, CategoricalDistribution)  # noqa: S101  (Optuna has no other)
    return {"enum": [told(each, number) for number, each in enumerate(distribution.choices)]}


def reply_schema(problem: TextProblem, count: int) -> dict[str, Any]:
    """The JSON schema of a reply: reasons first, then the candidates.

    A model that has nothing left to propose says in ``done`` why, and gives no candidate.
    """
    candidate = {"type": "string"} if problem.form == "mapper" else values_schema(problem)
    return {
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "done": {"type": "string"},
            "candidates": {"type": "array", "items": candidate, "minItems": 0, "maxItems": count},
        },
        "required": ["reasoning", "done", "candidates"],
        "additionalProperties": False,
    }
