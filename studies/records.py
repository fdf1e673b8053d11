"""What a study found: its trials as plain values."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from tuners import attributes

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from studies.setup_cost import SetupCost
    from tuners import MapperProblem
    from tuners.llm.model import ModelUsage
    from tuners.llm.settings import ModelSettings

__all__ = [
    "HALF",
    "IDENTITY",
    "ModelUse",
    "StudyResult",
    "StudySpec",
    "TrialRecord",
    "best_so_far",
    "model_share",
    "reasons",
    "settled",
    "template_digest",
    "trials_to_reach",
]

# The note in which a study says what it is about.
IDENTITY = "mappertune:identity"
# Two runs that differ by less are equally fast: the simulator's sums are exact to about 1e-12.
TOLERANCE = 1e-9
# A study in which the model proposed less is not to be called by the model's name.
HALF = 0.5
# Who proposes trials that no tuner was asked for.
GIVEN = (attributes.START, "enqueued")


@dataclass(frozen=True, slots=True)
class StudySpec:
    """One study: a tuner with a seed and a budget.

    Attributes:
        tuner: Name of the tuner.
        seed: Its seed.
        trials: How many trials the study has when it is done.
        llm: How the model is asked, where the tuner asks one.
    """

    tuner: str
    seed: int
    trials: int
    llm: ModelSettings | None = None

    @property
    def name(self) -> str:
        """Such as ``"tpe-seed0"``."""
        return f"{self.tuner}-seed{self.seed}"


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What asking a model has cost.

    Attributes:
        calls: Of the provider, those for repairs included.
        repairs: Replies that went back.
        tokens: Of prompts and replies.
        cost: US dollars of the calls whose price is known.
        unknown: Calls of which the price is unknown.
        lost: Calls whose end is unknown: they count as the most that they could have cost.
    """

    calls: int = 0
    repairs: int = 0
    tokens: int = 0
    cost: float = 0.0
    unknown: int = 0
    lost: int = 0

    @classmethod
    def of(cls, noted: Mapping[str, Any]) -> ModelUse | None:
        """As a trial's attributes say; None where no model was asked for it."""
        if attributes.CALLS not in noted:
            return None
        cost = noted.get(attributes.COST)
        return cls(
            calls=int(noted[attributes.CALLS]),
            repairs=int(noted.get(attributes.REPAIRS, 0)),
            tokens=int(noted.get(attributes.TOKENS, 0)),
            cost=float(cost or 0.0),
            unknown=int(noted[attributes.CALLS]) if cost is None else 0,
        )

    @classmethod
    def of_ledger(cls, used: ModelUsage, repairs: int) -> ModelUse:
        """As the account of a study's calls says."""
        return cls(
            calls=used.calls,
            repairs=repairs,
            tokens=used.tokens,
            cost=used.cost,
            unknown=used.unknown_cost_calls,
            lost=used.lost_calls,
        )

    @classmethod
    def total(cls, uses: Iterable[ModelUse]) -> ModelUse:
        """All of them together."""
        each = list(uses)
        return cls(
            calls=sum(use.calls for use in each),
            repairs=sum(use.repairs for use in each),
            tokens=sum(use.tokens for use in each),
            cost=sum(use.cost for use in each),
            unknown=sum(use.unknown for use in each),
            lost=sum(use.lost for use in each),
        )

    @property
    def known_cost(self) -> float | None:
        """US dollars as far as prices are known; None where none is."""
        return None if self.unknown and self.unknown >= self.calls else self.cost

    def __str__(self) -> str:
        if self.known_cost is None:
            cost = "unknown cost"
        else:
            cost = f"${self.cost:.4f}"
            if self.unknown:
                cost += f" and the unknown cost of {_calls(self.unknown)}"
        said = f"{_calls(self.calls)}, {self.repairs} for repairs, {self.tokens:,} tokens, {cost}"
        if self.lost:
            said += (
                f" ({_calls(self.lost)} with no known end, by a time limit, a broken connection "
                "or a kill: counted as the most that they could have cost)"
            )
        return said


def _calls(count: int) -> str:
    return f"{count} call{'s' * (count != 1)}"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: Counted from 0.
        values: Value of each hole that was active.
        throughput: 0.0 unless the status is ok.
        status: As in ``legion_bridge.Outcome``.
        raw: The beginning of what the runtime said.
        elapsed: Seconds of the timed part; None unless the status is ok.
        normal_form: Digest of the mapper's normal form; None where it does not parse.
        finished: When it was done.
        text: The mapper, where the values alone do not make it: a model wrote it.
        setup: Seconds that the program's clock does not show; None where nobody knows.
        whole: Seconds of the whole run; likewise.
        proposer: ``"start"`` for the trial that the study begins with, ``"model"`` or who took
            its place; None for the other trials of tuners that ask no model.
        why: Why it was that one.
        failure: Kind of the model's failure, such as ``"timeout"``; None without one.
        model_use: What asking the model for this trial has cost.
        samples: The throughput of each run, of a program that is measured.
        message: All that a failure says, as far as it was kept.
        rival: Digest of the normal form of the mapper that ran in turn with it; None without one.
        rival_samples: The throughputs of that.
        learned: Which decisions it fails for, as further runs have shown.
        begun: When its tuner was asked.
    """

    number: int
    values: Mapping[str, str | int]
    throughput: float
    status: str
    raw: str
    elapsed: float | None
    normal_form: str | None
    finished: datetime | None
    text: str | None = None
    proposer: str | None = None
    why: str = ""
    model_use: ModelUse | None = None
    setup: float | None = None
    whole: float | None = None
    failure: str | None = None
    samples: tuple[float, ...] = ()
    message: str = ""
    rival: str | None = None
    rival_samples: tuple[float, ...] = ()
    learned: Mapping[str, Any] | None = None
    begun: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took, its tuner's part included; None where nobody knows."""
        if self.begun is None or self.finished is None:
            return None
        return max(0.0, (self.finished - self.begun).total_seconds())

    @classmethod
    def of(cls, trial: FrozenTrial) -> TrialRecord:
        """The record of a completed Optuna trial."""
        noted = trial.user_attrs
        rival = noted.get(attributes.RIVAL) or {}
        return cls(
            number=trial.number,
            values=trial.params,
            throughput=float(trial.value or 0.0),
            status=str(noted.get(attributes.STATUS, "ok")),
            raw=str(noted.get(attributes.RAW, "")),
            elapsed=noted.get(attributes.ELAPSED),
            normal_form=noted.get(attributes.NORMAL_FORM),
            finished=trial.datetime_complete,
            text=noted.get(attributes.TEXT),
            proposer=noted.get(attributes.PROPOSER),
            why=str(noted.get(attributes.WHY, "")),
            model_use=ModelUse.of(noted),
            setup=noted.get(attributes.SETUP),
            whole=noted.get(attributes.WHOLE),
            failure=noted.get(attributes.FAILURE),
            samples=tuple(noted.get(attributes.SAMPLES, ())),
            message=str(noted.get(attributes.MESSAGE) or noted.get(attributes.RAW, "")),
            rival=rival.get("normal_form"),
            rival_samples=tuple(rival.get("samples", ())),
            learned=noted.get(attributes.LEARNED),
            begun=trial.datetime_start,
        )

    def mapper(self, problem: MapperProblem) -> str:
        """The mapper that the trial ran."""
        return self.text if self.text is not None else problem.render(self.values)


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes:
        spec: What was asked for.
        unit: Unit of the throughputs.
        expert: Throughput of what ratios are to; None where no reference runs.
        records: Every trial, in order.
        resumed: How many of them were there before this run.
        stopped_by: The signal that stopped it before its budget was spent, such as SIGINT for
            Ctrl-C; None where none did.
        location: Where the study is kept.
        ended_by: The rule, or the model, that ended it before its budget was spent, in words; None
            where none did.
        mapper: Text of the best mapper, without what changes nothing; None where no mapper was
            valid.
        reference: What ``expert`` is the throughput of: ``"expert"``, ``"own mapper"`` or
            ``"default mapper"``, the first that runs; None where none does.
        elsewhere: How many trials other processes have run meanwhile.
        floor: Seconds of the timed part that no mapper can beat; None where nobody knows.
        setup: What the program's clock does not show; None where nobody has looked.
        spent: What the account of the study's calls says, those of lost trials included; None
            where there is none.
        paired: The best mapper's throughput over the reference's, of a program that is measured:
            the median of runs in pairs; None where none were made.
    """

    spec: StudySpec
    unit: str
    expert: float | None
    records: tuple[TrialRecord, ...]
    resumed: int
    stopped_by: int | None
    location: str
    mapper: str | None
    reference: str | None = "expert"
    elsewhere: int = 0
    floor: float | None = None
    setup: SetupCost | None = None
    spent: ModelUsage | None = None
    ended_by: str | None = None
    paired: float | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before its budget was spent."""
        return self.stopped_by is not None

    @property
    def best(self) -> TrialRecord | None:
        """The first of the fastest valid trials; None where no mapper was valid."""
        return fastest(self.records)

    @property
    def reference_key(self) -> str:
        """The reference's name in JSON and MLflow: ``"expert"``, ``"own_mapper"``."""
        return (self.reference or "expert").replace(" ", "_")

    @property
    def throughput(self) -> float:
        """The best throughput; 0.0 where no mapper was valid."""
        return self.best.throughput if self.best else 0.0

    @property
    def normalised(self) -> float | None:
        """The best throughput over the reference's; None where no reference runs.

        The fastest of many noisy trials is often one that was lucky: of a program that is measured
        pairs of runs tell, and its trials do not.
        """
        if self.best is not None and self.best.samples:
            return self.paired
        return self.throughput / self.expert if self.expert else None

    @property
    def trials_to_reference(self) -> int | None:
        """How many trials it took to be as fast as the reference; None where it never was."""
        return trials_to_reach(self.records, self.expert) if self.expert else None

    @property
    def of_floor(self) -> float | None:
        """The floor over the best mapper's time: 1.0 where nothing is faster; None if unknown."""
        if self.floor is None or self.best is None or not self.best.elapsed:
            return None
        return self.floor / self.best.elapsed

    @property
    def invalid_share(self) -> float:
        """Share of the trials whose mapper was invalid, 0 to 1."""
        invalid = sum(record.status != "ok" for record in self.records)
        return invalid / len(self.records) if self.records else 0.0

    @property
    def distinct(self) -> int:
        """How many different mappers were tried."""
        return len({record.normal_form or record.number for record in self.records})

    @property
    def model_use(self) -> ModelUse | None:
        """What the model has cost; None where the tuner asks none."""
        if self.spec.llm is None:
            return None
        noted = ModelUse.total(record.model_use for record in self.records if record.model_use)
        return noted if self.spent is None else ModelUse.of_ledger(self.spent, noted.repairs)

    @property
    def model_share(self) -> float:
        """Share of the trials after the start that the model proposed, 0 to 1."""
        return model_share(self.records)

    @property
    def hardly_asked(self) -> bool:
        """Whether the study is called by a model that proposed under half of its trials."""
        return self.spec.llm is not None and hardly_asked(self.records)

    @property
    def reasons(self) -> list[tuple[int, str]]:
        """Why the model did not propose trials, each with their count, the most frequent first."""
        return reasons(self.records) if self.spec.llm is not None else []

    def as_json(self) -> dict[str, Any]:
        """The result without its trials, as JSON values."""
        best, name = self.best, self.reference_key
        return {
            "tuner": self.spec.tuner,
            "seed": self.spec.seed,
            "budget": self.spec.trials,
            "trials": len(self.records),
            "resumed": self.resumed,
            "elsewhere": self.elsewhere,
            "interrupted": self.interrupted,
            "ended_by": self.ended_by,
            "distinct": self.distinct,
            "invalid_share": self.invalid_share,
            "unit": self.unit,
            "reference": self.reference,
            name: self.expert,
            "best": best.throughput if best else None,
            "best_trial": best.number if best else None,
            f"best_over_{name}": self.normalised,
            f"trials_to_{name}": self.trials_to_reference,
            "floor": self.floor,
            "of_floor": self.of_floor,
            "study": self.location,
            **(self.setup.as_json() if self.setup else {}),
            **self._model_as_json(),
        }

    def _model_as_json(self) -> dict[str, Any]:
        use = self.model_use
        if use is None or self.spec.llm is None:
            return {}
        return {
            "model": {
                "name": str(self.spec.llm.model),
                "strategy": self.spec.llm.strategy,
                "share": self.model_share,
                "calls": use.calls,
                "repairs": use.repairs,
                "tokens": use.tokens,
                "cost": None if use.unknown else use.cost,
                "known_cost": use.known_cost,
                "unknown_cost_calls": use.unknown,
                "lost_calls": use.lost,
                "hardly_asked": self.hardly_asked,
                "reasons": [{"trials": count, "why": why} for count, why in self.reasons],
            }
        }


