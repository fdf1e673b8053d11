"""The guide: why a mapper is slow or fails, and what to try, in the program's own names."""

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
