"""Having a model propose one trial: the prompt, the dialogue, and what comes of the reply."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuners import attributes
from tuners.llm.candidates import Candidate, candidates_in, check_candidate
from tuners.llm.conversations import Conversation, Turn
from tuners.llm.dialogue import Dialogue, DialogueResult, Expenses
from tuners.llm.lazy_model import spending
from tuners.llm.two_turn_model import TwoTurnModel

if TYPE_CHECKING:
    from tuners.llm.lazy_model import LazyModel
    from tuners.llm.model.errors import ModelError
    from tuners.llm.model.exchange import Model
    from tuners.llm.prompt_settings import PromptSettings
    from tuners.llm.prompts.writer import Prompt, PromptWriter
    from tuners.llm.trial_context import TrialContext
    from tuners.llm.trial_history import TrialHistory

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

    def __init__(self, model: LazyModel, asking: PromptSettings) -> None:
        self._model = model
        self._asking = asking

    def propose(self, context: TrialContext) -> Proposal:
        """The model's proposal for a trial, or why there is none."""
        return self._waiting(context) or self._asked(context)

    def _waiting(self, context: TrialContext) -> Proposal | None:
        """A candidate of the latest reply that had several, where one was not tried yet."""
        if self._asking.candidates == 1:
            return None
        for earlier in reversed(context.trials):
            texts = earlier.user_attrs.get(attributes.CANDIDATES)
            if earlier.number == context.trial.number or not isinstance(texts, list):
                continue
            for text in texts:
                candidate = check_candidate(str(text), context.memory.problem)
                accepted = _accepted(context, candidate)
                if accepted is not None:
                    why = f"a further candidate of trial {earlier.number}'s reply"
                    return Proposal(accepted[0], why, notes=accepted[1])
            return None
        return None

    def _asked(self, context: TrialContext) -> Proposal:
        model = self._model.open(spending(context.trials))
        if self._model.unavailable is not None or model is None:
            return Proposal(None, str(self._model.unavailable))
        settled, turn = self._settle(context, model)
        if settled.error is not None:
            self._take_failure(settled.error)
            why = f"{settled.error.kind}: {settled.why}"
            return Proposal(None, why, settled.expenses, {attributes.FAILURE: settled.error.kind})
        if not settled.candidates:
            return Proposal(None, settled.why, settled.expenses, turn)
        first, *further = settled.candidates
        accepted = _accepted(context, first)
        if accepted is None:
            why = "the model's proposal has no place in the space, or another worker tries it"
            return Proposal(None, why, settled.expenses, turn)
        values, notes = accepted
        if further:
            notes[attributes.CANDIDATES] = [each.text for each in further]
        return Proposal(values, settled.why, settled.expenses, {**notes, **turn})

    def _settle(
        self, context: TrialContext, model: Model
    ) -> tuple[DialogueResult, dict[str, Any]]:
        """How the dialogue about a trial ended, and the turn that it adds to a conversation."""
        strategy, conversations = self._asking.strategy, context.memory.conversations
        trials = context.trials
        history = context.history(trials)
        writer = self._asking.writer(context.memory, context.study.direction, trials)
        conversation = conversations.take(trials) if strategy.converses else None
        settled = None
        try:
            prompt, follows = self._prompt(writer, history, conversation)
            dialogue = self._dialogue(context, model, writer, history, prompt)
            number, problem = context.trial.number, context.memory.problem
            settled = dialogue.run(self._asking.request(number, problem, prompt))
        finally:
            if settled is None or settled.error is not None:
                conversations.give_back(conversation)
        if settled.error is not None or not strategy.converses:
            return settled, {}
        told = frozenset(attempt.number for attempt in history.attempts)
        return settled, Turn.after(follows, settled.messages, told, prompt.plan.answer).note()

    def _prompt(
        self, writer: PromptWriter, history: TrialHistory, conversation: Conversation | None
    ) -> tuple[Prompt, Conversation | None]:
        """The next turn of the conversation, or the beginning of a new one."""
        strategy = self._asking.strategy
        if conversation is not None and history.attempts:
            news = [each for each in history.attempts if each.number not in conversation.told]
            going_on = writer.following(
                strategy, history, conversation.messages, news, conversation.answer
            )
            if going_on is not None:
                return going_on, conversation
        return writer.first(strategy, history), None

    def _dialogue(
        self,
        context: TrialContext,
        model: Model,
        writer: PromptWriter,
        history: TrialHistory,
        prompt: Prompt,
    ) -> Dialogue:
        asking, base = self._asking, prompt.plan.base
        by_number = {attempt.number: attempt for attempt in history.attempts}
        blocks = base is not None and prompt.plan.answer == "blocks"
        text = writer.formatter.text(base) if base and blocks else None
        return Dialogue(
            model=TwoTurnModel(model) if asking.decode == "grammar" else model,
            read=lambda reply: candidates_in(
                reply, context.memory.problem, base=text, most=asking.candidates
            ),
            tried=context.tried,
            complain=lambda found, known: writer.formatter.complaint(found, known, by_number),
            repairs=asking.repairs,
            limit=asking.max_prompt_tokens,
        )

    def _take_failure(self, error: ModelError) -> None:
        if error.permanent:
            self._model.disable(error)
        else:
            log.info("the model gave no reply (%s): %s", error.kind, error)


def _accepted(
    context: TrialContext, candidate: Candidate
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The values that stand for a candidate, which is being tried from here on, and notes."""
    problem = context.memory.problem
    if problem.form == "values" and candidate.complaints:
        return None
    projection = problem.project(candidate.text)
    finished = context.finished()
    claimed = context.memory.claim(candidate, context.study, context.trial)
    if not claimed or not context.is_ours(candidate.key, finished):
        return None  # it was tried, or another worker was faster
    noted: dict[str, Any] = {}
    if problem.form == "mapper":
        noted[attributes.TEXT] = candidate.text
        if not projection.exact:
            noted[attributes.PROJECTION] = "nearest"
    values = {name: value for name, value in projection.values.items() if name in context.space}
    return values, noted
