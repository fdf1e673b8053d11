"""Ledgers: every call is entered before it is made, and completed after it.

    Ledger            what a meter needs of one
    ├── MemoryLedger  of a study that lives in one process
    ├── FileLedger    a line of JSON for each entry, in a file beside the study
    └── StorageLedger in the storage of an Optuna study, a page for each process

So the processes of a study share a budget, and a process that is killed in the middle of a call
leaves an entry that counts as the most that the call could have cost.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dsl.owners import this_process
from tuners.llm.model.accounts import (
    Account,
    Accounts,
    OpenCall,
    open_call_of,
    usage_of,
)
from tuners.llm.model.errors import LedgerError
from tuners.llm.model.exchange import ModelUsage

if TYPE_CHECKING:
    from optuna import Study

__all__ = ["FileLedger", "Ledger", "MemoryLedger", "StorageLedger"]

log = logging.getLogger(__name__)

PAGE = "mappertune:ledger:"  # and a token for each process: a system attribute of the study


class Ledger(ABC):
    """An account of calls; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._own: dict[str, OpenCall] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_own")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock(), _own={})

    def begin(self, most: ModelUsage, seconds: float) -> str:
        """Enters a call that is about to be made, and returns its key.

        Args:
            most: The most that it can use.
            seconds: Its time limit.

        Raises:
            LedgerError: The entry cannot be written; the call must not be made.
        """
        key = secrets.token_hex(8)
        call = OpenCall(most, time.time(), seconds, this_process())
        with self._lock:
            self._own[key] = call
            self._begin(key, call)
        return key

    def seed(self, used: ModelUsage) -> None:
        """Enters what was used before there was a ledger, where nothing is entered yet."""
        with self._lock:
            if not used.calls:
                return
            account = self.account()
            if not account.used.calls and not account.under_way:
                self.complete(self.begin(used, 0.0), used)

    def amend(self, key: str, most: ModelUsage) -> None:
        """Lowers what a call can use."""
        with self._lock:
            call = self._own[key] = replace(self._own[key], most=most)
            self._begin(key, call)

    def complete(self, key: str, used: ModelUsage) -> None:
        """Enters what a call has used; where that cannot be written, the most stands."""
        with self._lock:
            self._own.pop(key, None)
            try:
                self._complete(key, used)
            except LedgerError as error:
                log.warning("%s; a call counts as the most that it could have cost", error)

    def withdraw(self, key: str) -> None:
        """Strikes a call that was not made."""
        with self._lock:
            self._own.pop(key, None)
            self._withdraw(key)

    @abstractmethod
    def account(self, but: str | None = None) -> Account:
        """How things stand, without the call of the key ``but``."""

    @abstractmethod
    def _begin(self, key: str, call: OpenCall) -> None: ...

    @abstractmethod
    def _complete(self, key: str, used: ModelUsage) -> None: ...

    @abstractmethod
    def _withdraw(self, key: str) -> None: ...


class MemoryLedger(Ledger):
    """The ledger of a study that nobody else knows of."""

    def __init__(self) -> None:
        super().__init__()
        self._book = Accounts()

    def account(self, but: str | None = None) -> Account:
        with self._lock:
            return Account.of([self._book], but)

    def _begin(self, key: str, call: OpenCall) -> None:
        self._book.begin(key, call)

    def _complete(self, key: str, used: ModelUsage) -> None:
        self._book.complete(key, used)

    def _withdraw(self, key: str) -> None:
        self._book.withdraw(key)


class FileLedger(Ledger):
    """A ledger in a file, to which a line is appended for each event of a call.

    Args:
        path: The file; it is made with the first entry.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._book = Accounts()
        self._read = 0  # bytes
        self._lines = 0

    def account(self, but: str | None = None) -> Account:
        with self._lock:
            if self._path.exists():
                with self._opened():
                    pass
            return Account.of([self._book], but)

    def _begin(self, key: str, call: OpenCall) -> None:
        self._append({"call": key, "begin": asdict(call)})

    def _complete(self, key: str, used: ModelUsage) -> None:
        self._append({"call": key, "used": asdict(used)})

    def _withdraw(self, key: str) -> None:
        self._append({"call": key, "withdrawn": True})

    def _append(self, event: dict[str, Any]) -> None:
        data = (json.dumps(event) + "\n").encode("ascii")
        with self._opened() as file:
            file.write(data)
            file.flush()
            self._read += len(data)
            self._lines += 1
            self._apply(event)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """The file, locked and read to its end; a line that a kill left torn is cut off."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if file.seek(0, os.SEEK_END) < self._read:  # somebody has set it aside
                    self._book, self._read, self._lines = Accounts(), 0, 0
                file.seek(self._read)
                news = file.read()
                whole = news.rfind(b"\n") + 1
                if whole < len(news):
                    file.truncate(self._read + whole)
                for line in news[:whole].splitlines():
                    self._lines += 1
                    self._take(line)
                self._read += whole
                yield file
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise LedgerError(f"cannot keep the ledger {self._path}: {reason}") from None

    def _take(self, line: bytes) -> None:
        try:
            self._apply(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise LedgerError(
                f"{self._path}:{self._lines}: not a line of a ledger; restore the file, or remove "
                "it to count from what the trials tell"
            ) from None

    def _apply(self, event: dict[str, Any]) -> None:
        key = str(event["call"])
        if "begin" in event:
            self._book.begin(key, open_call_of(event["begin"]))
        elif "used" in event:
            self._book.complete(key, usage_of(event["used"]))
        elif event["withdrawn"]:
            self._book.withdraw(key)


class StorageLedger(Ledger):
    """A ledger in the storage of a study, which goes where the study goes.

    Each process writes a page of its own and reads those of all: two that enter a call at the
    same time do not overwrite each other, and at least one of them sees the other's.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        super().__init__()
        self._study_id = study._study_id  # noqa: SLF001  (samplers have no other way to notes)
        self._storage = study._storage  # noqa: SLF001  (likewise)
        self._key, self._process = "", ""
        self._book = Accounts()

    def account(self, but: str | None = None) -> Account:
        with self._lock:
            found = self._reported(lambda: self._storage.get_study_system_attrs(self._study_id))
            pages = [page for key, page in found.items() if key.startswith(PAGE)]
            try:
                return Account.of([Accounts.from_json(page) for page in pages], but)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise LedgerError(
                    "a page of the study's ledger in its storage is damaged: restore it, or use "
                    "another study"
                ) from None

    def seed(self, used: ModelUsage) -> None:
        page = Accounts(used).as_json()
        account = self.account()
        if used.calls and not account.used.calls and not account.under_way:
            self._reported(  # two processes that do so at the same time write the same page
                lambda: self._storage.set_study_system_attr(self._study_id, f"{PAGE}earlier", page)
            )

    def _begin(self, key: str, call: OpenCall) -> None:
        if self._process != call.owner:  # the first entry, or that of a fork
            self._process, self._book = call.owner, Accounts()
            self._key = PAGE + secrets.token_hex(8)
        self._book.begin(key, call)
        self._write()

    def _complete(self, key: str, used: ModelUsage) -> None:
        self._book.complete(key, used)
        self._write()

    def _withdraw(self, key: str) -> None:
        self._book.withdraw(key)
        self._write()

    def _write(self) -> None:
        page = self._book.as_json()
        self._reported(
            lambda: self._storage.set_study_system_attr(self._study_id, self._key, page)
        )

    def _reported(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:
            raise LedgerError(
                f"the study's storage does not keep the ledger of calls: {type(error).__name__}"
            ) from error
