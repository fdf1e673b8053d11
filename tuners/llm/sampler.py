"""An Optuna sampler that asks a language model."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuners import attributes
from tuners.dashboard import MOST_NOTES, attach, leave_note, trial_note
from tuners.errors import ModelRequiredError
from tuners.finished_trial import FinishedTrial
from tuners.llm.done import ends_study
from tuners.llm.fallback import Fallback
from tuners.llm.lazy_model import LazyModel, ledger_of
from tuners.llm.proposer import ENQUEUED, Proposal, Proposer
from tuners.llm.settings import ModelSettings
from tuners.llm.study import StudyMemory, TrialContext
from tuners.redaction import process_redactor
from tuners.samplers.claims import is_shared
from tuners.samplers.wrappers import DelegatingSampler

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore

    from tuners.llm.model.exchange import Message, Model
    from tuners.problems.problem import TextProblem

__all__ = ["LLMSampler"]

log = logging.getLogger(__name__)

LONGEST_WHY = 1_000  # characters, though a provider may say more of a failure
SEVERAL = "the study has several objectives, and a model is asked about one alone"


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
    tried goes back to the model, and is not proposed again while the fallback finds another.
    The zero-shot baseline of the ICML 2025 paper is ``strategy="iid", repairs=0``; few-shot is the
    same with ``examples=5``.

    Every trial says in its attributes who proposed it, why, and what that has cost
    (`tuners.attributes`). In a storage that others may read, the first trials and those that were
    the best also have a note for optuna-dashboard, with the mapper and the feedback
    (`tuners.dashboard`). Each call is entered before it is made in a ledger that all processes of
    the study share: in its storage, unless ``ledger`` names a file. A budget is that of the study.

    Args:
        problem: What is tuned; None for any Optuna objective.
        settings: How the model is asked; made of the ``options`` where it is left out.
        seed: Equal seeds ask and fall back alike; None for a random one.
        space: The search space, where there is no problem and it is known beforehand.
        description: What the objective is about, for the model, where there is no problem.
        artifacts: Where the mappers go that the model proposed, as files of their trials; None
            for no files.
        options: The fields of `ModelSettings` by name; ``model`` is the one that must be there.

    Raises:
        TunerError: There is no such strategy or fallback.
        ModelRequiredError: By a trial, where ``required`` is set and the model cannot be opened.

    >>> sampler = LLMSampler(model="openai/gpt-4o", strategy="opro", repairs=0, seed=0)
    >>> print(sampler)
    LLMSampler(opro, then RepeatableSampler(TPESampler))
    """

    def __init__(
        self,
        problem: TextProblem | None = None,
        settings: ModelSettings | None = None,
        *,
        seed: int | None = None,
        space: Mapping[str, BaseDistribution] | None = None,
        description: str | None = None,
        artifacts: ArtifactStore | None = None,
        **options: Any,
    ) -> None:
        if settings is None:
            settings = ModelSettings(**options)
        elif options:
            settings = replace(settings, **options)
        self._problem = problem
        seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._space = None if space is None else dict(space)
        self._description = description
        self._artifacts = artifacts
        self._settings = settings
        self._fallback = Fallback(settings.fallback, problem, seed)
        self._proposer = Proposer(settings, seed)
        self._memories: weakref.WeakKeyDictionary[Study, StudyMemory] = weakref.WeakKeyDictionary()
        self._last: LazyModel | None = None
        self._lock = threading.Lock()
        self._told = False  # that a study of several objectives is not the model's

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._proposer.strategy.name}, then {self._fallback})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memories": None, "_last": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _memories=weakref.WeakKeyDictionary(), _lock=threading.Lock())

    @property
    def model(self) -> Model | None:
        """The model, where it could be opened and was needed."""
        return self._last.opened if self._last else None

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
        memory = StudyMemory(self._problem, space, self._description, direction)
        return self._proposer.first_prompt(memory)

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
        trials = study.get_trials(deepcopy=False)
        known = self._memory(study, {}).parameters_seen(trials)
        space = {**known, **(self._space or {})}
        return {name: each for name, each in space.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            self._tell_objectives()
            self._note(study, trial, self._fallback.name, SEVERAL)
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
        self._stop_where_done(context)
        return self._fallback.propose(context)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        value = super().sample_independent(study, trial, param_name, param_distribution)
        if self._problem is None and trial.user_attrs.get(attributes.PROPOSER) == "model":
            self._note_added(study, trial, param_name)
        return value

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        super().after_trial(study, trial, state, values)
        if not is_shared(study) or len(study.directions) > 1:
            return
        ended = copy.copy(trial)
        ended.state, ended.values = state, None if values is None else list(values)
        try:
            self._show(study, trial, FinishedTrial.of(ended, study.direction))
        except Exception:  # whatever a problem or a folder of files raises: the trial counts
            log.exception("trial %d has no note for the dashboard", trial.number)

    def _show(self, study: Study, trial: FrozenTrial, ended: FinishedTrial) -> None:
        """Leaves what the dashboard shows of a trial that is about to be finished."""
        trials = study.get_trials(deepcopy=False)
        memory = self._memory(study, {})
        best = memory.history(trials).best
        improves = ended.feasible and (best is None or ended.loss < best.loss)
        if trial.number >= MOST_NOTES and not improves:
            return
        candidate = feedback = ""
        if self._problem is not None and self._problem.form == "mapper":
            formatter = self._proposer.formatter(memory, trials)
            candidate = formatter.text(ended)
            if improves or ended.proposer == "model":
                feedback = formatter.feedback_on(ended)
        unit = memory.problem.unit
        note = trial_note(
            trial.user_attrs,
            score="not feasible" if ended.score is None else f"{ended.score:.6g} {unit}".rstrip(),
            candidate=candidate,
            feedback=feedback,
            remark="the best so far" if improves else "",
        )
        leave_note(study._storage, study._study_id, trial._trial_id, note)  # noqa: SLF001  (no other way)
        if self._artifacts is not None and candidate and ended.proposer == "model":
            attach(self._artifacts, study, trial, f"trial-{trial.number}.mapper", candidate)

    def _note_added(self, study: Study, trial: FrozenTrial, name: str) -> None:
        """Notes that a parameter of a trial that the model proposed is the fallback's choice."""
        storage, this = study._storage, trial._trial_id  # noqa: SLF001  (as in _note)
        known = storage.get_trial(this).user_attrs.get(attributes.ADDED) or {}
        added = {**known, name: self._fallback.name}
        storage.set_trial_user_attr(this, attributes.ADDED, added)

    def _tell_objectives(self) -> None:
        """Says once that the model is not asked."""
        with self._lock:
            if not self._told:
                log.warning("%s; %s proposes", SEVERAL, self._fallback.name)
            self._told = True

    def _stop_where_done(self, context: TrialContext) -> None:
        """Ends ``Study.optimize`` after this trial, where its model is done for good.

        A loop of another kind asks `tuners.llm.done.ends_study`.
        """
        memory, when_done = context.memory, self._settings.when_done
        why = ends_study(memory.problem, context.trials, when_done, memory.direction)
        if why is None:
            return
        log.info("the study ends: %s", why)
        with contextlib.suppress(RuntimeError):  # it is not Optuna's loop that runs it
            context.study.stop()

    # Asking and noting

    def _propose(self, context: TrialContext) -> Proposal:
        try:
            return self._proposer.propose(context)
        except ModelRequiredError:  # whoever requires a model has the trial in hand
            raise
        except Exception as error:  # an exception here would leave a trial that runs for ever
            log.exception("%s failed on trial %d", self, context.trial.number)
            said = process_redactor().message(str(error))
            return Proposal(None, f"the sampler failed: {type(error).__name__}: {said}")

    def _memory(self, study: Study, space: Mapping[str, BaseDistribution]) -> StudyMemory:
        with self._lock:
            memory = self._memories.get(study)
            if memory is None:
                ledger = ledger_of(self._settings, study)
                self._last = LazyModel(self._settings, self._fallback.name, ledger)
                memory = StudyMemory(
                    self._problem,
                    space,
                    self._description,
                    study.direction,
                    shared=is_shared(study),
                    model=self._last,
                )
                self._memories[study] = memory
        memory.search_in(space, study.get_trials(deepcopy=False))
        return memory

    def _note(
        self,
        study: Study,
        trial: FrozenTrial,
        proposer: str,
        why: str,
        proposal: Proposal | None = None,
    ) -> None:
        """Notes with a trial who proposed it, why, and at what cost.

        The notes go into the storage and into the running trial itself, which Optuna reads from
        the storage only once.
        """
        said = why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]} ..."
        noted: dict[str, Any] = {attributes.PROPOSER: proposer, attributes.WHY: said}
        if proposal is not None:
            noted |= proposal.noted()
        for key, value in noted.items():
            trial.user_attrs[key] = value
            study._storage.set_trial_user_attr(trial._trial_id, key, value)  # noqa: SLF001  (samplers have no other way)
