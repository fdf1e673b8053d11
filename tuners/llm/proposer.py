"""Having a model propose one trial: whether it is asked, the prompt, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection

from tuners import attributes
from tuners.llm.candidates import Candidate, check_candidate
from tuners.llm.dialogue import Dialogue, DialogueResult
from tuners.llm.done import done_trial
from tuners.llm.model.exchange import ModelUsage, Request
from tuners.llm.prompts.reply_schema import reply_schema
from tuners.llm.prompts.trial_formatter import TrialFormatter
from tuners.llm.prompts.writer import Prompt, PromptWriter
from tuners.llm.strategies import strategy_named
from tuners.llm.study import TrialContext, model_usage
from tuners.llm.two_turn_model import TwoTurnModel
from tuners.samplers.wrappers import derived_seed

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuners.finished_trial import FinishedTrial
    from tuners.llm.lazy_model import LazyModel
    from tuners.llm.model.exchange import Message, Model
    from tuners.llm.settings import ModelSettings
    from tuners.llm.study import StudyMemory
    from tuners.problems.problem import TextProblem

__all__ = ["ENQUEUED", "Proposal", "Proposer"]

ENQUEUED = "enqueued"

# Characters of candidates that are kept for later trials: databases hold so much in an attribute.
MOST_KEPT = 40_000

# What is left of a prompt's limit each time that one was too long for the model.
SHRINKING = 0.7


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of asking for a trial.

    Attributes:
        values: Values of the trial's parameters; None where the model proposes none.
        why: Why there are none, or what is to be said of them.
        usage: What it has used of the model.
        notes: Further attributes of the trial.
    """

    values: dict[str, Any] | None
    why: str
    usage: ModelUsage = field(default_factory=ModelUsage)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def noted(self) -> dict[str, Any]:
        """The notes and the usage as attributes of the trial."""
        used = self.usage
        if not used.calls:
            return dict(self.notes)
        return {
            **self.notes,
            attributes.CALLS: used.calls,
            attributes.REPAIRS: used.repairs,
            attributes.TOKENS: used.tokens,
            attributes.COST: None if used.unknown_cost_calls else used.cost,
        }