def model_share(records: Sequence[TrialRecord]) -> float:
    """Share of the trials that a model proposed, 0 to 1.

    Those do not count that somebody else gave, or that follow where the model said that it was
    done.
    """
    asked = _before_done(records)
    proposed = sum(record.proposer == "model" for record in asked)
    return proposed / len(asked) if asked else 0.0


def asked_for(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that a tuner was asked for: nobody else gave them."""
    return [record for record in records if record.proposer not in GIVEN]


def hardly_asked(records: Sequence[TrialRecord]) -> bool:
    """Whether there were trials to propose, and a model proposed under half of them."""
    asked = _before_done(records)
    return bool(asked) and model_share(records) < HALF


def _before_done(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that a model might have proposed: it had not said that it was done."""
    return [each for each in asked_for(records) if not each.why.startswith(attributes.IS_DONE)]


def reasons(records: Iterable[TrialRecord]) -> list[tuple[int, str]]:
    """Why a model did not propose trials: alike ones are counted, and the first one's is told."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for record in asked_for(records):
        if record.proposer not in (None, "model"):
            kind = record.failure or re.sub(r"\d+", "", record.why)
            counts[kind] += 1
            first.setdefault(kind, record.why)
    return [(count, first[kind]) for kind, count in counts.most_common()]


def fastest(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The first of the fastest valid trials."""
    valid = [record for record in records if record.status == "ok"]
    return max(valid, key=lambda record: record.throughput, default=None)


def settled(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The records up to the first trial that is still running elsewhere, by number."""
    ordered = sorted(records, key=lambda record: record.number)
    numbered = takewhile(lambda pair: pair[0] == pair[1].number, enumerate(ordered))
    return [record for _, record in numbered]


def best_so_far(records: Sequence[TrialRecord]) -> list[float]:
    """The best throughput up to each trial."""
    best, curve = 0.0, []
    for record in records:
        best = max(best, record.throughput)
        curve.append(best)
    return curve


def template_digest(text: str) -> str:
    """A short name of a template, by which a study knows its space again."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def trials_to_reach(records: Sequence[TrialRecord], throughput: float) -> int | None:
    """How many trials it took to be as fast; None where it never was."""
    for count, record in enumerate(records, start=1):
        if record.status == "ok" and record.throughput >= throughput * (1 - TOLERANCE):
            return count
    return None
