"""What a check can report: the table of codes, and one finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from dsl.errors import MapperError, excerpt
from dsl.syntax import Position

__all__ = ["CODES", "Diagnostic", "Meaning", "Severity", "table"]

Severity: TypeAlias = Literal["error", "warning", "note"]

_RANK = {"error": 0, "warning": 1, "note": 2}


class Meaning(NamedTuple):
    """The severity of a code, and what it means in general."""

    severity: Severity
    text: str


CODES: Mapping[str, Meaning] = MappingProxyType(
    {
        "bad-alignment": Meaning("error", "instances are to be aligned by no power of two"),
        "layout-refused": Meaning(
            "error", "the task needs another layout, and stops when it gets this one"
        ),
        "limits-clash": Meaning(
            "error", "under the instance limits, tasks wait for each other for ever"
        ),
        "load-fails": Meaning(
            "error", "a top-level statement cannot be carried out; the sentence says why"
        ),
        "map-fails": Meaning("error", "a mapping function fails for a point of a launch domain"),
        "map-leaves-machine": Meaning(
            "error", "a mapping function sends a point where there is no processor"
        ),
        "map-leaves-node": Meaning(
            "error", "a single task map sends a task to another node than its parent's"
        ),
        "no-variant": Meaning("error", "no variant of a task can run on the machine"),
        "out-of-memory": Meaning("error", "an instance finds no room in its memory"),
        "virtual-leaf": Meaning("error", "a task that uses data gets no instance of it"),
        "collect-no-effect": Meaning("warning", "only instances that are read are collected"),
        "exact-without-compact": Meaning("warning", "Exact has an effect only with Compact"),
        "function-redefined": Meaning("warning", "the first definition of a function counts"),
        "index-aliased": Meaning(
            "warning", "an index is beyond its dimension and stands for another processor"
        ),
        "index-wildcard": Meaning("warning", "an index of -1 stands for a whole dimension"),
        "kind-without-variant": Meaning(
            "warning", "the task cannot run on any processor kind that is named for it"
        ),
        "limit-no-effect": Meaning("warning", "an instance limit of 0 is no limit"),
        "local-reassigned": Meaning("warning", "the first assignment of a local counts"),
        "map-no-effect": Meaning("warning", "the map is for launches that there are none of"),
        "memory-unseen": Meaning(
            "warning", "the processor sees none of the memories: it gets its fastest one"
        ),
        "region-without-data": Meaning(
            "warning", "the task declares the region but asks for no data of it"
        ),
        "rule-hidden": Meaning("warning", "an earlier statement for the same key counts"),
        "split-remainder": Meaning("warning", "a split leaves processors out"),
        "undefined-function": Meaning("warning", "a function is called that is never defined"),
        "undefined-name": Meaning("warning", "a function uses a name that is never defined"),
        "unknown-region": Meaning("warning", "no task has a region argument of that name"),
        "unknown-task": Meaning("warning", "the program has no task of that name"),
        "unreachable": Meaning("warning", "a statement stands behind a return"),
        "wildcard-map": Meaning("warning", "a map for * has no effect"),
        "function-unused": Meaning("note", "a function is never used"),
        "kind-skipped": Meaning(
            "note", "some of the processor kinds named for a task are passed over"
        ),
        "memory-skipped": Meaning("note", "some of the memories named are passed over"),
        "rule-unused": Meaning(
            "note", "the statement is about a kind or memory that the task does not come to"
        ),
    }
)
"""Every code with its severity; stable, whatever the sentences become."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that a check found.

    Attributes:
        code: One of ``CODES``.
        sentence: What is wrong, in one sentence.
        position: Where in the text; None where no single position is to blame.
        suggestion: What to do about it, or None.
        source_line: The line of the text, or None.
        cause: The code of the error of the language behind it, such as ``"node-bounds"``, or None.
    """

    code: str
    sentence: str
    position: Position | None = None
    suggestion: str | None = None
    source_line: str | None = None
    cause: str | None = None

    @property
    def severity(self) -> Severity:
        """``"error"`` (it would fail), ``"warning"`` (no effect, or a surprise) or ``"note"``."""
        return CODES[self.code].severity

    def __str__(self) -> str:
        place = f"{self.position.line}:{self.position.column}: " if self.position else ""
        lines = [f"{place}{self.severity}: {self.sentence} [{self.code}]"]
        if self.source_line is not None and self.position is not None:
            lines += excerpt(self.source_line, self.position)
        if self.suggestion:
            lines.append(f"hint: {self.suggestion}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "code": self.code,
            "severity": self.severity,
            "line": self.position.line if self.position else None,
            "column": self.position.column if self.position else None,
            "cause": self.cause,
            "sentence": self.sentence,
            "suggestion": self.suggestion,
        }

    @classmethod
    def of_error(cls, code: str, error: MapperError, sentence: str | None = None) -> Diagnostic:
        """An error of the language as a finding."""
        said = sentence or error.sentence
        return cls(code, said, error.position, error.hint, error.source_line, error.code)


def in_order(diagnostic: Diagnostic) -> tuple[int, int, int, str]:
    """Sorts findings by position; at one position the gravest comes first."""
    place = diagnostic.position
    line, column = (place.line, place.column) if place else (0, 0)
    return line, column, _RANK[diagnostic.severity], diagnostic.code


def table() -> str:
    """The codes as a Markdown document."""
    rows = [f"| `{code}` | {severity} | {text} |" for code, (severity, text) in CODES.items()]
    return "\n".join(
        [
            "# What `mappertune check` can say",
            "",
            "Written from `dsl/checks/diagnostics.py`. An error would fail, a warning has no",
            "effect or surprises, a note is good to know.",
            "",
            "| code | severity | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )
