"""Changes of a mapper's text: statements go, others come, and all the rest stays as it is.

The first statement for a key counts, and a special key outranks a general one (language
reference, section 10). So a new statement takes the place of those for its own key: they go, or
lose the task that the new one speaks of, and it stands where the first of them stood, else before
all others of its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import dsl
from dsl import syntax
from dsl.unparse import unparse_statement

__all__ = ["apply_change"]

_Definition: TypeAlias = syntax.Assignment | syntax.FunctionDefinition
_Listed: TypeAlias = syntax.Task | syntax.Region | syntax.Layout
_Map: TypeAlias = syntax.IndexTaskMap | syntax.SingleTaskMap
Key: TypeAlias = tuple[str, ...]


class _Cut(NamedTuple):
    """A stretch of the text, and what stands there afterwards."""

    start: int
    end: int
    text: str


def apply_change(text: str, statements: str, replaces: Sequence[str] = ()) -> str:
    """A mapper's text with some statements taken out and others put in.

    Args:
        text: The mapper.
        statements: Statements to put in; may be empty. A definition that the mapper has already
            is not repeated.
        replaces: Statements to take out; those that the mapper does not have are passed over.

    Raises:
        dsl.MapperSyntaxError: The text, or a statement, is not in the mapping language.

    >>> apply_change("Task a GPU;\\nTask b, c CPU;\\n", "Task b GPU;")
    'Task a GPU;\\nTask b GPU;\\nTask c CPU;\\n'
    """
    if not _parses(text):
        return _mend(text, statements, replaces)
    program = dsl.parse(text)
    new = dsl.parse(statements).statements if statements.strip() else ()
    unwanted = {each for part in replaces for each in _statements(part)}
    return _Editor(text, program.statements).change(new, unwanted)


def _parses(text: str) -> bool:
    try:
        dsl.parse(text)
    except dsl.MapperSyntaxError:
        return False
    return True


def _statements(text: str) -> tuple[syntax.Statement, ...]:
    return dsl.parse(text).statements if text.strip() else ()


def _mend(text: str, statements: str, replaces: Sequence[str]) -> str:
    """A text that does not parse: the first stretch that is named gives way to the new one.

    Raises:
        dsl.MapperSyntaxError: No stretch is named, or it is not there.
    """
    for part in replaces:
        if part and part in text:
            return text.replace(part, statements, 1)
    dsl.parse(text)  # raises: there is nothing to do about it here
    return text


class _Editor:
    """Edits one text."""

    def __init__(self, text: str, statements: Sequence[syntax.Statement]) -> None:
        self._text = text
        self._statements = statements
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def change(self, new: Sequence[syntax.Statement], unwanted: set[syntax.Statement]) -> str:
        """The text afterwards."""
        known = {s for s in self._statements if isinstance(s, _Definition)} - unwanted
        coming = [each for each in new if each not in known]
        keys = {key for each in coming for key in _keys(each)}
        cuts: list[_Cut] = []
        for old in self._statements:
            rest = None if old in unwanted else _without(old, keys)
            if rest is old:
                continue
            here = [each for each in coming if self._takes_place_of(each, old)]
            coming = [each for each in coming if each not in here]
            lines = [unparse_statement(each) for each in (*here, *([rest] if rest else []))]
            cuts.append(self._cut(old, "\n".join(lines)))
        return self._finish(coming, cuts)

    def _takes_place_of(self, new: syntax.Statement, old: syntax.Statement) -> bool:
        """Whether the new statement stands where the old one stood; a map stands behind what it
        needs, at the end of the text.
        """
        return type(new) is type(old) and (
            not isinstance(new, _Map) or self._defined_before(new.function, old)
        )

    def _defined_before(self, function: str, rule: syntax.Statement) -> bool:
        for each in self._statements:
            if each is rule:
                return False
            if isinstance(each, syntax.FunctionDefinition) and each.name == function:
                return True
        return False

    def _finish(self, coming: Sequence[syntax.Statement], cuts: list[_Cut]) -> str:
        """Puts what replaces nothing before the first statement of its type, or at the end."""
        last: list[str] = []
        before: dict[int, list[str]] = {}
        for each in coming:
            first = next((s for s in self._statements if type(s) is type(each)), None)
            if first is None or isinstance(each, _Map | _Definition | syntax.Print):
                last.append(unparse_statement(each))
            else:
                before.setdefault(self._span(first)[0], []).append(unparse_statement(each))
        cuts += [_Cut(at, at, "\n".join(lines) + "\n") for at, lines in before.items()]
        text, end = "", 0
        for cut in sorted(cuts, key=lambda cut: (cut.start, cut.end)):
            text += self._text[end : cut.start] + cut.text
            end = cut.end
        text += self._text[end:]
        if last:
            text = text.rstrip("\n") + "\n" + "\n".join(last) + "\n"
        return text

    def _span(self, statement: syntax.Statement) -> tuple[int, int]:
        place = statement.position
        assert place is not None  # noqa: S101  (the parser gives every statement its place)
        start = self._lines[place.line - 1] + place.column - 1
        return start, self._lines[place.end_line - 1] + place.end_column - 1

    def _cut(self, statement: syntax.Statement, text: str) -> _Cut:
        """Cuts a statement out; with its line where that would be left empty."""
        start, end = self._span(statement)
        if not text:
            line = self._text.rfind("\n", 0, start) + 1
            alone = not self._text[line:start].strip()
            if alone and self._text[end : end + 1] == "\n":
                return _Cut(line, end + 1, "")
        return _Cut(start, end, text)


def _keys(rule: syntax.Statement) -> list[Key]:
    """What a rule decides; nothing for definitions, and for what only adds up."""
    if isinstance(rule, syntax.Task):
        return [("Task", task) for task in rule.tasks]
    if isinstance(rule, syntax.Region):
        return [("Region", task, rule.region, rule.processor) for task in rule.tasks]
    if isinstance(rule, syntax.Layout):
        return [("Layout", task, rule.region, rule.place) for task in rule.tasks]
    if isinstance(rule, syntax.InstanceLimit):
        return [("InstanceLimit", rule.task)]
    if isinstance(rule, _Map):
        return [(type(rule).__name__, key) for key in rule.keys]
    return []


def _without(rule: syntax.Statement, keys: set[Key]) -> syntax.Statement | None:
    """What is left of a rule without the keys: itself, a part of it, or nothing."""
    own = _keys(rule)
    if not keys.intersection(own):
        return rule
    left = [position for position, key in enumerate(own) if key not in keys]
    if not left:
        return None
    if isinstance(rule, _Map):
        return replace(rule, keys=tuple(rule.keys[i] for i in left))
    if isinstance(rule, _Listed):
        return replace(rule, tasks=tuple(rule.tasks[i] for i in left))
    return None
