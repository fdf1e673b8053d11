"""Suites: cases, arms, seeds and budgets in a TOML file.

```toml
summary = "What this suite is for, in a sentence."
arms = ["guided", "tpe", "llm-trace"]   # those that ask a model run where one is named
seeds = 5                               # 0 to 4
trials = 10
start = "none"                          # as of ``tune --start`` (left out: default)

[[case]]
application = "circuit"
machine = "p100x4"                      # a name, or the path of a file, from the suite's folder
nodes = 2                               # left out for the machine's own number
parameters = { wires = 1000000 }
best_known = "mappers/circuit.mapper"   # the fastest mapper that anybody has found
found_by = "guided, seed 3, 1,000 trials; then by hand"

[reported.circuit]                      # what a publication says, by application
"paper's best" = 1.34
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from studies.errors import UsageError
from studies.files import why
from studies.starts import STARTS
from studies.suite import Case

__all__ = ["SUITES", "Suite", "SuiteCase", "load_suite"]

#: The suites that come along, by name.
SUITES = ("paper", "figures", "nodes", "tight")

MOST_BYTES = 1_000_000
MOST_SEEDS, MOST_TRIALS = 1000, 1_000_000
CASE_KEYS = ("application", "machine", "nodes", "parameters", "space", "best_known", "found_by")
SUITE_KEYS = ("summary", "arms", "seeds", "trials", "start", "case", "reported")


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One case of a suite.

    Attributes:
        case: What is mapped, and where.
        best_known: The text of the fastest mapper that anybody has found; None where none is kept.
        found_by: How it was found.
    """

    case: Case
    best_known: str | None = None
    found_by: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """What is compared, and how often.

    Attributes:
        name: Its name, fit for a folder.
        summary: What it is for, in a sentence.
        cases: The cases, in their order.
        arms: Names of tuners.
        seeds: The seeds of each arm.
        trials: Of a study.
        start: What each study tries first, as of ``tune --start``.
        reported: What a publication says, by application and column.
        page: What is said above its figures, in Markdown; empty where nobody has written it.
    """

    name: str
    summary: str
    cases: tuple[SuiteCase, ...]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: int
    start: str = "default"
    reported: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    page: str = ""

    def of_cases(self, names: Sequence[str]) -> tuple[SuiteCase, ...]:
        """The cases of these names, or of these applications; all where there are none.

        Raises:
            UsageError: The suite has no such case.
        """
        for name in names:
            if not any(name in (each.case.name, each.case.application) for each in self.cases):
                known = ", ".join(each.case.name for each in self.cases)
                raise UsageError(f"the suite {self.name} has no case {name!r}; it has {known}")
        wanted = [
            each
            for each in self.cases
            if not names or {each.case.name, each.case.application} & set(names)
        ]
        return tuple(wanted)


def load_suite(named: str) -> Suite:
    """A suite by its name, or by the path of its file.

    Raises:
        UsageError: There is none, or its file is wrong; the message says where.
    """
    if named in SUITES:
        path = Path(str(files("studies.experiments").joinpath("suites", f"{named}.toml")))
    elif named.endswith(".toml"):
        path = Path(named)
    else:
        raise UsageError(
            f"no suite is called {named!r:.60}: there are {', '.join(SUITES)}, and files that end "
            "in .toml"
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than 1 MB: that is no suite")
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    return _Reader(path).suite(found)


class _Reader:
    """Reads the values of a suite's file, and says where one is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def suite(self, found: dict[str, Any]) -> Suite:
        """The suite that a file holds."""
        self._known(found, SUITE_KEYS, "the suite")
        cases = found.get("case")
        if not isinstance(cases, list) or not cases:
            raise self._wrong("it needs at least one [[case]]")
        read = tuple(self._case(each, number) for number, each in enumerate(cases, 1))
        names = [each.case.name for each in read]
        for name in names:
            if names.count(name) > 1:
                raise self._wrong(f"the case {name} stands there twice")
        arms = found.get("arms")
        if not isinstance(arms, list) or not arms or not all(isinstance(a, str) for a in arms):
            raise self._wrong('"arms" is a list of names of tuners, such as ["guided", "tpe"]')
        return Suite(
            name=self._path.stem,
            summary=self._text(found, "summary", "the suite"),
            cases=read,
            arms=tuple(dict.fromkeys(arms)),
            seeds=tuple(range(self._number(found, "seeds", 5, MOST_SEEDS))),
            trials=self._number(found, "trials", 10, MOST_TRIALS),
            start=self._start(found),
            reported=self._reported(found.get("reported", {})),
            page=self._page(),
        )

    def _case(self, found: Any, number: int) -> SuiteCase:
        where = f"case {number}"
        if not isinstance(found, dict):
            raise self._wrong(f"{where} is no table")
        self._known(found, CASE_KEYS, where)
        application = self._text(found, "application", where)
        if not application:
            raise self._wrong(f'{where} needs an "application"')
        parameters = found.get("parameters", {})
        if not isinstance(parameters, dict) or not all(
            isinstance(each, int | float | str) and not isinstance(each, bool)
            for each in parameters.values()
        ):
            raise self._wrong(f'"parameters" of {where} are numbers and names, by name')
        nodes = self._number(found, "nodes", 0, 1_000_000)
        machine = self._text(found, "machine", where) or "p100x4"
        if machine.endswith(".toml"):
            machine = str(self._path.parent / machine)
        return SuiteCase(
            Case(
                application,
                machine,
                parameters,
                nodes or None,
                self._text(found, "space", where) or "paper",
            ),
            self._mapper(self._text(found, "best_known", where), where),
            self._text(found, "found_by", where),
        )

    def _mapper(self, named: str, where: str) -> str | None:
        if not named:
            return None
        path = self._path.parent / named
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(f'"best_known" of {where} cannot be read ({error})') from None

    def _start(self, found: dict[str, Any]) -> str:
        start = self._text(found, "start", "the suite") or "default"
        return start if start in STARTS else str(self._path.parent / start)

    def _page(self) -> str:
        """The text beside the suite's file that has its name."""
        path = self._path.with_suffix(".md")
        try:
            return path.read_text(encoding="utf-8") if path.is_file() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read ({error})") from None

    def _reported(self, found: Any) -> dict[str, dict[str, float]]:
        if not isinstance(found, dict) or not all(
            isinstance(row, dict)
            and all(isinstance(n, int | float) and not isinstance(n, bool) for n in row.values())
            for row in found.values()
        ):
            raise self._wrong('"reported" has a table of numbers for each application')
        return {name: {key: float(n) for key, n in row.items()} for name, row in found.items()}

    def _text(self, found: dict[str, Any], key: str, where: str) -> str:
        value = found.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(f'"{key}" of {where} is no text')
        return value

    def _number(self, found: dict[str, Any], key: str, default: int, most: int) -> int:
        value = found.get(key, default)
        if type(value) is not int or not (value == default or 1 <= value <= most):
            raise self._wrong(f'"{key}" is a whole number from 1 to {most:,}')
        return value

    def _known(self, found: dict[str, Any], keys: Sequence[str], where: str) -> None:
        from dsl.nearest import nearest  # noqa: PLC0415  (only where something is wrong)

        for key in found:
            if key not in keys:
                close = nearest(key, keys)
                meant = f"; did you mean {close!r}?" if close else f"; it has {', '.join(keys)}"
                raise self._wrong(f"{where} has no {key!r:.60}{meant}")

    def _wrong(self, sentence: str) -> UsageError:
        return UsageError(f"{self._path}: {sentence}")
