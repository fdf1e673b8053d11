"""The parts of prompts: text files beside this module, with places for what changes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template

__all__ = ["part"]


def part(name: str, **values: object) -> str:
    """The text of a part with its places filled.

    >>> part("repeated", number=3, result="1.5 GB/s").splitlines()[1]
    'same form.'
    """
    return _template(name).substitute(values).strip("\n")


@cache
def _template(name: str) -> Template:
    return Template(files("tuners.llm.prompts").joinpath(f"{name}.md").read_text(encoding="utf-8"))
