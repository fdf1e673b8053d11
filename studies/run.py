"""Running one study: ask the tuner, run the mapper, tell the tuner, keep the trial."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.dashboard import Dashboard
from studies.errors import ModelMissingError, UsageError
from studies.model_arm import check_arm, leave_arm_note, ledger_file
from studies.records import (
    IDENTITY,
    StudyResult,
    StudySpec,
    TrialRecord,
    fastest,
    template_digest,
)
from studies.references import best_reference
from studies.setup_cost import SetupCost
from studies.stop_rules import StopRules, StopWatch
from studies.stops import signal_of
from studies.stored_study import StoredStudy
from studies.study_facts import StudyFacts, floor_of
from tuners import MapperProblem, make_sampler
from tuners.errors import ModelRequiredError
from tuners.problems.essential import essential
from tuners.problems.evaluators import RecallsTrials, StatesRepeatability

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

    from tuners import Evaluator
    from tuners.llm.model import Ledger, ModelUsage
    from tuners.problems.start import Start

__all__ = [
    "IDENTITY",
    "NO_RULES",
    "SHORT_MAPPER",
    "Observer",
    "run_study",
    "short_mapper",
    "study_identity",
    "study_result",
]

# Called with every record so far, once at the start and once after each trial.
Observer = Callable[[list[TrialRecord]], None]

SHORT_MAPPER = "mappertune:short_mapper"
REPEATS_WITHIN = 1e-9
NO_RULES = StopRules()

# Seconds between two looks at the trials that other processes run.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


def run_study(
    problem: MapperProblem,
    spec: StudySpec,
    store: StoredStudy,
    *,
    observe: Observer | None = None,
    rules: StopRules = NO_RULES,
    artifacts: Path | None = None,
) -> StudyResult:
    """Runs a study until it has as many trials as asked for, a rule ends it, or until Ctrl-C
    or another signal that asks to end (`studies.stops`).

    Each finished trial is kept in the store before the next one begins. Trials that the store
    holds already count, and the tuner knows them, as do those of other processes that run the
    same study in a database at the same time.

    Args:
        problem: What is tuned.
        spec: With which tuner, seed and budget.
        store: Where the trials are kept.
        observe: Called at the start and after each trial.
        rules: What ends it before it has all its trials; whoever runs it again without them goes
            on with it.
        artifacts: The folder in which a database's trials have files; None for none.

    Raises:
        tuners.UnknownTunerError: There is no such tuner.
        UsageError: The store holds a study of something else, or of an evaluator that judged
            otherwise; or a rule needs a floor that nobody knows.
        ModelMissingError: The study must ask a model, and that cannot be asked.
        StorageError: A trial cannot be kept; those before it are safe.
    """
    watch = StopWatch(rules, floor_of(problem))
    _check_identity(problem, spec, store)
    # The reference is known before the first trial, whenever the study is stopped.
    StudyFacts.of(problem, spec).keep(store)
    trials = store.trials
    records = [TrialRecord.of(trial) for trial in trials]
    ledger = _ledger(spec, store)
    resumed = len(records)
    if isinstance(problem, RecallsTrials):
        problem.recall(records)
    check_arm(spec, store, records)
    leave_arm_note(spec, store, resumed if resumed >= spec.trials else None)
    _check_repeats(problem, records, store)
    dashboard = Dashboard(problem, spec, store, artifacts)
    dashboard.begin(records)
    store.begin(_sampler(problem, spec, ledger), trials)
    ours = 0
    observe = observe or _unobserved
    observe(records)
    stopped_by: int | None = None
    ended_by = watch.ended(records) or _ended(problem, spec, store)
    try:
        for trial in () if ended_by else _trials(problem, spec, store):
            finished = None if trial is None else _finished(problem, store, dashboard, trial)
            news = store.finished_elsewhere()
            if finished is not None:
                ours += 1
                news.append(finished)
            if news:
                begun = len(records)
                records += [TrialRecord.of(each) for each in news]
                dashboard.learn(records[begun:])
                observe(records)
                ended_by = watch.ended(records) or _ended(problem, spec, store)
            if ended_by:
                break
        leave_arm_note(spec, store, len(records))
    except KeyboardInterrupt as stop:
        stopped_by = signal_of(stop)
    except ModelRequiredError as error:
        raise ModelMissingError(
            f"the model cannot be asked: {error}. Without it the study would be the fallback's; "
            "--fallback-only runs it so"
        ) from error
    records.sort(key=lambda record: record.number)
    mapper: str | None = None
    if (best := fastest(records)) is not None:
        try:
            mapper = _short_mapper(problem, best, store)
        except KeyboardInterrupt as stop:
            mapper, stopped_by = best.mapper(problem), signal_of(stop)
    return study_result(
        problem,
        spec,
        records,
        store.location,
        resumed=resumed,
        stopped_by=stopped_by,
        ended_by=ended_by if len(records) < spec.trials else None,
        elsewhere=len(records) - resumed - ours,
        ledger=ledger,
        mapper=mapper,
    )


def _finished(
    problem: MapperProblem, store: StoredStudy, dashboard: Dashboard, trial: Trial
) -> FrozenTrial | None:
    """Runs a trial and keeps it; None where another process has run it meanwhile."""
    throughput = problem(trial)
    dashboard.show(trial, throughput)
    return store.finish(trial, throughput)


def study_result(
    problem: MapperProblem,
    spec: StudySpec,
    records: Sequence[TrialRecord],
    location: str,
    *,
    resumed: int,
    stopped_by: int | None = None,
    ended_by: str | None = None,
    elsewhere: int = 0,
    ledger: Ledger | None = None,
    mapper: str | None = None,
) -> StudyResult:
    """What the trials of a study come to, beside the reference of its problem.

    Args:
        problem: What was tuned.
        spec: With which tuner, seed and budget.
        records: The trials.
        location: Where they are kept.
        resumed: How many of them are from before.
        stopped_by: The signal that ended it early.
        ended_by: The rule, or the model, that did, in words.
        elsewhere: How many were run by other processes.
        ledger: The account of its calls.
        mapper: The best mapper without what changes nothing; None for the best one as it was.
    """
    best = fastest(records)
    reference = best_reference(problem)
    usual = reference.outcome if reference else None
    return StudyResult(
        spec=spec,
        unit=problem.application.unit,
        expert=reference.throughput if reference else None,
        records=tuple(records),
        resumed=resumed,
        stopped_by=stopped_by,
        ended_by=ended_by,
        location=location,
        mapper=mapper or (best.mapper(problem) if best else None),
        reference=reference.name if reference else None,
        elsewhere=elsewhere,
        floor=floor_of(problem),
        setup=SetupCost(
            problem.objective,
            best.setup if best else None,
            best.whole if best else None,
            usual.setup if usual else None,
            usual.whole if usual else None,
        ),
        spent=_spent(ledger or _ledger(spec, None), records),
    )


def short_mapper(note: Any, best: TrialRecord | None) -> str | None:
    """The best mapper without what changes nothing, as a note has it; None where it has none."""
    if best is not None and isinstance(note, dict) and note.get("trial") == best.number:
        return str(note["mapper"])
    return None


def _short_mapper(problem: MapperProblem, best: TrialRecord, store: StoredStudy) -> str:
    """The best mapper without what changes nothing, worked out once for each best trial."""
    known = short_mapper(store.note(SHORT_MAPPER), best)
    if known is not None:
        return known
    mapper = essential(problem, best.mapper(problem))
    store.leave_note(SHORT_MAPPER, {"trial": best.number, "mapper": mapper})
    return mapper


def _ledger(spec: StudySpec, store: StoredStudy | None) -> Ledger | None:
    """The account of the calls of a study that asks a model."""
    if spec.llm is None:
        return None
    from tuners.llm.lazy_model import ledger_of  # noqa: PLC0415  (only where a model is asked)
    from tuners.llm.model import FileLedger  # noqa: PLC0415  (likewise)

    study = None if store is None else store.shared_study
    if spec.llm.ledger is None and study is None and store is not None:
        return FileLedger(ledger_file(Path(store.location)))
    return ledger_of(spec.llm, study)


def spent_of(spec: StudySpec, records: Sequence[TrialRecord]) -> ModelUsage | None:
    """What the account of a finished study says."""
    return _spent(_ledger(spec, None), records)


def _spent(ledger: Ledger | None, records: Sequence[TrialRecord]) -> ModelUsage | None:
    """What the account says; None where the study is from before there were accounts."""
    if ledger is None:
        return None
    account = ledger.account()
    used = sum(account.under_way, account.used)  # of other processes, as yet
    return used if used.calls or not any(record.model_use for record in records) else None


def _unobserved(records: list[TrialRecord]) -> None: ...


def _sampler(problem: MapperProblem, spec: StudySpec, ledger: Ledger | None) -> BaseSampler:
    if spec.llm is not None:
        from tuners import LLMSampler  # noqa: PLC0415  (only where a model is asked)

        return LLMSampler(problem, spec.llm, ledger=ledger, seed=spec.seed)
    return make_sampler(spec.tuner, seed=spec.seed, problem=problem)


def _trials(problem: MapperProblem, spec: StudySpec, store: StoredStudy) -> Iterator[Trial | None]:
    """The trials that this process is to run; None now and then while it waits for others.

    Where all trials of a shared study have begun, those that others run may still come to nothing:
    this process stays until they are finished, and takes over what is left behind.
    """
    pause, start = FIRST_PAUSE, problem.start
    start_key = "" if start is None else _key_of(problem, start)
    while True:
        trial = store.next_trial(spec.trials, start, start_key)
        if trial is not None:
            pause = FIRST_PAUSE
        elif store.is_done(spec.trials):
            yield None
            return
        else:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        yield trial


def _ended(problem: MapperProblem, spec: StudySpec, store: StoredStudy) -> str | None:
    """Why a study needs no further trial, because its model has nothing left to propose."""
    if spec.llm is None:
        return None
    from tuners.llm.done import ends_study  # noqa: PLC0415  (only where a model is asked)

    return ends_study(problem, store.trials, spec.llm.when_done)


def _key_of(problem: MapperProblem, start: Start) -> str:
    """The key by which samplers know what a study starts from."""
    return (problem.identity(start.text) if start.text else None) or problem.key(start.values)


def study_identity(problem: MapperProblem, spec: StudySpec) -> dict[str, Any]:
    """What a study is about, as JSON values: it goes on only with what is equal in all of it."""
    return {
        "application": problem.application.name,
        "parameters": dict(problem.application.parameters),
        "machine": problem.machine.name,
        "nodes": problem.machine.shape.nodes,
        "template": template_digest(problem.template.text),
        "tuner": spec.tuner,
        "seed": spec.seed,
        "objective": problem.objective,
        "start": problem.start.name if problem.start else "none",
        **(spec.llm.identity() if spec.llm else {}),
    }


def _check_identity(problem: MapperProblem, spec: StudySpec, store: StoredStudy) -> None:
    """A study goes on only with the space that it was begun with."""
    ours = study_identity(problem, spec)
    theirs = {"objective": "timed", **store.settle_note(IDENTITY, ours)}
    # A setting that an older study does not tell had the value that it has by default now.
    told = {"start": _untold_start(problem, store), **theirs}
    differing = [key for key in ours if told.get(key, ours[key]) != ours[key]]
    if differing:
        raise UsageError(
            f"the study in {store.location} is of another {differing[0]} "
            f"({told.get(differing[0])}, not {ours[differing[0]]}): name another --output folder"
        )


def _untold_start(problem: MapperProblem, store: StoredStudy) -> str:
    """Where a study began that does not tell it: at our start if its first trial is that."""
    trials, start = store.trials, problem.start
    begun_there = start is not None and (not trials or trials[0].params == dict(start.values))
    return start.name if start is not None and begun_there else "none"


def _check_repeats(problem: MapperProblem, records: list[TrialRecord], store: StoredStudy) -> None:
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
