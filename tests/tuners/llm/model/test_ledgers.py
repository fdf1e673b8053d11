"""Ledgers: written ahead, shared by processes, and kept where a process dies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import optuna
import pytest

from tests.tuners.llm.model.conftest import HELLO
from tuners.llm.model import (
    Budget,
    BudgetSpent,
    FileLedger,
    LedgerError,
    MemoryLedger,
    ModelUsage,
    StorageLedger,
)
from tuners.llm.model import accounts as accounts_module
from tuners.llm.model import meter as meter_module
from tuners.llm.model.meter import Limits, Meter

MOST = ModelUsage(calls=1, prompt_tokens=10, completion_tokens=90, cost=0.5, lost_calls=1)
USED = ModelUsage(calls=1, prompt_tokens=9, completion_tokens=20, cost=0.1)

# Begins a call, and dies before it ends.
DIES = """
import os, sys
from pathlib import Path
from tuners.llm.model import FileLedger, ModelUsage
most = ModelUsage(calls=1, prompt_tokens=10, completion_tokens=90, cost=0.5, lost_calls=1)
FileLedger(Path(sys.argv[1])).begin(most, 1000.0)
os.kill(os.getpid(), 9)
"""
# Makes calls until the budget of 15 is spent, and says how many.
SPENDS = """
import sys
from pathlib import Path
from tuners.llm.model import Budget, BudgetSpent, FileLedger, Message, Reply, Request
from tuners.llm.model.meter import Limits, Meter
meter = Meter(Limits(Budget(calls=15)), lambda *_: None, FileLedger(Path(sys.argv[1])))
made = 0
try:
    while True:
        share = meter.reserve(Request((Message("user", "hello"),), max_tokens=10))
        made += 1
        meter.count_reply(share, Reply("hello", "m", 5, 5))
except BudgetSpent:
    print(made)
"""


@pytest.fixture(params=["memory", "file", "storage"])
def make_ledger(request, tmp_path):
    """Makes ledgers of one study, as further processes of it would."""
    storage = optuna.storages.InMemoryStorage()
    memory = MemoryLedger()
    study = optuna.create_study(storage=storage)
    makers = {
        "memory": lambda: memory,
        "file": lambda: FileLedger(tmp_path / "a" / "ledger.jsonl"),
        "storage": lambda: StorageLedger(study),
    }
    return makers[request.param]


def test_an_entry_stands_before_the_call_and_is_completed_after_it(make_ledger):
    ours, theirs = make_ledger(), make_ledger()
    key = ours.begin(MOST, 60.0)
    assert theirs.account().under_way == (MOST,)
    assert theirs.account().used == ModelUsage()
    ours.amend(key, replace(MOST, cost=0.2))
    assert theirs.account().under_way[0].cost == 0.2
    ours.complete(key, USED)
    assert (theirs.account().under_way, theirs.account().used) == ((), USED)
    ours.withdraw(ours.begin(MOST, 60.0))
    assert (theirs.account().under_way, theirs.account().used) == ((), USED)


def test_an_entry_of_a_dead_process_counts_as_the_most(tmp_path):
    path = tmp_path / "ledger.jsonl"
    done = subprocess.run([sys.executable, "-c", DIES, path], cwd=".", check=False)
    assert done.returncode == -9
    account = FileLedger(path).account()
    assert (account.used, account.under_way) == (MOST, ())


def test_an_entry_whose_time_is_long_over_counts_as_the_most(make_ledger, monkeypatch):
    ledger = make_ledger()
    ledger.begin(MOST, 5.0)
    later = time.time() + 5.0 + accounts_module.LATE + 1
    monkeypatch.setattr(accounts_module.time, "time", lambda: later)
    assert ledger.account().used == MOST


def test_three_processes_make_as_many_calls_as_the_budget_has(tmp_path):
    command = [sys.executable, "-c", SPENDS, str(tmp_path / "ledger.jsonl")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(each.communicate(timeout=60)[0]) for each in running) == 15


def test_a_torn_line_is_cut_off_and_a_damaged_one_told(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = FileLedger(path)
    ledger.complete(ledger.begin(MOST, 60.0), USED)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"call": "x", "begin": {"mo')
    again = FileLedger(path)
    assert again.account().used == USED
    again.withdraw(again.begin(MOST, 60.0))
    assert all(json.loads(line) for line in path.read_text().splitlines())
    path.write_text('{"call": "x", "used": {"calls": NaN}}\n' + whole.decode())
    with pytest.raises(LedgerError, match=r"ledger\.jsonl:1: not a line of a ledger"):
        FileLedger(path).account()


def test_a_ledger_that_cannot_be_written_lets_no_call_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot keep the ledger"):
        FileLedger(tmp_path / "file" / "ledger.jsonl").begin(MOST, 60.0)


def test_what_earlier_trials_tell_is_entered_once(make_ledger):
    for _ in range(2):
        make_ledger().seed(USED)
    assert make_ledger().account().used == USED


def test_calls_of_a_minute_wait_for_each_other(make_ledger, monkeypatch):
    now, waits = [1_000_000.0], []

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    for module in (accounts_module, meter_module):
        monkeypatch.setattr(module.time, "time", lambda: now[0])
    meters = [
        Meter(Limits(per_minute=2), lambda *_: None, make_ledger(), sleep=sleep) for _ in range(2)
    ]
    for count in range(5):
        share = meters[count % 2].reserve(HELLO)
        meters[count % 2].count_lost(share)
    assert now[0] == pytest.approx(1_000_120.0, abs=1.0)
    assert len(waits) == 2


def test_a_budget_waits_for_calls_under_way_and_then_says_that_it_is_spent(
    make_ledger, monkeypatch
):
    monkeypatch.setattr(meter_module, "PATIENCE", 0.1)
    ledger, other = make_ledger(), make_ledger()
    key = other.begin(MOST, 60.0)
    waited = []

    def sleep(_):
        waited.append(True)
        other.complete(key, USED)

    limits = Limits(Budget(tokens=120))
    meter = Meter(limits, lambda *_: None, ledger, sleep=sleep)
    assert meter.reserve(replace(HELLO, max_tokens=50)).reply == 50
    assert waited == [True]
    with pytest.raises(BudgetSpent):
        Meter(Limits(Budget(calls=1)), lambda *_: None, make_ledger()).reserve(HELLO)
