"""The guide: why a mapper is slow or fails, and what to try, in the program's own names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuners.guide.engine import explain
    from tuners.guide.guidance import LEVELS, Block, Guidance, Level, Suggestion
    from tuners.guide.rules import Rule, load_rules, read_rules

__all__ = [
    "LEVELS",
    "Block",
    "Guidance",
    "Level",
    "Rule",
    "Suggestion",
    "explain",
    "load_rules",
    "read_rules",
]

# Loaded when they are asked for: the engine estimates with the simulator's model of costs, and
# whoever tunes an objective of their own needs none.
_LAZY_EXPORTS = {
    "LEVELS": "guidance",
    "Block": "guidance",
    "Guidance": "guidance",
    "Level": "guidance",
    "Rule": "rules",
    "Suggestion": "guidance",
    "explain": "engine",
    "load_rules": "rules",
    "read_rules": "rules",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tuners.guide.{_LAZY_EXPORTS[name]}"), name)
