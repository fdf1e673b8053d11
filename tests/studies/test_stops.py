from __future__ import annotations

import os
import signal
import threading

import pytest

from studies.stops import Stopped, stoppable, stops_in_order


def work(number, tidied):
    try:
        os.kill(os.getpid(), number)
        signal.pause()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        tidied.append(True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_and_further_ones_do_not_disturb(number):
    tidied = []
    before = signal.signal(number, signal.SIG_DFL)  # nohup has one of them ignored
    try:
        with pytest.raises(Stopped) as stop, stoppable():
            work(number, tidied)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert stop.value.number == number
    assert tidied == [True]


def test_a_signal_that_is_ignored_stays_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_thread_of_its_own_has_no_signals():
    entered = []

    def run():
        with stoppable():
            entered.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == [True]


@pytest.mark.parametrize(
    ("stop", "number"),
    [(KeyboardInterrupt(), signal.SIGINT), (Stopped(signal.SIGHUP), signal.SIGHUP)],
)
def test_processes_end_by_the_signal_that_stops(stop, number):
    ended = []
    with stops_in_order(ended.append):
        raise stop
    assert ended == [number]


def test_processes_end_in_order_where_something_fails():
    ended = []
    with pytest.raises(ValueError, match="of its own"), stops_in_order(ended.append):
        raise ValueError("of its own")
    assert ended == [signal.SIGTERM]


def test_who_stops_again_does_not_wait():
    def again(_):
        raise KeyboardInterrupt

    with stops_in_order(again):
        raise Stopped(signal.SIGTERM)


def test_what_ends_well_is_not_stopped():
    with stops_in_order(pytest.fail):
        pass
