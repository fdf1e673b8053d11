"""Conversations that go on from trial to trial; the trials themselves keep them.

Each trial that a model was asked about keeps its turn: what was said, and which trial's turn it
follows. So a study that was stopped and resumed, or that is replayed in parts, goes on with the
conversation as if it had never stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tuners import attributes
from tuners.llm.model.exchange import Message

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuners.llm.candidates import Answer
    from tuners.llm.model.exchange import Role

__all__ = ["Conversation", "Conversations", "Turn"]

# Characters of a turn that is kept with its trial; some storages take 64 KB. After a longer one a
# conversation begins anew.
LONGEST_TURN = 50_000


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation that can go on.

    Attributes:
        end: The trial of its last turn.
        messages: All messages but the system's.
        shown: Numbers of the trials that the model was shown.
        answer: The form of the last answer.
    """

    end: int
    messages: tuple[Message, ...]
    shown: frozenset[int]
    answer: Answer


@dataclass(frozen=True, slots=True)
class Turn:
    """What one trial adds to a conversation.

    Attributes:
        follows: The trial of the turn before; None where it begins a conversation.
        messages: The new messages, without the system's.
        shown: Numbers of the trials that the model has been shown by now.
        answer: The form of the answer.
    """

    follows: int | None
    messages: Sequence[Message]
    shown: frozenset[int]
    answer: Answer

    @classmethod
    def after(
        cls,
        before: Conversation | None,
        whole: Sequence[Message],
        shown: frozenset[int],
        answer: Answer,
    ) -> Turn:
        """The turn that leads from a conversation to the whole one, which has a system message."""
        known = 1 + len(before.messages if before else ())
        return cls(before.end if before else None, whole[known:], shown, answer)

    def note(self) -> dict[str, Any]:
        """The turn as an attribute of its trial; empty where it is too long to be kept."""
        if sum(len(message.content) for message in self.messages) > LONGEST_TURN:
            return {}
        upto = max(self.shown, default=-1) + 1
        noted = {
            "follows": self.follows,
            "messages": [[message.role, message.content] for message in self.messages],
            "told": [upto, sorted(set(range(upto)) - self.shown)],  # all before, but for these
            "answer": self.answer,
        }
        return {attributes.TURN: noted}


class Conversations:
    """The conversations of one study; no two workers go on with the same one."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    def take(self, trials: Sequence[FrozenTrial]) -> Conversation | None:
        """The latest conversation that can go on, which is then the caller's; None without one.

        A conversation can go on when the trial of its last turn has finished, unless a prompt
        has turned out to be too long since.
        """
        turns = {
            trial.number: turn
            for trial in trials
            if isinstance(turn := trial.user_attrs.get(attributes.TURN), dict)
        }
        followed = {turn["follows"] for turn in turns.values()}
        with self._lock:
            for trial in reversed(trials):
                if trial.user_attrs.get(attributes.FAILURE) == "context":
                    return None
                number = trial.number
                if number not in turns or number in followed or number in self._taken:
                    continue
                if trial.state.is_finished():
                    self._taken.add(number)
                    return _conversation(number, turns)
        return None

    def give_back(self, conversation: Conversation | None) -> None:
        """Lets others go on with a conversation to which nothing was added."""
        if conversation is not None:
            with self._lock:
                self._taken.discard(conversation.end)


def _conversation(end: int, turns: Mapping[int, Mapping[str, Any]]) -> Conversation | None:
    """The conversation that ends with a trial's turn; None where a part of it is missing."""
    messages: list[Message] = []
    number: int | None = end
    while number is not None:
        if number not in turns:
            return None
        said = turns[number]["messages"]
        messages[:0] = [Message(cast("Role", role), text) for role, text in said]
        number = turns[number]["follows"]
    upto, omitted = turns[end]["told"]
    shown = frozenset(range(upto)).difference(omitted)
    return Conversation(end, tuple(messages), shown, turns[end]["answer"])
