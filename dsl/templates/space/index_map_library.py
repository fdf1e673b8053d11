"""The library of index maps, written in the mapping language itself (``index_maps.map``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

__all__ = [
    "INDEX_MAPS",
    "MAP_DIMENSIONS",
    "PAPER_MAPS",
    "SHARDED_DIMENSIONS",
    "SHARDING_MAPS",
    "SINGLE_MAP",
    "function_name",
    "library_definitions",
]

#: The index maps of the paper's parameter space; each works in one to three dimensions.
PAPER_MAPS = ("block1d", "cyclic1d", "cyclic2d", "linearize2d")

#: All index maps of the library, those of the paper first.
INDEX_MAPS = (
    *PAPER_MAPS,
    "block_cyclic",
    "hierarchical_block",
    "hierarchical_cyclic",
    "block1d_columns",
    "cyclic1d_columns",
    "linearize2d_rows",
    "block_cyclic_columns",
    "tiles",
    "cyclic_grid",
)

#: The most dimensions that a launch domain may have, for these.
MAP_DIMENSIONS = 3

#: Index maps for launches over chunks of layers, micro-batches, batch and tensor pieces.
SHARDING_MAPS = ("pipeline", "pipeline_outermost", "tensor_batch", "data_parallel")

#: Dimensions of the launch domains that these are for.
SHARDED_DIMENSIONS = 4

#: A map for single tasks: each stays where the task that launched it runs.
SINGLE_MAP = "same_point"

_DEFINED = re.compile(r"^(?:def )?(\w+)(?= =|\()", re.MULTILINE)
_KIND = re.compile(r"KIND\b")


def function_name(name: str, kind: str) -> str:
    """The name of a library function for a processor kind.

    >>> function_name("block1d", "GPU")
    'block1d_GPU'
    """
    return f"{name}_{kind}"


def library_definitions(wanted: Iterable[tuple[str, str]]) -> list[str]:
    """The definitions of some maps and of everything that they use, in the order of the library.

    Each text is one function or variable, with its comment and without a line end.

    Args:
        wanted: Names of maps, without the kind, each with a processor kind such as ``"GPU"``.

    Raises:
        KeyError: There is no such map.
    """
    names: dict[str, list[str]] = {}
    for name, kind in wanted:
        names.setdefault(kind, []).append(name)
    found: dict[str, None] = {}
    for kind, maps in names.items():
        used: dict[str, None] = {}
        for name in maps:
            _add_with_uses(_chunks()[function_name(name, "KIND")], used)
        # A definition that does not mention the kind is the same for every kind.
        found |= {_KIND.sub(kind, chunk): None for chunk in _chunks().values() if chunk in used}
    return list(found)


def _add_with_uses(chunk: str, found: dict[str, None]) -> None:
    if chunk not in found:
        found[chunk] = None
        for word in re.findall(r"\w+", chunk):
            if word in _chunks():
                _add_with_uses(_chunks()[word], found)


@cache
def _chunks() -> Mapping[str, str]:
    """The stretches of the file by the name that each defines, in order."""
    text = files("dsl.templates.space").joinpath("index_maps.map").read_text(encoding="utf-8")
    chunks = {}
    for chunk in text.strip().split("\n\n"):
        if defined := _DEFINED.search(chunk):
            chunks[defined[1]] = chunk
    return chunks