class Proposer:
    """Asks a model for trials, whenever it is the model's turn.

    Args:
        settings: How it is asked.
        seed: Equal seeds ask alike.

    Attributes:
        strategy: When the model is asked, and what it is told.

    Raises:
        TunerError: There is no such strategy.
    """

    def __init__(self, settings: ModelSettings, seed: int) -> None:
        named = settings.strategy
        self.strategy = strategy_named(named) if isinstance(named, str) else named
        self._settings = settings
        self._seed = seed

    def propose(self, context: TrialContext) -> Proposal:
        """The model's proposal for a trial, or why there is none."""
        why = self._skip_reason(context)
        if why is not None:
            return Proposal(None, why)
        return self._further_candidate(context) or self._ask(context)

    def first_prompt(self, memory: StudyMemory) -> tuple[Message, ...]:
        """What the model is asked for the first trial of a study.

        Raises:
            PromptTooLong: It does not fit into the longest prompt.
        """
        writer = self._writer(memory, [])
        return writer.prompt(self.strategy, memory.history([])).messages

    def formatter(self, memory: StudyMemory, trials: Sequence[FrozenTrial]) -> TrialFormatter:
        """What tells the model of trials: it remembers what it has told."""
        return self._writer(memory, trials).formatter

    def _skip_reason(self, context: TrialContext) -> str | None:
        """Why the model is not asked for a trial; None where it is."""
        fixed, space, every = context.fixed, context.space, self._settings.every
        if fixed.keys() & space.keys():
            whole = fixed.keys() >= space.keys()
            return ENQUEUED if whole else f"{ENQUEUED} in part, the rest is the fallback's"
        if every and (context.trial.number + 1) % every == 0:
            return f"every {every}th trial is the fallback's"
        done = done_trial(context.trials)
        if done is not None:
            return f"{attributes.IS_DONE} since trial {done.number}"
        spent = self._budget_spent(context)
        return spent or self.strategy.skip_reason(context.memory.history(context.trials))

    def _budget_spent(self, context: TrialContext) -> str | None:
        """Which budget the study has used up, over all its runs; None where none."""
        budget, model = self._settings.budget, context.memory.model
        if budget is None or model is None:
            return None
        model.open(model_usage(context.trials))
        spent = model.ledger.account().used.exceeds(budget)
        return spent and f"the study's {spent.removeprefix('the ')}"

    def _further_candidate(self, context: TrialContext) -> Proposal | None:
        """A candidate of the latest reply that had several, where one was not tried yet."""
        if self._settings.candidates == 1:
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

    def _ask(self, context: TrialContext) -> Proposal:
        lazy = context.memory.model
        model = None if lazy is None else lazy.open(model_usage(context.trials))
        if lazy is None or model is None:
            return _given_up(lazy)
        result, base = self._converse(context, model)
        error = result.error
        if error is not None:
            why = f"{error.kind}: {result.why}"
            if error.permanent:
                lazy.disable(error)
            else:
                lazy.missed(context.trial.number, error.kind, result.why)
            return Proposal(None, why, result.usage, {attributes.FAILURE: error.kind})
        lazy.answers()
        proposal = _proposal(context, result, base)
        if proposal.values is None and result.done is None:
            lazy.missed(context.trial.number, re.sub(r"\d+", "", proposal.why), proposal.why)
        return proposal

    def _converse(
        self, context: TrialContext, model: Model
    ) -> tuple[DialogueResult, FinishedTrial | None]:
        """How the dialogue about a trial ended, and the trial whose mapper it revised."""
        memory, trials = context.memory, context.trials
        history = memory.history(trials)
        writer = self._writer(memory, trials)
        prompt = writer.prompt(self.strategy, history)
        dialogue = Dialogue(context, self._settings, prompt, history, writer.formatter)
        in_two_turns = self._settings.decode == "grammar"
        request = self._request(context, prompt)
        result = dialogue.run(TwoTurnModel(model) if in_two_turns else model, request)
        return result, prompt.plan.base

    def _writer(self, memory: StudyMemory, trials: Sequence[FrozenTrial]) -> PromptWriter:
        """The writer of prompts; of shorter ones after each that was too long for the model."""
        settings = self._settings
        too_long = sum(each.user_attrs.get(attributes.FAILURE) == "context" for each in trials)
        limit = int(settings.max_prompt_tokens * SHRINKING**too_long)

        def make() -> PromptWriter:
            return PromptWriter(
                TrialFormatter(memory.problem, settings.feedback, settings.candidates),
                limit=limit,
                history=settings.history,
                examples=settings.examples,
                decode=settings.decode,
                maximise=memory.direction == StudyDirection.MAXIMIZE,
            )

        return memory.writer(limit, make)

    def _request(self, context: TrialContext, prompt: Prompt) -> Request:
        """What is sent first."""
        settings, problem = self._settings, context.memory.problem
        schema = grammar = None
        if settings.decode == "schema" and prompt.plan.answer != "blocks":
            schema = reply_schema(problem, settings.candidates)
        elif settings.decode == "grammar":
            grammar = problem.grammar
        return Request(
            messages=prompt.messages,
            temperature=settings.temperature,
            max_tokens=settings.max_reply_tokens,
            seed=derived_seed(self._seed, context.trial.number) % 2**31,
            schema=schema,
            grammar=grammar,
            trial=context.trial.number,
        )


def _given_up(lazy: LazyModel | None) -> Proposal:
    error = lazy.failure if lazy else None
    if error is None:
        return Proposal(None, "there is no model")
    return Proposal(None, f"{error.kind}: {error}", notes={attributes.FAILURE: error.kind})


def _proposal(
    context: TrialContext, result: DialogueResult, base: FinishedTrial | None
) -> Proposal:
    """What comes of a dialogue that no error has ended."""
    if result.done is not None:
        return Proposal(None, result.why, result.usage, {attributes.DONE: result.done})
    if not result.candidates:
        return Proposal(None, result.why, result.usage)
    first, *further = result.candidates
    accepted = _accepted(context, first)
    if accepted is None:
        why = "the model's proposal has no place in the space, or another worker tries it"
        return Proposal(None, why, result.usage)
    values, notes = accepted
    if base is not None:
        notes[attributes.BASE] = base.number
    if further:
        sizes = accumulate(len(each.text) for each in further)
        kept = [each.text for each, size in zip(further, sizes, strict=True) if size <= MOST_KEPT]
        notes[attributes.CANDIDATES] = kept
    return Proposal(values, result.why, result.usage, notes)


def _accepted(
    context: TrialContext, candidate: Candidate
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The values that stand for a candidate, which is being tried from here on, and notes."""
    problem: TextProblem = context.memory.problem
    if problem.form == "values" and candidate.complaints:
        return None
    projection = problem.project(candidate.text)
    if not context.claim(candidate):
        return None  # it was tried, or another worker was faster
    noted: dict[str, Any] = {}
    if problem.form == "mapper":
        noted[attributes.TEXT] = candidate.text
        if not projection.exact:
            noted[attributes.PROJECTION] = "nearest"
        if candidate.notes:
            noted[attributes.MENDED] = list(candidate.notes)
    values = {name: value for name, value in projection.values.items() if name in context.space}
    return values, noted
