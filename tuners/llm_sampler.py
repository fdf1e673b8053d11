"""An Optuna sampler that asks a language model."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuners import attributes
from tuners.candidates import Candidate, candidates_in, check_candidate
from tuners.dialogue import Dialogue, Expenses, Settled
from tuners.distinct import DistinctSampler
from tuners.model.budget import Budget
from tuners.model.errors import ModelError
from tuners.model.exchange import Message, Model, Request
from tuners.model.opening import open_model
from tuners.past import Past
from tuners.prompts.voice import Decode, Feedback, Voice, reply_schema
from tuners.prompts.writer import Prompt, PromptWriter
from tuners.reasoned import ReasonsFirst
from tuners.repeatable import derived_seed
from tuners.samplers import make_sampler
from tuners.strategies import Strategy, strategy_named
from tuners.study_memory import Conversation, StudyMemory

if TYPE_CHECKING:
    from pathlib import Path

    from tuners.problem import TextProblem

__all__ = ["LLMSampler"]

log = logging.getLogger(__name__)


class LLMSampler(BaseSampler):
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
        self._model = model
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._fallback = _fallback(fallback, problem, self._seed)
        self._fallback_name = fallback if isinstance(fallback, str) else type(fallback).__name__
        self._strategy = strategy_named(strategy) if isinstance(strategy, str) else strategy
        self._repairs = repairs
        self._feedback = feedback
        self._candidates = candidates
        self._every = every
        self._history = history
        self._examples = examples
        self._max_prompt_tokens = max_prompt_tokens
        self._max_reply_tokens = max_reply_tokens
        self._temperature = temperature
        self._decode = decode
        self._space = None if space is None else dict(space)
        self._description = description
        self._budget = budget
        self._opening = {
            "base_url": base_url,
            "api_key_env": api_key_env,
            "timeout": timeout,
            "budget": budget,
            "transcript": transcript,
        }
        self._gone: str | None = None  # why the model is not asked any more
        self._memories: weakref.WeakKeyDictionary[Study, StudyMemory] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._strategy.name}, then {self._fallback})"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_memories", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _memories=weakref.WeakKeyDictionary(), _lock=threading.RLock())

    @property
    def model(self) -> Model | None:
        """The model, where it could be opened and was needed."""
        return None if isinstance(self._model, str) else self._model

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
        memory = StudyMemory(self._problem, space, self._description)
        writer = self._writer(memory, direction)
        return writer.first(self._strategy, Past([], direction)).messages

    # Optuna's hooks

    def reseed_rng(self) -> None:
        self._fallback.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._fallback.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._fallback.after_trial(study, trial, state, values)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._problem is not None:
            return dict(self._problem.distributions)
        if len(study.directions) > 1:
            return self._fallback.infer_relative_search_space(study, trial)
        with self._lock:
            known = self._memory(study, {}).seen(study)
        space = {**known, **(self._space or {})}
        return {name: each for name, each in space.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if len(study.directions) > 1:
            return self._fallback.sample_relative(study, trial, search_space)
        if not search_space:
            self._note(study, trial, self._fallback_name, "the search space is not known yet")
            return {}
        expenses = Expenses()
        why = self._pause(study, trial, search_space)
        if why is None:
            try:
                values, why, expenses = self._ask(study, trial, search_space)
            except Exception as error:  # an exception here would leave a trial that runs for ever
                log.exception("%s failed on trial %d", self, trial.number)
                values, why = None, f"the sampler failed: {type(error).__name__}: {error}"
            if values is not None:
                self._note(study, trial, "model", why, expenses)
                return values
        proposer = "enqueued" if why.startswith("enqueued") else self._fallback_name
        self._note(study, trial, proposer, why, expenses)
        return self._fall_back(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._fallback.sample_independent(study, trial, param_name, param_distribution)

    # The model

    def _pause(
        self, study: Study, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> str | None:
        """Why the model is not asked for this trial; None where it is."""
        fixed = trial.system_attrs.get("fixed_params", {})
        if fixed.keys() & space.keys():
            whole = fixed.keys() >= space.keys()
            return "enqueued" if whole else "enqueued in part, the rest is the fallback's"
        if self._every and (trial.number + 1) % self._every == 0:
            return f"every {self._every}th trial is the fallback's"
        if self._gone is not None:
            return self._gone
        trials = study.get_trials(deepcopy=False)
        return self._spent(trials) or self._strategy.pause(Past(trials, study.direction))

    def _spent(self, trials: Sequence[FrozenTrial]) -> str | None:
        """Which budget the study has used up; None where none."""
        if self._budget is None:
            return None
        sums = (
            (self._budget.calls, attributes.CALLS, "calls"),
            (self._budget.tokens, attributes.TOKENS, "tokens"),
            (self._budget.usd, attributes.COST, "US dollars"),
        )
        for limit, attribute, unit in sums:
            used = sum(trial.user_attrs.get(attribute) or 0 for trial in trials)
            if limit is not None and used >= limit:
                return f"the study's budget of {limit} {unit} is spent"
        return None

    def _ask(
        self, study: Study, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> tuple[dict[str, Any] | None, str, Expenses]:
        """Values for the trial, or None; why; and at what cost."""
        with self._lock:
            memory = self._memory(study, space)
            waiting = self._waiting(study, trial, memory)
        if waiting is not None:
            number, candidate = waiting
            values = self._accept(study, trial, space, memory, candidate)
            if values is not None:
                return values, f"a further candidate of trial {number}'s reply", Expenses()
        model = self._opened()
        if model is None:
            return None, str(self._gone), Expenses()
        settled = self._settle(study, trial, memory, model)
        if settled.error is not None:
            self._take_failure(settled.error, memory)
            return None, f"{settled.error.kind}: {settled.why}", settled.expenses
        if not settled.candidates:
            return None, settled.why, settled.expenses
        first, *further = settled.candidates
        values = self._accept(study, trial, space, memory, first)
        if values is None:
            return None, "the model's proposal has no place in the space", settled.expenses
        if further:
            texts = [each.text for each in further]
            self._write(study, trial, {attributes.CANDIDATES: texts})
        return values, settled.why, settled.expenses

    def _settle(
        self, study: Study, trial: FrozenTrial, memory: StudyMemory, model: Model
    ) -> Settled:
        trials = study.get_trials(deepcopy=False)
        past = Past(trials, study.direction)
        writer = self._writer(memory, study.direction)
        conversation = memory.conversation if self._strategy.converses else None
        prompt = self._prompt(writer, past, conversation)
        base = prompt.brief.base
        by_number = {attempt.number: attempt for attempt in past.attempts}
        blocks = base is not None and prompt.brief.answer == "blocks"
        text = writer.voice.text(base) if base and blocks else None
        dialogue = Dialogue(
            model=ReasonsFirst(model) if self._decode == "grammar" else model,
            read=lambda reply: candidates_in(
                reply, memory.problem, base=text, most=self._candidates
            ),
            tried=lambda candidate: self._tried(study, trial, memory, candidate),
            complain=lambda found, known: writer.voice.complaint(found, known, by_number),
            repairs=self._repairs,
            limit=self._max_prompt_tokens,
        )
        settled = dialogue.settle(self._request(trial, memory, prompt))
        keeps = settled.error is None and self._strategy.converses
        memory.conversation = (
            Conversation(settled.messages, frozenset(by_number), prompt.brief.answer)
            if keeps
            else None
        )
        return settled

    def _prompt(
        self, writer: PromptWriter, past: Past, conversation: Conversation | None
    ) -> Prompt:
        """The next turn of the conversation, or the beginning of a new one."""
        if conversation is not None and past.attempts:
            news = [each for each in past.attempts if each.number not in conversation.told]
            going_on = writer.following(
                self._strategy, past, conversation.messages, news, conversation.answer
            )
            if going_on is not None:
                return going_on
        return writer.first(self._strategy, past)

    def _request(self, trial: FrozenTrial, memory: StudyMemory, prompt: Prompt) -> Request:
        schema = grammar = None
        if self._decode == "schema" and prompt.brief.answer != "blocks":
            schema = reply_schema(memory.problem, self._candidates)
        elif self._decode == "grammar":
            grammar = getattr(memory.problem, "grammar", None)
        return Request(
            messages=prompt.messages,
            temperature=self._temperature,
            max_tokens=self._max_reply_tokens,
            seed=derived_seed(self._seed, trial.number) % 2**31,
            schema=schema,
            grammar=grammar,
        )

    def _opened(self) -> Model | None:
        """The model; None where there is none, which is said once."""
        with self._lock:
            if isinstance(self._model, str) and self._gone is None:
                try:
                    self._model = open_model(self._model, **self._opening)  # type: ignore[arg-type]  # by name
                except ModelError as error:
                    self._lose(error)
            return self.model

    def _take_failure(self, error: ModelError, memory: StudyMemory) -> None:
        if error.permanent:
            self._lose(error)
        elif error.kind == "context":
            memory.shrink()
        else:
            log.info("the model gave no reply (%s): %s", error.kind, error)

    def _lose(self, error: ModelError) -> None:
        with self._lock:
            if self._gone is None:
                log.warning("%s; from here on %s proposes", error, self._fallback_name)
            self._gone = f"{error.kind}: {error}"

    # Candidates

    def _tried(
        self, study: Study, trial: FrozenTrial, memory: StudyMemory, candidate: Candidate
    ) -> int | None:
        with self._lock:
            return memory.number_of(candidate, study, trial)

    def _waiting(
        self, study: Study, trial: FrozenTrial, memory: StudyMemory
    ) -> tuple[int, Candidate] | None:
        """A candidate of an earlier reply that was not tried, with the number of its trial."""
        if self._candidates == 1:
            return None
        for earlier in reversed(study.get_trials(deepcopy=False)):
            texts = earlier.user_attrs.get(attributes.CANDIDATES)
            if earlier.number == trial.number or not isinstance(texts, list):
                continue
            for text in texts:
                candidate = check_candidate(str(text), memory.problem)
                if memory.number_of(candidate, study, trial) is None:
                    return earlier.number, candidate
            return None
        return None

    def _accept(
        self,
        study: Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        memory: StudyMemory,
        candidate: Candidate,
    ) -> dict[str, Any] | None:
        """The values that stand for a candidate, which is noted as being tried from here on."""
        problem = memory.problem
        if problem.form == "values" and candidate.complaints:
            return None
        projection = problem.project(candidate.text)
        with self._lock:
            if memory.number_of(candidate, study, trial) is not None:
                return None  # another worker was faster
            memory.hand_out(candidate, trial)
        if problem.form == "mapper":
            noted = {attributes.TEXT: candidate.text}
            if not projection.exact:
                noted[attributes.PROJECTION] = "nearest"
            self._write(study, trial, noted)
        return {name: value for name, value in projection.values.items() if name in space}

    # The fallback

    def _fall_back(
        self, study: Study, trial: FrozenTrial, space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        fallback = self._fallback
        if self._problem is not None:
            inferred = fallback.infer_relative_search_space(study, trial)
            return fallback.sample_relative(study, trial, inferred)
        inferred = fallback.infer_relative_search_space(study, trial)
        found = fallback.sample_relative(study, trial, inferred)
        values = {
            name: found[name]
            if name in found and name in inferred and inferred[name] == each
            else fallback.sample_independent(study, trial, name, each)
            for name, each in space.items()
        }
        rng = np.random.default_rng(derived_seed(self._seed, trial.number))
        fixed = trial.system_attrs.get("fixed_params", {})
        with self._lock:
            return self._memory(study, space).untried(study, trial, values, fixed, rng)

    # What is kept

    def _memory(self, study: Study, space: Mapping[str, BaseDistribution]) -> StudyMemory:
        memory = self._memories.get(study)
        if memory is None:
            memory = StudyMemory(self._problem, space, self._description)
            self._memories[study] = memory
        memory.search_in(space)
        return memory

    def _writer(self, memory: StudyMemory, direction: StudyDirection) -> PromptWriter:
        voice = Voice(memory.problem, self._feedback, self._candidates)
        return memory.writer(
            lambda scale: PromptWriter(
                voice,
                limit=int(self._max_prompt_tokens * scale),
                history=self._history,
                examples=self._examples,
                decode=self._decode,
                maximise=direction == StudyDirection.MAXIMIZE,
            )
        )

    def _note(
        self,
        study: Study,
        trial: FrozenTrial,
        proposer: str,
        why: str,
        expenses: Expenses | None = None,
    ) -> None:
        noted: dict[str, Any] = {attributes.PROPOSER: proposer, attributes.WHY: why}
        if expenses is not None and expenses.calls:
            noted[attributes.CALLS] = expenses.calls
            noted[attributes.REPAIRS] = expenses.repairs
            noted[attributes.TOKENS] = expenses.tokens
            noted[attributes.COST] = expenses.cost
        self._write(study, trial, noted)

    def _write(self, study: Study, trial: FrozenTrial, noted: Mapping[str, Any]) -> None:
        """Into the storage, and into the running trial's own view, which it reads but once."""
        for key, value in noted.items():
            trial.user_attrs[key] = value
            study._storage.set_trial_user_attr(trial._trial_id, key, value)  # noqa: SLF001  (samplers have no other way)


def _fallback(fallback: str | BaseSampler, problem: TextProblem | None, seed: int) -> BaseSampler:
    if isinstance(fallback, str):
        return make_sampler(fallback, seed=seed, problem=problem)
    return fallback if problem is None else DistinctSampler(fallback, problem, seed=seed)
