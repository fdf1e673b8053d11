"""Asking a model until it proposes what can be tried."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuners import attributes
from tuners.llm.candidates import candidates_in
from tuners.llm.done import done_reason
from tuners.llm.model.accounted import used_by
from tuners.llm.model.errors import ModelError
from tuners.llm.model.exchange import Message, ModelUsage, estimated_tokens
from tuners.llm.prompts.writer import part

if TYPE_CHECKING:
    from tuners.finished_trial import FinishedTrial, TrialHistory
    from tuners.llm.candidates import Candidate
    from tuners.llm.model.exchange import Model, Request
    from tuners.llm.prompts.trial_formatter import TrialFormatter
    from tuners.llm.prompts.writer import Prompt
    from tuners.llm.settings import ModelSettings
    from tuners.llm.study import TrialContext

__all__ = ["Dialogue", "DialogueResult"]

NOTES = 4  # told of a candidate that goes back

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DialogueResult:
    """How a dialogue ended.

    Attributes:
        candidates: Those to try, the first one first; empty where there is none.
        why: Why there is none, or what is to be said of the first.
        usage: What it has used of the model.
        messages: The whole conversation.
        error: The failure of the model that ended it, if one did.
        done: Why the model has nothing left to propose, where it said so.
    """

    candidates: tuple[Candidate, ...]
    why: str
    usage: ModelUsage
    messages: tuple[Message, ...]
    error: ModelError | None = None
    done: str | None = None


@dataclass
class Dialogue:
    """One dialogue about one trial.

    Where the conversation has grown beyond the longest prompt, only the last reply goes back;
    where that is too long itself, none does.

    Attributes:
        context: The trial.
        settings: How the model is asked.
        prompt: The first question.
        history: The trials that the model may repeat.
        formatter: Says what is wrong with a reply.
        usage: What the dialogue has used of the model so far.
    """

    context: TrialContext
    settings: ModelSettings
    prompt: Prompt
    history: TrialHistory
    formatter: TrialFormatter
    usage: ModelUsage = field(default_factory=ModelUsage)

    def run(self, model: Model, request: Request) -> DialogueResult:
        """Asks, and asks again while no candidate can be tried and repairs are left."""
        messages = request.messages
        found: list[Candidate] = []
        for turn in range(1 + self.settings.repairs):
            asked = replace(request, messages=messages, seed=_turn_seed(request.seed, turn))
            try:
                reply = model.ask(asked)
            except ModelError as error:
                self.usage += used_by(error)
                return DialogueResult((), str(error), self.usage, messages, error)
            self.usage += reply.usage(asked)
            messages = (*messages, Message("assistant", reply.text))
            found = self._candidates(reply.text)
            done = self._done(reply.text, found)
            if done is not None:
                why = f"{attributes.IS_DONE}: {done}"
                return DialogueResult((), why, self.usage, messages, done=done)
            repeated = self._repeated(found)
            good = [each for each in found if not each.complaints and each.key not in repeated]
            if good:
                return DialogueResult(tuple(good), attributes.OWN_PROPOSAL, self.usage, messages)
            if turn < self.settings.repairs:
                back = self._sent_back(messages, found, repeated)
                if back is None:
                    break
                messages = back
                self.usage += ModelUsage(repairs=1)
                log.info("reply sent back for repair %d: %s", turn + 1, _first_complaint(found))
        return self._exhausted(found, messages)

    def _candidates(self, reply: str) -> list[Candidate]:
        plan = self.prompt.plan
        revised = plan.base if plan.answer == "blocks" else None
        return candidates_in(
            reply,
            self.context.memory.problem,
            base=None if revised is None else self.formatter.text(revised),
            most=self.settings.candidates,
        )

    def _done(self, reply: str, found: Sequence[Candidate]) -> str | None:
        """Why the model is done, where it proposes nothing and something has run."""
        if found or self.history.best is None:
            return None
        return done_reason(reply)

    def _repeated(self, found: Sequence[Candidate]) -> dict[str | None, int]:
        """The trials that candidates would repeat, by the candidates' keys."""
        return {
            each.key: number
            for each in found
            if (number := self.context.duplicate_of(each)) is not None
        }

    def _sent_back(
        self,
        messages: tuple[Message, ...],
        found: Sequence[Candidate],
        repeated: dict[str | None, int],
    ) -> tuple[Message, ...] | None:
        """The conversation with a complaint at its end; None where there is no room for it."""
        first = min(repeated.values(), default=None)
        trial = next((each for each in self.history.trials if each.number == first), None)
        complaint = Message("user", _complaint(self.formatter, found, first, trial))
        for start in (messages, (*self.prompt.messages, messages[-1])):
            whole = (*start, complaint)
            tokens = estimated_tokens(*(message.content for message in whole))
            if tokens <= self.settings.max_prompt_tokens:
                return whole
        return None

    def _exhausted(self, found: list[Candidate], messages: tuple[Message, ...]) -> DialogueResult:
        """What is left when nothing is good: a faulty candidate is tried, a known one is not."""
        after = f" after {self.usage.repairs} repairs" if self.usage.repairs else ""
        repeated = self._repeated(found)
        faulty = [each for each in found if each.key not in repeated]
        if faulty:
            why = f"{attributes.OWN_PROPOSAL}, faulty{after}"
            return DialogueResult((faulty[0],), why, self.usage, messages)
        if repeated:
            why = f"the model repeats trial {min(repeated.values())}{after}"
        else:
            why = f"no candidate in the model's reply{after}"
        return DialogueResult((), why, self.usage, messages)


def _turn_seed(seed: int | None, turn: int) -> int | None:
    return None if seed is None else (seed + turn) % 2**31


def _complaint(
    formatter: TrialFormatter,
    found: Sequence[Candidate],
    number: int | None,
    trial: FinishedTrial | None,
) -> str:
    """The message that sends a reply back.

    Args:
        formatter: Puts the trial into words.
        found: The candidates of the reply.
        number: The first trial that one of them repeats; None where none does.
        trial: That trial, where it has finished.
    """
    if not found:
        return part("nothing", form=formatter.wanted)
    faulty = [each for each in found if each.complaints]
    if faulty:
        complaints = "\n\n".join(
            text for each in faulty[:2] for text in (*each.complaints, *each.notes[:NOTES])
        )
        return part("repair", complaints=complaints)
    result = formatter.score(trial) if trial else "still running"
    return part("repeated", number=number, result=result)


def _first_complaint(found: Sequence[Candidate]) -> str:
    complaints = [complaint for each in found for complaint in each.complaints]
    return complaints[0].splitlines()[0] if complaints else "nothing new in it"
