"""Running one study: ask the tuner, run the mapper, tell the tuner, keep the trial."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import optuna

from studies.errors import UsageError
from studies.records import StudyResult, StudySpec, TrialRecord, fastest
from studies.storage import StudyStore
from studies.suite import reference, reference_name
from tuners import MapperProblem, make_sampler
from tuners.problems.evaluators import StatesRepeatability

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from tuners import Evaluator

__all__ = ["Observer", "run_study"]

# Called with every record so far, once at the start and once after each trial.
Observer = Callable[[list[TrialRecord]], None]

IDENTITY = "mappertune:identity"
REPEATS_WITHIN = 1e-9


def run_study(
    problem: MapperProblem,
    spec: StudySpec,
    store: StudyStore,
    *,
    observe: Observer | None = None,
) -> StudyResult:
    """Runs a study until it has as many trials as asked for, or until Ctrl-C.

    The loop runs in memory and each finished trial is kept in the store before the next one
    begins. Trials that the store holds already count, and the tuner knows them.

    Args:
        problem: What is tuned.
        spec: With which tuner, seed and budget.
        store: Where the trials are kept.
        observe: Called at the start and after each trial.

    Raises:
        tuners.UnknownTunerError: There is no such tuner.
        UsageError: The store holds a study of something else, or of an evaluator that judged
            otherwise.
        StorageError: A trial cannot be kept; those before it are safe.
    """
    _check_identity(problem, spec, store)
    expert = reference(problem, "expert").outcome.throughput
    study = _study_in_memory(problem, spec, store.trials)
    records = [TrialRecord.of(trial) for trial in study.get_trials(deepcopy=False)]
    resumed = len(records)
    _check_repeats(problem, records, store)
    observe = observe or _unobserved
    observe(records)
    interrupted = False
    try:
        while len(records) < spec.trials:
            if not records and problem.start is not None:
                finished = _first_trial(problem)
                study.add_trial(finished)
            else:
                finished = _run_trial(study, problem)
            store.add(finished)
            records.append(TrialRecord.of(finished))
            observe(records)
    except KeyboardInterrupt:
        interrupted = True
    best = fastest(records)
    return StudyResult(
        spec=spec,
        unit=problem.application.unit,
        expert=expert,
        records=tuple(records),
        resumed=resumed,
        interrupted=interrupted,
        location=store.location,
        mapper=best.mapper(problem) if best else None,
        reference=reference_name(problem),
    )


def _unobserved(records: list[TrialRecord]) -> None: ...


def _study_in_memory(
    problem: MapperProblem, spec: StudySpec, trials: list[FrozenTrial]
) -> optuna.Study:
    if spec.llm is not None:
        from tuners import LLMSampler  # noqa: PLC0415  (only where a model is asked)

        sampler: BaseSampler = LLMSampler(problem, spec.llm, seed=spec.seed)
    else:
        sampler = make_sampler(spec.tuner, seed=spec.seed, problem=problem)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(trials)
    return study


def _run_trial(study: optuna.Study, problem: MapperProblem) -> FrozenTrial:
    trial = study.ask()
    return study.tell(trial, problem(trial))


def _first_trial(problem: MapperProblem) -> FrozenTrial:
    """The trial of the values that the problem starts from, which no sampler has a say in."""
    alone = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler())
    alone.enqueue_trial(dict(problem.start or {}))
    return _run_trial(alone, problem)


def _check_identity(problem: MapperProblem, spec: StudySpec, store: StudyStore) -> None:
    """A study goes on only with the space that it was begun with."""
    ours = {
        "application": problem.application.name,
        "parameters": dict(problem.application.parameters),
        "machine": problem.machine.name,
        "nodes": problem.machine.shape.nodes,
        "template": hashlib.blake2b(problem.template.text.encode(), digest_size=8).hexdigest(),
        "tuner": spec.tuner,
        "seed": spec.seed,
        **(spec.llm.identity() if spec.llm else {}),
    }
    theirs = store.note(IDENTITY)
    if theirs is None:
        store.leave_note(IDENTITY, ours)
        return
    # A setting that an older study does not tell had the value that it has by default now.
    differing = [key for key in ours if theirs.get(key, ours[key]) != ours[key]]
    if differing:
        raise UsageError(
            f"the study in {store.location} is of another {differing[0]} "
            f"({theirs.get(differing[0])}, not {ours[differing[0]]}): name another --output folder"
        )


def _check_repeats(problem: MapperProblem, records: list[TrialRecord], store: StudyStore) -> None:
    """Results of two versions of a simulator are not to be mixed.

    The best trial is run again; only evaluators that answer alike each time can be asked so.
    """
    best = fastest(records)
    if best is None or _varies(problem.evaluator):
        return
    now = problem.evaluate_text(best.mapper(problem), check=False).outcome.throughput
    if not math.isclose(now, best.throughput, rel_tol=REPEATS_WITHIN):
        raise UsageError(
            f"trial {best.number} of the study in {store.location} gave {best.throughput:.6g} and "
            f"gives {now:.6g} now: the program or the machine has changed since; name another "
            "--output folder"
        )


def _varies(evaluator: Evaluator) -> bool:
    """Whether two runs of a mapper may differ."""
    return isinstance(evaluator, StatesRepeatability) and not evaluator.repeatable
