"""Drives the tables that Lark makes of the grammar: from any states, with or without trees.

Where the parser stands is a list of states; whoever keeps a copy of it can begin again there.

Lark's own loop makes a reduction for each level of precedence that an operand passes through.
Here a chain of those that leave the operand as it is takes one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from lark import Lark

__all__ = ["END", "Lalr", "States"]

END = "$END"
States: TypeAlias = list[int]


class _Reduction(NamedTuple):
    """How many symbols become one of what name, and what makes its value of theirs."""

    size: int
    symbol: str
    action: Callable[[list[Any]], Any]
    is_plain: bool  # one symbol becomes another, and its value stays


class Lalr:
    """The tables of a parser.

    Attributes:
        start: The states before the first token.
    """

    def __init__(self, parser: Lark) -> None:
        tables: Any = parser.parse_interactive("").parser_state.parse_conf
        self.start: tuple[int, ...] = (tables.start_state,)
        self._end: int = tables.end_state
        self._actions: dict[int, dict[str, int | _Reduction]] = {}
        self._next: dict[int, dict[str, int]] = {}
        self._after: dict[tuple[int, str, str], int] = {}
        for state, row in tables.states.items():
            self._actions[state], self._next[state] = {}, {}
            for symbol, (_, found) in row.items():
                if not isinstance(found, int):
                    self._actions[state][symbol] = _reduction(found, tables.callbacks[found])
                elif symbol.isupper():
                    self._actions[state][symbol] = found
                else:
                    self._next[state][symbol] = found

    def feed(self, states: States, kind: str, values: list[Any] | None, token: Any) -> bool:
        """Takes a token; false where it cannot follow, and the states are of no use any more.

        Args:
            states: Where the parser stands; the list is changed.
            kind: The type of the token.
            values: The values of the states but for the first, which become trees; or None.
            token: The token, where there are values.
        """
        actions, after = self._actions, self._after
        while True:
            found = actions[states[-1]].get(kind)
            if found is None:
                return False
            if isinstance(found, int):
                states.append(found)
                if values is not None:
                    values.append(token)
                return True
            size, symbol, action, _ = found
            if size:
                del states[-size:]
            if values is not None:
                value = action(values[len(values) - size :])
                del values[len(values) - size :]
                values.append(value)
            place = (states[-1], symbol, kind)
            state = after.get(place)
            if state is None:
                state = after[place] = self._follow(*place)
            states.append(state)
            if state == self._end and kind == END:
                return True

    def _follow(self, state: int, symbol: str, kind: str) -> int:
        """The state after a symbol, and after all plain reductions that a token brings."""
        while True:
            reached = self._next[state][symbol]
            found = self._actions[reached].get(kind)
            if not isinstance(found, _Reduction) or not found.is_plain:
                return reached
            symbol = found.symbol

    def takes(self, states: States) -> frozenset[str]:
        """The types of the tokens that can follow."""
        kinds = self._actions[states[-1]]
        return frozenset(kind for kind in kinds if self.feed(states[:], kind, None, None))


def _reduction(rule: Any, action: Callable[[list[Any]], Any]) -> _Reduction:
    whole = rule.expansion
    plain = rule.options.expand1 and rule.alias is None and len(whole) == 1
    return _Reduction(len(whole), rule.origin.name, action, bool(plain and not whole[0].is_term))
