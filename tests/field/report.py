"""The table of what came of the field programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .table import FieldProgram

__all__ = ["HEADINGS", "Row", "markdown", "row"]

HEADINGS = (
    "program", "runs", "captured", "own", "default", "random", "tuned", "faults",
)  # fmt: skip
_NOT_TRIED = "-"
_LONGEST = 200


@dataclass(frozen=True)
class Row:
    """What came of one program.

    Attributes:
        cells: In the order of the headings.
        faults: Sentences about what is wrong.
    """

    cells: tuple[str, ...]
    faults: tuple[str, ...]


def row(program: FieldProgram, result: Mapping[str, Any]) -> Row:
    """The row of a program, from the results of its steps; what was not tried is a dash."""
    faults: list[str] = []
    cells = (
        program.name,
        _plain(result.get("plain"), faults),
        _captured(program, result.get("capture"), faults),
        _under("own", result.get("own"), faults),
        _under("default", result.get("default"), faults),
        _random(result.get("random"), faults),
        _tuned(result.get("tune"), faults),
    )
    return Row((*cells, "; ".join(faults)), tuple(faults))


def markdown(rows: Sequence[Row]) -> str:
    """The table, and a line that counts."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(each.cells for each in rows)]
    table = "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)
    clean = sum(not each.faults for each in rows)
    return f"{table}\n\n{len(rows)} programs, {clean} without a fault.\n"


def _plain(result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None:
        return "not built"
    if result["status"] != "ok":
        faults.append(f"by itself: {_short(result['said'])}")
        return result["status"]
    return "yes" if result["stable"] else "yes, output varies"


def _captured(program: FieldProgram, result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None:
        return _NOT_TRIED
    if result["status"] != "ok":
        if program.told and re.search(program.told, result["said"]):
            return "no, told why"
        faults.append(f"capture: {_short(result['said'])}")
        return "no"
    if result["counts"]:
        faults.append(f"capture: {'; '.join(result['counts'][:3])}")
        return "partly"
    return "yes" if result["own"] else "yes, no own mapper"


def _under(mapper: str, result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None or result["status"] == "none":
        return _NOT_TRIED
    if result["status"] != "ok":
        faults.append(f"{mapper}: {_short(result['said'])}")
        return result["status"]
    if result["same"] is False:
        faults.append(f"{mapper} prints {_short(result['said'])}")
        return "other output"
    return "same" if result["same"] else "runs"


def _random(result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None or not result["runs"]:
        return _NOT_TRIED
    runs = result["runs"]
    bad = [each for each in runs if each["status"] != "ok" or each["same"] is False]
    if bad:
        faults.append(f"{len(bad)} of {len(runs)} random mappers: {_short(bad[0]['said'])}")
    return f"{len(runs) - len(bad)} of {len(runs)}"


def _tuned(result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None or result["status"] == "none":
        return _NOT_TRIED
    if result["status"] != "ok":
        faults.append(f"tune: {_short(result['said'])}")
        return f"no (exit {result['code']})"
    if result["sentence"] is None:
        faults.append(f"tune: no mapper was valid: {_short(result['said'])}")
        return "all failed"
    return str(result["sentence"]).split(" (", maxsplit=1)[0]


def _short(said: str) -> str:
    """The last line that tells something, as far as it fits into a table."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    if not lines:
        return "no word"
    told = next((line for line in lines if "rror" in line or "ssert" in line), lines[-1])
    return told[:_LONGEST]


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
