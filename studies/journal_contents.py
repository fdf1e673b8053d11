"""What a journal's records say, read one after the other: studies, their notes and trials."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.trial import FrozenTrial, TrialState

from studies.journal_records import FORMAT, DamagedRecordError

__all__ = ["Contents", "KeptTrial", "StudyContents", "trial_record"]


class KeptTrial(FrozenTrial):
    """A finished trial, which nobody changes any more: its copies share what it holds."""

    def __deepcopy__(self, memo: dict[int, Any]) -> KeptTrial:
        return copy.copy(self)


@dataclass
class StudyContents:
    """What a journal holds of one study.

    Attributes:
        name: Its name.
        notes: What was left with it, by key.
        trials: Its finished trials, in order.
    """

    name: str
    notes: dict[str, Any] = field(default_factory=dict)
    trials: list[FrozenTrial] = field(default_factory=list)


class Contents:
    """What the records so far have said.

    Attributes:
        studies: By number.
        parameters: Names and distributions of the parameters that trials speak of, by number.
    """

    def __init__(self) -> None:
        self.studies: dict[int, StudyContents] = {}
        self.parameters: list[tuple[str, BaseDistribution]] = []
        self._spaces: dict[tuple[int, ...], dict[str, BaseDistribution]] = {}
        self._texts: dict[str, str] = {}

    @property
    def trial_count(self) -> int:
        """Trials of all studies."""
        return sum(len(study.trials) for study in self.studies.values())

    def take(self, record: Mapping[str, Any]) -> None:
        """Takes in the next record.

        Raises:
            DamagedRecordError: It makes no sense.
        """
        try:
            self._take(record)
        except DamagedRecordError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
            raise DamagedRecordError("its values are impossible") from None

    def _take(self, record: Mapping[str, Any]) -> None:
        if "trial" in record:
            study = self.studies[record["study"]]
            study.trials.append(self._trial(record["trial"], len(study.trials)))
        elif "note" in record:
            self.studies[record["study"]].notes[_text(record["note"])] = record["value"]
        elif "name" in record:
            number = record["study"]
            if number in self.studies or any(
                each.name == record["name"] for each in self.studies.values()
            ):
                raise DamagedRecordError("the study has begun before")
            self.studies[int(number)] = StudyContents(_text(record["name"]))
        elif "parameters" in record:
            self.take_parameters(record["parameters"])
        elif record.get("journal") != FORMAT:
            raise DamagedRecordError("its kind is unknown")

    def parameters_told(self) -> dict[str, Any]:
        """All parameters, as a record tells them."""
        return {
            str(number): [name, distribution_to_json(distribution)]
            for number, (name, distribution) in enumerate(self.parameters)
        }

    def take_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Takes in parameters, which may be known already."""
        for number, (name, told) in parameters.items():
            if int(number) < len(self.parameters):
                known = self.parameters[int(number)]
                if known[0] != name or distribution_to_json(known[1]) != told:
                    raise DamagedRecordError("it says another thing of a parameter")
            elif int(number) == len(self.parameters):
                self.parameters.append((_text(name), json_to_distribution(told)))
            else:
                raise DamagedRecordError("parameters before it are missing")

    def _trial(self, record: Mapping[str, Any], number: int) -> FrozenTrial:
        at = record["at"]
        if isinstance(at, list):
            numbers, internal = tuple(range(len(at))), at
        else:
            numbers, internal = tuple(map(int, at)), list(at.values())
        parameters = self.parameters
        space = self._spaces.get(numbers)
        if space is None:
            if any(each < 0 for each in numbers):
                raise DamagedRecordError("its values are impossible")
            space = self._spaces[numbers] = dict(parameters[each] for each in numbers)
        value = float(record["value"])
        if not math.isfinite(value):
            raise DamagedRecordError("it holds a number that is too large")
        return KeptTrial(
            number=number,
            trial_id=number,
            state=TrialState.COMPLETE,
            value=value,
            datetime_start=_moment(record["begun"]),
            datetime_complete=_moment(record["ended"]),
            params={
                name: _external(distribution, one)
                for (name, distribution), one in zip(space.items(), internal, strict=True)
            },
            distributions=space,
            user_attrs=self._interned(record["notes"]),
            system_attrs=self._interned(record["system"]),
            intermediate_values={},
        )

    def _interned(self, notes: Mapping[str, Any]) -> dict[str, Any]:
        """Notes whose keys, and short texts, are kept once for all trials."""
        texts = self._texts
        return {
            texts.setdefault(key, key): (
                texts.setdefault(value, value)
                if isinstance(value, str) and len(value) < 20
                else value
            )
            for key, value in notes.items()
        }


# Optuna's TPE keeps there what it has proposed, of which it reads that of trials that run alone.
_OF_RUNNING_TRIALS = "tpe:relative_params"


def trial_record(
    trial: FrozenTrial, parameters: list[tuple[str, BaseDistribution]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A finished trial as a record, and the parameters that are new with it.

    Args:
        trial: The trial.
        parameters: Those known so far, to which the new ones are added.

    Raises:
        ValueError: It is not finished, or has several values.
    """
    if trial.state != TrialState.COMPLETE or trial.value is None:
        raise ValueError(f"trial {trial.number} has no value: a journal keeps those that have one")
    known = {name: number for number, (name, _) in enumerate(parameters)}
    new: dict[str, Any] = {}
    at: dict[int, Any] = {}
    for name, distribution in trial.distributions.items():
        number = known.get(name)
        same = number is not None and _same(parameters[number][1], distribution)
        if number is None or not same:
            number = len(parameters)
            parameters.append((name, distribution))
            new[str(number)] = [name, distribution_to_json(distribution)]
        at[number] = _internal(distribution, trial.params[name])
    record = {
        "at": list(at.values()) if list(at) == list(range(len(at))) else at,
        "value": float(trial.value),
        "begun": _text_of(trial.datetime_start),
        "ended": _text_of(trial.datetime_complete),
        "notes": trial.user_attrs,
        "system": {
            key: value
            for key, value in trial.system_attrs.items()
            if not key.startswith(_OF_RUNNING_TRIALS)
        },
    }
    return record, new


def _same(one: BaseDistribution, other: BaseDistribution) -> bool:
    """Whether two distributions are equal; Optuna compares choices one by one, in Python."""
    if isinstance(one, CategoricalDistribution) and isinstance(other, CategoricalDistribution):
        return one is other or one.choices == other.choices or one == other
    return one is other or one == other


def _internal(distribution: BaseDistribution, value: Any) -> Any:
    """A value as a journal has it; Optuna looks for choices in Python."""
    if isinstance(distribution, CategoricalDistribution) and isinstance(value, str):
        return distribution.choices.index(value)
    return distribution.to_internal_repr(value)


def _external(distribution: BaseDistribution, value: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        if not isinstance(value, int) or value < 0:
            raise DamagedRecordError("its values are impossible")
        return distribution.choices[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DamagedRecordError("its values are impossible")
    if not distribution._contains(value):  # noqa: SLF001  (Optuna's own check)
        raise DamagedRecordError("its values are impossible")
    return distribution.to_external_repr(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DamagedRecordError("its values are impossible")
    return value


def _text_of(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    """In local time, without saying so, as Optuna has it."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
