"""Journals as Optuna writes them: the first ones of this program, and those of others.

One of this program's own is written anew in its own format, which takes a tenth of the space and
of the time. One in which others keep trials, too, stays as it is and is kept by Optuna.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from studies.journal_contents import KeptTrial, trial_record
from studies.journal_records import DamagedRecordError, parse_json

__all__ = ["OPTUNA", "Converter", "is_of_optuna", "open_optuna_study", "optuna_studies"]

OPTUNA = b'{"op_code":'

# What each operation must tell, and of which kind.
_Fields = dict[str, type | tuple[type, ...]]
_STUDY: _Fields = {"study_id": int}
_TRIAL: _Fields = {"trial_id": int}
_OPERATIONS: dict[int, _Fields] = {
    0: {"study_name": str, "directions": list},
    1: _STUDY,
    2: {**_STUDY, "user_attr": dict},
    3: {**_STUDY, "system_attr": dict},
    4: _STUDY,
    5: {**_TRIAL, "param_name": str, "param_value_internal": (int, float), "distribution": str},
    6: {**_TRIAL, "state": int},
    7: {**_TRIAL, "step": int, "intermediate_value": (int, float)},
    8: {**_TRIAL, "user_attr": dict},
    9: {**_TRIAL, "system_attr": dict},
    10: {},
}
_MAXIMISE = [2]


def is_of_optuna(path: Path) -> bool:
    """Whether a file is a journal as Optuna writes it, perhaps a damaged one."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except FileNotFoundError:
        return False
    return (head.startswith(OPTUNA) and b"\n" in head) or b"\n" + OPTUNA in head


def _operation(line: bytes) -> dict[str, Any]:
    """The operation that a line tells.

    Raises:
        DamagedRecordError: It tells none.
    """
    if not line.strip():
        raise DamagedRecordError("it is empty")
    operation = parse_json(line)
    code = operation.get("op_code")
    if not isinstance(code, int) or code not in _OPERATIONS:
        raise DamagedRecordError(f"operation {str(code)[:20]} is unknown")
    for key, kind in _OPERATIONS[code].items():
        if not isinstance(operation.get(key), kind):
            raise DamagedRecordError(f"it does not tell its {key}")
    return operation


class Converter:
    """Turns operations of Optuna into records of this program's journals, one by one.

    Attributes:
        foreign: Whether there are operations that such records cannot tell.
    """

    def __init__(self) -> None:
        self.foreign = False
        self._names: list[str] = []
        self._parameters: list[tuple[str, BaseDistribution]] = []
        self._distributions: dict[str, BaseDistribution] = {}
        self._last = b""

    def records(self, line: bytes) -> Iterator[dict[str, Any]]:
        """The records that a line becomes.

        Raises:
            DamagedRecordError: The line is damaged, or repeats the one before.
        """
        operation = _operation(line)
        if operation["op_code"] == 4 and line == self._last:
            raise DamagedRecordError("it repeats the line before")
        self._last = line
        try:
            yield from self._records(operation)
        except DamagedRecordError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
            raise DamagedRecordError("its values are impossible") from None

    def _records(self, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
        code = operation["op_code"]
        if code == 0:
            if operation["study_name"] not in self._names:
                self.foreign |= operation["directions"] != _MAXIMISE
                self._names.append(operation["study_name"])
                yield {"study": len(self._names) - 1, "name": operation["study_name"]}
            return
        if code == 2:
            ((key, value),) = operation["user_attr"].items()
            yield {"study": operation["study_id"], "note": key, "value": value}
        elif code == 4 and operation.get("state") == TrialState.COMPLETE:
            yield from self._trial(operation)
        else:
            self.foreign = True

    def _trial(self, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
        known = self._distributions
        space = {
            name: known.get(told) or known.setdefault(told, json_to_distribution(told))
            for name, told in operation["distributions"].items()
        }
        if operation.get("values") is not None or operation.get("intermediate_values"):
            self.foreign = True
            return
        trial = KeptTrial(
            number=0,
            trial_id=0,
            state=TrialState.COMPLETE,
            value=float(operation["value"]),
            datetime_start=datetime.fromisoformat(operation["datetime_start"]),
            datetime_complete=datetime.fromisoformat(operation["datetime_complete"]),
            params={
                name: space[name].to_external_repr(internal)
                for name, internal in operation["params"].items()
            },
            distributions=space,
            user_attrs=operation["user_attrs"],
            system_attrs=operation["system_attrs"],
            intermediate_values={},
        )
        record, new = trial_record(trial, self._parameters)
        if new:
            yield {"parameters": new}
        yield {"study": operation["study_id"], "trial": record}


def open_optuna_study(name: str, path: Path, lock: JournalFileOpenLock) -> optuna.Study:
    """A study of a journal that Optuna keeps."""
    return optuna.create_study(
        study_name=name, storage=_storage(path, lock), direction="maximize", load_if_exists=True
    )


def optuna_studies(path: Path, lock: JournalFileOpenLock) -> dict[str, optuna.Study]:
    """The studies of a journal that Optuna keeps, by name."""
    storage = _storage(path, lock)
    names = optuna.get_all_study_names(storage)
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def _storage(path: Path, lock: JournalFileOpenLock) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
