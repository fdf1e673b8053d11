"""An Optuna sampler that asks a language model."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tuners import attributes
from tuners.llm.lazy_model import LazyModel
from tuners.llm.model_schedule import ENQUEUED, Fallback, ModelSchedule
from tuners.llm.prompt_settings import PromptSettings
from tuners.llm.proposer import Proposal, Proposer
from tuners.llm.strategies import Strategy, strategy_named
from tuners.llm.study_memory import StudyMemory
from tuners.llm.trial_context import TrialContext
from tuners.llm.trial_history import TrialHistory
from tuners.samplers.delegating import DelegatingSampler

if TYPE_CHECKING:
    from pathlib import Path

    from tuners.llm.model.budget import Budget
    from tuners.llm.model.exchange import Message, Model
    from tuners.llm.prompts.trial_formatter import Decode, Feedback
    from tuners.problems.problem import TextProblem

__all__ = ["LLMSampler"]

log = logging.getLogger(__name__)


class LLMSampler(DelegatingSampler):
    """Asks a language model for the next trial, and another sampler where that fails.

    With a problem, such as a ``MapperProblem``, the model is shown the language, the domain, the
    space and the history with feedback, and answers with whole candidates, decision blocks or
    values. A mapper that the template cannot render stands with the trial as the attribute
    ``mappertune:text``, and the trial's parameters are the nearest ones, so that other samplers
    learn from it; ``MapperProblem`` as the objective evaluates the text.

    Without a problem it works on any search space: the model sees the parameters with their
    ranges and what was tried, and answers with values. As Optuna tells samplers nothing of the
    space beforehand, the first trial is the fallback's unless ``space`` is given.

    It optimises one objective; in studies of several the fallback proposes. A candidate that was
    tried is told to be so and asked anew, and is never proposed while the fallback has another.
    The zero-shot baseline of the ICML 2025 paper is ``strategy="iid", repairs=0``; few-shot is the
    same with ``examples=5``.

    Every trial says in its attributes who proposed it, why, and what that has cost
    (`tuners.attributes`).

    Args:
        problem: What is tuned; None for any Optuna objective.
        model: Name of a model as litellm knows it, ``"replay:FILE"``, or one that is open.
        fallback: Name of a tuner or a sampler: proposes where the model does not.
        strategy: ``"trace"``, ``"opro"``, ``"iid"``, ``"hybrid"``, or a strategy.
        seed: Equal seeds ask and fall back alike; None for a random one.
        repairs: How often a reply that does not parse, does not check or repeats a trial goes
            back before a trial is spent. With 0 every reply is a trial, as in the ICML 2025
            paper, but for repetitions.
        feedback: What is told of a trial beside its score: ``"none"``, ``"raw"``,
            ``"explained"`` or ``"suggested"``.
        candidates: How many a reply shall have; those after the first are for later trials.
        every: Each so manieth trial is the fallback's.
        history: How many trials are told of at most.
        examples: How many mappers of other programs are shown (few-shot).
        max_prompt_tokens: The longest prompt; the least useful history is left out first.
        max_reply_tokens: The longest reply; None leaves it to the provider.
        temperature: Of the model's sampling; None leaves it to the provider.
        decode: ``"free"``, ``"schema"`` (JSON by a schema), or ``"grammar"`` (the model reasons
            freely, and writes the mapper by a Lark grammar in a second turn).
        space: The search space, where there is no problem and it is known beforehand.
        description: What the objective is about, for the model, where there is no problem.
        budget: What the model may use for one study, in calls, tokens and money; trials of
            earlier runs count.
        transcript: A file to which every exchange is appended.
        base_url: Address of the model's API.
        api_key_env: Name of the environment variable that holds its key.
        timeout: Seconds until a call is given up.

    Raises:
        TunerError: There is no such strategy or fallback.
    """

    def __init__(
        self,
        problem: TextProblem | None = None,
        *,
        model: str | Model,
        fallback: str | BaseSampler = "tpe",
        strategy: str | Strategy = "trace",
        seed: int | None = None,
        repairs: int = 2,
        feedback: Feedback = "suggested",
        candidates: int = 1,
        every: int | None = None,
        history: int = 10,
        examples: int = 0,
        max_prompt_tokens: int = 24_000,
        max_reply_tokens: int | None = 4096,
        temperature: float | None = None,
        decode: Decode = "free",
        space: Mapping[str, BaseDistribution] | None = None,
        description: str | None = None,
        budget: Budget | None = None,
        transcript: Path | None = None,
        base_url: str | None = None,
        api_key_env: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._problem = problem
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._space = None if space is None else dict(space)
        self._description = description
        self._fallback = Fallback(fallback, problem, self._seed)
        opening = {
            "base_url": base_url,
            "api_key_env": api_key_env,
            "timeout": timeout,
            "budget": budget,
            "transcript": transcript,
        }
        self._model = LazyModel(model, opening, self._fallback.name)
        self._asking = PromptSettings(
            strategy=strategy_named(strategy) if isinstance(strategy, str) else strategy,
            seed=self._seed,
            repairs=repairs,
            feedback=feedback,
            candidates=candidates,
            history=history,
            examples=examples,
            max_prompt_tokens=max_prompt_tokens,
            max_reply_tokens=max_reply_tokens,
            temperature=temperature,
            decode=decode,
        )
        self._proposer = Proposer(self._model, self._asking)
        self._schedule = ModelSchedule(self._asking.strategy, every, budget)
        self._memories: weakref.WeakKeyDictionary[Study, StudyMemory] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._asking.strategy.name}, then {self._fallback})"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_memories", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _memories=weakref.WeakKeyDictionary(), _lock=threading.Lock())

    @property
    def model(self) -> Model | None:
        """The model, where it could be opened and was needed."""
        return self._model.opened

    def first_prompt(
        self, direction: StudyDirection = StudyDirection.MAXIMIZE
    ) -> tuple[Message, ...]:
        """What the model is asked for the first trial of a study.

        Raises:
            PromptTooLong: It does not fit into ``max_prompt_tokens``.
            ValueError: There is neither a problem nor a space.
        """
        space = self._space or (self._problem.distributions if self._problem else None)
        if space is None:
            raise ValueError("without a problem or a space there is nothing to ask about")
        writer = self._asking.writer(
            StudyMemory(self._problem, space, self._description), direction, []
        )
        return writer.first(self._asking.strategy, TrialHistory([], direction)).messages

    # Optuna's hooks

    def reseed_rng(self) -> None:
        self._fallback.sampler.reseed_rng()

    def _delegate(self, trial: FrozenTrial) -> BaseSampler:  # noqa: ARG002  (one for all)
        return self._fallback.sampler

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._problem is not None:
            return dict(self._problem.distributions)
        if len(study.directions) > 1:
            return super().infer_relative_search_space(study, trial)
        known = self._memory(study, {}).seen(study)
        space = {**known, **(self._space or {})}
        return {name: each for name, each in space.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            return super().sample_relative(study, trial, search_space)
        if not search_space:
            self._note(study, trial, self._fallback.name, "the search space is not known yet")
            return {}
        memory = self._memory(study, search_space)
        context = TrialContext(study, trial, search_space, memory)
        proposal = self._propose(context)
        if proposal.values is not None:
            self._note(study, trial, "model", proposal.why, proposal)
            return proposal.values
        enqueued = proposal.why.startswith(ENQUEUED)
        proposer = ENQUEUED if enqueued else self._fallback.name
        self._note(study, trial, proposer, proposal.why, proposal)
        return self._fallback.propose(context)

    # What it does itself

    def _propose(self, context: TrialContext) -> Proposal:
        try:
            why = self._schedule.skip_reason(context)
            return Proposal(None, why) if why else self._proposer.propose(context)
        except Exception as error:  # an exception here would leave a trial that runs for ever
            log.exception("%s failed on trial %d", self, context.trial.number)
            return Proposal(None, f"the sampler failed: {type(error).__name__}: {error}")

    def _memory(self, study: Study, space: Mapping[str, BaseDistribution]) -> StudyMemory:
        with self._lock:
            memory = self._memories.get(study)
            if memory is None:
                memory = StudyMemory(self._problem, space, self._description)
                self._memories[study] = memory
        memory.search_in(space)
        return memory

    def _note(
        self,
        study: Study,
        trial: FrozenTrial,
        proposer: str,
        why: str,
        proposal: Proposal | None = None,
    ) -> None:
        """Says who proposed a trial, why, and at what cost.

        It goes into the storage, and into the running trial's own view, which is read but once.
        """
        noted: dict[str, Any] = {attributes.PROPOSER: proposer, attributes.WHY: why}
        if proposal is not None:
            noted |= {**proposal.notes, **proposal.expenses.note()}
        for key, value in noted.items():
            trial.user_attrs[key] = value
            study._storage.set_trial_user_attr(trial._trial_id, key, value)  # noqa: SLF001  (samplers have no other way)
