"""The manual of the mapping language, as far as a program and a machine have a use for it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legion_bridge import Application, Machine

__all__ = ["brief_manual", "manual_for"]

_MAPS = re.compile(r"(## Index maps\n\n```mapper\n)(.*?)(```\n)", re.DOTALL)
_VIEWS = re.compile(r"(a = m\.merge\(0, 1\);[^\n]*\n).*?(?=```\n)", re.DOTALL)
_EXAMPLE = re.compile(r"A mapper decides where.*?```mapper.*?```\n", re.DOTALL)
_SLIPS = re.compile(
    r"Each of these fails:\n\n```wrong\n.*?```\n\nAnd these are silent:", re.DOTALL
)


def manual_for(application: Application, machine: Machine) -> str:
    """The whole manual, with those of the index maps that the program's launches can use."""
    text = files("dsl").joinpath("manual.md").read_text(encoding="utf-8")
    nodes = machine.for_ranks(application.ranks_per_node).shape.nodes
    if nodes == 1 and all(
        len(d) < 2 for t in application.tasks.values() for d in t.launch_domains
    ):
        text = _VIEWS.sub(r"\1", text)
    return _MAPS.sub(lambda found: _with_maps(found, _useful(application, nodes)), text)


def _useful(application: Application, nodes: int) -> set[str]:
    """Names of the functions among the manual's examples that fit a program's launches."""
    domains = [d for task in application.tasks.values() for d in task.launch_domains]
    dimensions = {len(domain) for domain in domains}
    useful = set()
    if 1 in dimensions or not dimensions:
        useful |= {"block"} if nodes == 1 else {"block", "cyclic"}
    if 2 in dimensions:
        useful |= {"linear", "tiles"} if nodes == 1 else {"linear", "tiles", "hierarchical"}
    if 3 in dimensions:
        useful |= {"row", "tiles"}
    below = (
        t for t in application.tasks.values() if t.in_loop and t.launched_singly and t.parents
    )
    return useful | ({"same_point"} if any(below) else set())


def _with_maps(found: re.Match[str], useful: set[str]) -> str:
    """The examples, a paragraph each, of which some are left out."""
    kept = []
    for paragraph in found[2].strip("\n").split("\n\n"):
        name = re.search(r"^def (\w+)", paragraph, re.MULTILINE)
        lines = [
            line
            for line in paragraph.splitlines()
            if not (rule := re.match(r"\w+TaskMap \w+ (\w+);", line)) or rule[1] in useful
        ]
        if lines and (name is None or name[1] in useful):
            kept.append("\n".join(lines))
    return f"{found[1]}{chr(10).join(f'{each}{chr(10)}' for each in kept)}{found[3]}"


def brief_manual(manual: str) -> str:
    """The manual for those who have written a mapper that runs.

    It lacks examples, and the mistakes that a check finds and explains where they are made.
    """
    shorter = _SLIPS.sub("These are silent:", manual)
    shorter = _EXAMPLE.sub(
        "only speed. It is a list of statements; `#` begins a comment.\n", shorter
    )
    return _MAPS.sub("", shorter)
