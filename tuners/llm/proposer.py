"""Having a model propose one trial: the prompt, the dialogue, and what comes of the reply."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuners import attributes
from tuners.llm.candidates import Candidate, candidates_in, check_candidate
from tuners.llm.conversations import Conversation, Turn
from tuners.llm.dialogue import Dialogue, Expenses, Settled
from tuners.llm.lazy_model import spending
from tuners.llm.two_turn_model import ReasonsFirst

if TYPE_CHECKING:
    from tuners.llm.prompt_settings import Asking
    from tuners.llm.lazy_model import LateModel
    from tuners.llm.model.errors import ModelError
    from tuners.llm.model.exchange import Model
    from tuners.llm.trial_context import Occasion
    from tuners.llm.trial_history import Past
    from tuners.llm.prompts.writer import Prompt, PromptWriter

__all__ = ["Proposal", "Proposer"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of asking.

    Attributes:
        values: Of the trial's parameters; None where the model proposes none.
        why: Why there are none, or what is to be said of them.
        expenses: What it has cost.
        notes: Further attributes of the trial.
    """

    values: dict[str, Any] | None
    why: str
    expenses: Expenses = field(default_factory=Expenses)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Proposer:
    """Asks a model for trials.

    Args:
        model: Who is asked.
        asking: How.
    """

    def __init__(self, model: LateModel, asking: Asking) -> None:
        self._model = model
        self._asking = asking

    def propose(self, occasion: Occasion) -> Proposal:
        """The model's proposal for a trial, or why there is none."""
        return self._waiting(occasion) or self._asked(occasion)

    def _waiting(self, occasion: Occasion) -> Proposal | None:
        """A candidate of the latest reply that had several, where one was not tried yet."""
        if self._asking.candidates == 1:
            return None
        for earlier in reversed(occasion.trials):
            texts = earlier.user_attrs.get(attributes.CANDIDATES)
            if earlier.number == occasion.trial.number or not isinstance(texts, list):
                continue
            for text in texts:
                candidate = check_candidate(str(text), occasion.memory.problem)
                accepted = _accepted(occasion, candidate)
                if accepted is not None:
                    why = f"a further candidate of trial {earlier.number}'s reply"
                    return Proposal(accepted[0], why, notes=accepted[1])
            return None
        return None

    def _asked(self, occasion: Occasion) -> Proposal:
        model = self._model.open(spending(occasion.trials))
        if self._model.gone is not None or model is None:
            return Proposal(None, str(self._model.gone))
        settled, turn = self._settle(occasion, model)
        if settled.error is not None:
            self._take_failure(settled.error)
            why = f"{settled.error.kind}: {settled.why}"
            return Proposal(None, why, settled.expenses, {attributes.FAILURE: settled.error.kind})
        if not settled.candidates:
            return Proposal(None, settled.why, settled.expenses, turn)
        first, *further = settled.candidates
        accepted = _accepted(occasion, first)
        if accepted is None:
            why = "the model's proposal has no place in the space, or another worker tries it"
            return Proposal(None, why, settled.expenses, turn)
        values, notes = accepted
        if further:
            notes[attributes.CANDIDATES] = [each.text for each in further]
        return Proposal(values, settled.why, settled.expenses, {**notes, **turn})

    def _settle(self, occasion: Occasion, model: Model) -> tuple[Settled, dict[str, Any]]:
        """How the dialogue about a trial ended, and the turn that it adds to a conversation."""
        strategy, conversations = self._asking.strategy, occasion.memory.conversations
        trials = occasion.trials
        past = occasion.past(trials)
        writer = self._asking.writer(occasion.memory, occasion.study.direction, trials)
        conversation = conversations.take(trials) if strategy.converses else None
        settled = None
        try:
            prompt, follows = self._prompt(writer, past, conversation)
            dialogue = self._dialogue(occasion, model, writer, past, prompt)
            number, problem = occasion.trial.number, occasion.memory.problem
            settled = dialogue.settle(self._asking.request(number, problem, prompt))
        finally:
            if settled is None or settled.error is not None:
                conversations.give_back(conversation)
        if settled.error is not None or not strategy.converses:
            return settled, {}
        told = frozenset(attempt.number for attempt in past.attempts)
        return settled, Turn.after(follows, settled.messages, told, prompt.brief.answer).note()

    def _prompt(
        self, writer: PromptWriter, past: Past, conversation: Conversation | None
    ) -> tuple[Prompt, Conversation | None]:
        """The next turn of the conversation, or the beginning of a new one."""
        strategy = self._asking.strategy
        if conversation is not None and past.attempts:
            news = [each for each in past.attempts if each.number not in conversation.told]
            going_on = writer.following(
                strategy, past, conversation.messages, news, conversation.answer
            )
            if going_on is not None:
                return going_on, conversation
        return writer.first(strategy, past), None

    def _dialogue(
        self, occasion: Occasion, model: Model, writer: PromptWriter, past: Past, prompt: Prompt
    ) -> Dialogue:
        asking, base = self._asking, prompt.brief.base
        by_number = {attempt.number: attempt for attempt in past.attempts}
        blocks = base is not None and prompt.brief.answer == "blocks"
        text = writer.voice.text(base) if base and blocks else None
        return Dialogue(
            model=ReasonsFirst(model) if asking.decode == "grammar" else model,
            read=lambda reply: candidates_in(
                reply, occasion.memory.problem, base=text, most=asking.candidates
            ),
            tried=occasion.tried,
            complain=lambda found, known: writer.voice.complaint(found, known, by_number),
            repairs=asking.repairs,
            limit=asking.max_prompt_tokens,
        )

    def _take_failure(self, error: ModelError) -> None:
        if error.permanent:
            self._model.lose(error)
        else:
            log.info("the model gave no reply (%s): %s", error.kind, error)


def _accepted(
    occasion: Occasion, candidate: Candidate
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The values that stand for a candidate, which is being tried from here on, and notes."""
    problem = occasion.memory.problem
    if problem.form == "values" and candidate.complaints:
        return None
    projection = problem.project(candidate.text)
    finished = occasion.finished()
    claimed = occasion.memory.claim(candidate, occasion.study, occasion.trial)
    if not claimed or not occasion.is_ours(candidate.key, finished):
        return None  # it was tried, or another worker was faster
    noted: dict[str, Any] = {}
    if problem.form == "mapper":
        noted[attributes.TEXT] = candidate.text
        if not projection.exact:
            noted[attributes.PROJECTION] = "nearest"
    values = {name: value for name, value in projection.values.items() if name in occasion.space}
    return values, noted
