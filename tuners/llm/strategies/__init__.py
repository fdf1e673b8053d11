"""Strategies: when a model is asked and what it is told, one strategy a module."""

from __future__ import annotations

from dsl.nearest import did_you_mean
from tuners.errors import TunerError
from tuners.llm.strategies.hybrid import Hybrid
from tuners.llm.strategies.iid import Independent
from tuners.llm.strategies.opro import Opro
from tuners.llm.strategies.strategy import PromptPlan, Strategy
from tuners.llm.strategies.trace import Trace

__all__ = [
    "STRATEGIES",
    "Hybrid",
    "Independent",
    "Opro",
    "PromptPlan",
    "Strategy",
    "Trace",
    "strategy_named",
]

STRATEGIES: dict[str, type[Strategy]] = {
    each.name: each for each in (Trace, Opro, Independent, Hybrid)
}


def strategy_named(name: str) -> Strategy:
    """A strategy with its usual settings.

    Raises:
        TunerError: There is none of that name.
    """
    if name not in STRATEGIES:
        raise TunerError(f"unknown strategy {name!r}: {did_you_mean(name, STRATEGIES)}")
    return STRATEGIES[name]()
