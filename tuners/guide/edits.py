r"""Changes of a mapper's text: statements go, others come, and all the rest stays as it is.

The first statement for a key counts, and a special key outranks a general one (language
reference, section 10). So a new statement takes the place of those for its own key: they go, or
lose the task that the new one speaks of, and it stands where the first of them stood, else before
all others of its type. A map stands behind the function that it names, a machine before all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import dsl
from dsl import syntax
from dsl.unparse import unparse_statement

__all__ = ["Editor", "apply_change"]

_Definition: TypeAlias = syntax.Assignment | syntax.FunctionDefinition
_Listed: TypeAlias = syntax.Task | syntax.Region | syntax.Layout
_Map: TypeAlias = syntax.IndexTaskMap | syntax.SingleTaskMap
Key: TypeAlias = tuple[str, ...]
Statements: TypeAlias = tuple[syntax.Statement, ...]


def apply_change(text: str, statements: str, replaces: Sequence[str] = ()) -> str:
    r"""A mapper's text with some statements taken out and others put in.

    Args:
        text: The mapper. Where it does not parse, the first stretch of text that is to be
            replaced and is there gives way.
        statements: Statements to put in; may be empty. A definition that the mapper has already
            is not repeated.
        replaces: Statements to take out; those that the mapper does not have are passed over.

    Raises:
        dsl.MapperSyntaxError: The text, or a statement, is not in the mapping language.

    >>> apply_change("Task a GPU;\nTask b, c CPU;\n", "Task b GPU;")
    'Task a GPU;\nTask b GPU;\nTask c CPU;\n'
    """
    try:
        program = dsl.parse(text)
    except dsl.MapperSyntaxError:
        for stretch in replaces:
            if stretch and stretch in text:
                return text.replace(stretch, statements, 1)
        raise
    unwanted = {each for part in replaces for each in _statements(part)}
    return Editor(text, program.statements).text(_statements(statements), unwanted)


def _statements(text: str) -> Statements:
    return dsl.parse(text).statements if text.strip() else ()


@dataclass
class _Plan:
    """What is to happen to a mapper's statements, by their number.

    Attributes:
        instead: What stands in the place of a statement; nothing where it goes.
        before: What is put before a statement.
        last: What is put at the end.
    """

    instead: dict[int, Statements] = field(default_factory=dict)
    before: dict[int, list[syntax.Statement]] = field(default_factory=dict)
    last: list[syntax.Statement] = field(default_factory=list)


class Editor:
    """Edits one mapper.

    Args:
        text: The mapper.
        statements: Its statements, with their places.
        shared: Equal statements to give back for those that stay; by default the same.
    """

    def __init__(
        self,
        text: str,
        statements: Sequence[syntax.Statement],
        shared: Sequence[syntax.Statement] | None = None,
    ) -> None:
        self._text = text
        self._old = statements
        self._shared = statements if shared is None else shared
        self._numbers: dict[syntax.Statement, list[int]] = {}
        self._by_key: dict[Key, list[int]] = {}
        self._first: dict[type, int] = {}
        self._functions: dict[str, int] = {}
        for number, each in enumerate(statements):
            self._first.setdefault(type(each), number)
            self._numbers.setdefault(each, []).append(number)
            for key in _keys(each):
                self._by_key.setdefault(key, []).append(number)
            if isinstance(each, _Definition):
                self._functions.setdefault(each.name, number)

    def statements(
        self, new: Sequence[syntax.Statement], unwanted: Collection[syntax.Statement] = ()
    ) -> list[syntax.Statement]:
        """The statements afterwards."""
        plan = self._plan(new, unwanted)
        found: list[syntax.Statement] = []
        for number, each in enumerate(self._shared):
            found += plan.before.get(number, ())
            found += plan.instead.get(number, (each,))
        return found + plan.last

    def text(
        self, new: Sequence[syntax.Statement], unwanted: Collection[syntax.Statement] = ()
    ) -> str:
        """The text afterwards."""
        plan = self._plan(new, unwanted)
        text, end = "", 0
        for number in sorted({*plan.instead, *plan.before}):
            start, after = self._span(self._old[number])
            put = "".join(f"{unparse_statement(s)}\n" for s in plan.before.get(number, ()))
            if number in plan.instead:
                lines = [unparse_statement(each) for each in plan.instead[number]]
                put += "\n".join(lines)
                if not put:
                    start, after = self._with_line(start, after)
            else:
                after = start
            text += self._text[end : max(start, end)] + put
            end = max(after, end)
        text += self._text[end:]
        if plan.last:
            lines = [unparse_statement(each) for each in plan.last]
            text = text.rstrip("\n") + "\n" + "\n".join(lines) + "\n"
        return text

    def _plan(
        self, new: Sequence[syntax.Statement], unwanted: Collection[syntax.Statement]
    ) -> _Plan:
        plan = _Plan()
        coming = [each for each in new if each in unwanted or not self._has(each)]
        keys = {key for each in coming for key in _keys(each)}
        touched = {number for key in keys for number in self._by_key.get(key, ())}
        touched |= {number for each in unwanted for number in self._numbers.get(each, ())}
        for number in sorted(touched):
            old = self._old[number]
            rest = None if old in unwanted else _without(old, keys)
            here = [each for each in coming if self._takes_place_of(each, number, unwanted)]
            coming = [each for each in coming if each not in here]
            plan.instead[number] = (*here, *(() if rest is None else (rest,)))
        for each in coming:
            first = 0 if _is_machine(each) else self._first.get(type(each))
            if first is None or (isinstance(each, _Definition | _Map) and not _is_machine(each)):
                plan.last.append(each)
            else:
                plan.before.setdefault(first, []).append(each)
        return plan

    def _has(self, new: syntax.Statement) -> bool:
        """Whether the mapper says already what need not be said twice."""
        return new in self._numbers and not _keys(new)

    def _takes_place_of(
        self, new: syntax.Statement, number: int, unwanted: Collection[syntax.Statement]
    ) -> bool:
        """Whether a new statement stands where an old one of its type stood."""
        old = self._old[number]
        if type(new) is not type(old):
            return False
        if isinstance(new, syntax.FunctionDefinition) and isinstance(old, _Definition):
            return new.name == old.name
        if isinstance(new, _Map) and self._functions.get(new.function, number) >= number:
            return False
        keys = _keys(new)
        if any(key in self._by_key for key in keys):
            return bool(set(keys).intersection(_keys(old)))
        return old in unwanted

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line begins."""
        starts = [0]
        for line in self._text.split("\n"):
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def _span(self, statement: syntax.Statement) -> tuple[int, int]:
        place = statement.position
        assert place is not None  # noqa: S101  (the parser gives every statement its place)
        start = self._lines[place.line - 1] + place.column - 1
        return start, self._lines[place.end_line - 1] + place.end_column - 1

    def _with_line(self, start: int, end: int) -> tuple[int, int]:
        """A stretch that goes, with its line where that would be left empty."""
        line = self._text.rfind("\n", 0, start) + 1
        alone = not self._text[line:start].strip()
        return (line, end + 1) if alone and self._text[end : end + 1] == "\n" else (start, end)


def _is_machine(statement: syntax.Statement) -> bool:
    """Whether it names the machine of a kind, which needs nothing before it."""
    return (
        isinstance(statement, syntax.Assignment)
        and isinstance(statement.value, syntax.Call)
        and isinstance(statement.value.function, syntax.MachineName)
    )


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


def _without(rule: syntax.Statement, keys: Collection[Key]) -> syntax.Statement | None:
    """What is left of a rule without the keys: itself, a part of it, or nothing."""
    own = _keys(rule)
    left = [position for position, key in enumerate(own) if key not in keys]
    if len(left) == len(own):
        return rule
    if left and isinstance(rule, _Map):
        return replace(rule, keys=tuple(rule.keys[i] for i in left))
    if left and isinstance(rule, _Listed):
        return replace(rule, tasks=tuple(rule.tasks[i] for i in left))
    return None
