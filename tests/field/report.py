"""The table of what came of the field programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .table import FieldProgram

__all__ = ["HEADINGS", "Row", "markdown", "page", "row"]

HEADINGS = (
    "program", "runs", "captured", "own", "default", "random", "tuned", "faults",
)  # fmt: skip
_NOT_TRIED, _NOT_BUILT = "-", "not built"
_LONGEST = 200
_FOLDERS = re.compile(r"(?<!\S)/\S*/(?=[^/\s])")


@dataclass(frozen=True)
class Row:
    """What came of one program.

    Attributes:
        cells: In the order of the headings.
        faults: Sentences about what is wrong.
        note: Why the program is not captured, in mappertune's words, where that is true.
        accepted: Random mappers that the check accepts, and ``ran`` of them ran as they should.
    """

    cells: tuple[str, ...]
    faults: tuple[str, ...]
    note: str = ""
    accepted: int = 0
    ran: int = 0


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
        "; ".join(faults),
    )
    capture = result.get("capture", {})
    note = _told(program, capture)
    runs = result.get("random", {}).get("runs", [])
    return Row(cells, tuple(faults), note, len(runs), sum(map(_is_good, runs)))


def markdown(rows: Sequence[Row]) -> str:
    """The table, and a line that counts."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(each.cells for each in rows)]
    table = "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)
    return f"{table}\n\n{_counted(rows)}\n"


def page(rows: Sequence[Row], template: str, **facts: str) -> str:
    """The page of the documentation: a template with the table, notes and facts of the run."""
    notes = "\n".join(f"- {each.cells[0]}: {each.note}" for each in rows if each.note)
    return template.format(table=markdown(rows).strip(), notes=notes, **facts)


def _counted(rows: Sequence[Row]) -> str:
    tried = [each for each in rows if each.cells[1] != _NOT_BUILT]
    clean = sum(not each.faults for each in tried)
    accepted, ran = (sum(getattr(each, name) for each in rows) for name in ("accepted", "ran"))
    share = f" ({ran / accepted:.1%})".replace("%", " %") if accepted else ""
    return (
        f"{len(tried)} programs, {clean} without a fault; of {accepted} random mappers that the "
        f"check accepts, {ran} ran with the program's output{share}."
    )


def _plain(result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None:
        return _NOT_BUILT
    if result["status"] != "ok":
        faults.append(f"by itself: {_short(result['said'])}")
        return result["status"]
    return "yes" if result["stable"] else "yes, output varies"


def _captured(program: FieldProgram, result: Mapping[str, Any] | None, faults: list[str]) -> str:
    if result is None:
        return _NOT_TRIED
    if result["status"] != "ok":
        if _is_told(program, result):
            return "no, told why"
        faults.append(f"capture: {_short(result['said'])}")
        return "no"
    if result["counts"]:
        if _is_told(program, result):
            return "partly, told"
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
    if result is not None and result["status"] == "failed":
        faults.append(f"random: {_short(result['said'])}")
    if result is None or not result["runs"]:
        return _NOT_TRIED
    runs = result["runs"]
    bad = [each for each in runs if not _is_good(each)]
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


def _is_good(run: Mapping[str, Any]) -> bool:
    return run["status"] == "ok" and run["same"] is not False


def _is_told(program: FieldProgram, capture: Mapping[str, Any]) -> bool:
    return _told(program, capture) != ""


def _told(program: FieldProgram, capture: Mapping[str, Any]) -> str:
    """Why it is not captured, or not all of it, where the table knows that to be true."""
    if not program.told:
        return ""
    said = [capture.get("said", ""), *capture.get("unknown", {}).values()]
    if mapper := capture.get("own_mapper"):
        said.append(f"its own mapper {mapper} is replaced")
    return next((_short(text) for text in said if re.search(program.told, text)), "")


def _short(said: str) -> str:
    """The last line that tells something, as far as it fits into a table."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    if not lines:
        return "no word"
    told = next((line for line in lines if "rror" in line or "ssert" in line), lines[-1])
    return _FOLDERS.sub("", told)[:_LONGEST]


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
