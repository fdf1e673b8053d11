"""OpenTuner in a process of its own; run as a script by ``tuners.opentuner_process``.

OpenTuner 0.8.8 replaces ``logging.Formatter`` when it is imported, installs root log handlers,
writes a database and a log where it stands, and draws from the global random state. Here it may:
nothing of the tuned program lives in this process, its database is in memory, and its random state
is its own. It reads a JSON line a request from its standard input and answers each with one:

    {"space": [2, 3, [0.0, 1.0]], "seed": 7, "technique": "..."}    first, once
    {"ask": true}                            -> {"id": 1, "values": [0, 2, 0.3]}, null for none
    {"tell": 1, "time": 0.5}                 -> {}; a time of null is a failure
    {"inject": [1, 1, 0.5], "time": 0.4}     -> {}; a result from elsewhere

A parameter is the number of its choices, or a pair of bounds. The process ends with its input.

This file imports nothing of the project, so that it starts quickly.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import random
import sys
import threading
import time
from datetime import datetime
from typing import Any

Values = list[float]

# Seconds between looks at whether the process that started this one still lives.
LOOK_EVERY = 2.0

# A generation may bring only configurations that were asked for before.
GENERATIONS = 10


class Tuner:
    """One tuning run.

    Args:
        space: For each parameter the number of its choices, or its bounds.
        seed: Equal seeds and equal results give equal configurations.
        technique: Name of an OpenTuner technique; empty for OpenTuner's own default.
    """

    def __init__(self, space: list[Any], seed: int, technique: str) -> None:
        _make_repeatable(seed)
        import opentuner  # noqa: PLC0415  (after what must be set before it)
        from opentuner import tuningrunmain  # noqa: PLC0415
        from opentuner.api import TuningRunManager  # noqa: PLC0415
        from opentuner.measurement.interface import DefaultMeasurementInterface  # noqa: PLC0415

        tuningrunmain.init_logging = lambda: None
        logging.disable(logging.CRITICAL)
        _forget_identities()
        arguments = opentuner.default_argparser().parse_args([])
        arguments.database = "sqlite://"  # in memory, and all of it in this thread
        arguments.no_dups = True
        arguments.quiet = True
        arguments.parallelism = 1
        arguments.test_limit = sys.maxsize
        if technique:
            arguments.technique = [technique]
        self._names = [f"p{i:04d}" for i in range(len(space))]
        manipulator = opentuner.ConfigurationManipulator()
        for name, values in zip(self._names, space, strict=True):
            manipulator.add_parameter(_parameter(name, values))
        interface = DefaultMeasurementInterface(
            args=arguments, manipulator=manipulator, project_name="mappertune"
        )
        self._manager = TuningRunManager(interface, arguments)
        # A query over all results a step for a limit that nobody keeps.
        self._manager.measurement_driver.run_time_limit = lambda _desired: None
        self._asked: dict[int, Any] = {}
        self._results: dict[tuple[float, ...], Any] = {}
        self._known: set[tuple[float, ...]] = set()  # asked for, or told
        self._size = math.prod(map(_values_of, space))
        self._numbers = itertools.count(1)

    def ask(self) -> dict[str, Any] | None:
        """The next configuration; None where OpenTuner has none."""
        if len(self._known) >= self._size:
            return None  # OpenTuner would look for minutes
        for _ in range(GENERATIONS):
            desired = self._manager.get_next_desired_result()
            if desired is not None:
                number = next(self._numbers)
                self._asked[number] = desired
                data = desired.configuration.data
                values = [data[name] for name in self._names]
                self._known.add(tuple(values))
                return {"id": number, "values": values}
        return None

    def tell(self, number: int, seconds: float | None) -> None:
        """The result of a configuration that was asked for."""
        desired = self._asked.pop(number)
        values = tuple(desired.configuration.data[name] for name in self._names)
        known = self._results.get(values)
        if known is None:
            self._report(values, desired, seconds)
        else:  # OpenTuner compares configurations by their one result, and fails at a second
            desired.result, desired.state = known, "COMPLETE"

    def _report(self, values: tuple[float, ...], desired: Any, seconds: float | None) -> None:
        result = self._results[values] = _result(seconds)
        self._manager.report_result(desired, result)

    def inject(self, values: Values, seconds: float | None) -> None:
        """A result that was not asked for; nothing where OpenTuner has one of that already."""
        from opentuner.resultsdb.models import DesiredResult  # noqa: PLC0415  (loaded by now)

        self._known.add(tuple(values))
        driver = self._manager.search_driver
        configuration = driver.get_configuration(dict(zip(self._names, values, strict=True)))
        if tuple(values) in self._results or any(
            asked.configuration is configuration for asked in self._asked.values()
        ):
            return
        desired = DesiredResult(
            configuration=configuration,
            requestor="elsewhere",
            generation=driver.generation,
            request_date=datetime.now(),
            tuning_run=driver.tuning_run,
            state="RUNNING",
        )
        driver.session.add(desired)
        driver.session.flush()
        self._report(tuple(values), desired, seconds)


def _parameter(name: str, values: Any) -> Any:
    import opentuner  # noqa: PLC0415  (loaded by now)

    if isinstance(values, int):
        return opentuner.EnumParameter(name, list(range(values)))
    low, high = values
    if isinstance(low, int):
        return opentuner.IntegerParameter(name, low, high)
    return opentuner.FloatParameter(name, low, high)


def _values_of(values: Any) -> float:
    """How many values a parameter has."""
    if isinstance(values, int):
        return values
    low, high = values
    return high - low + 1 if isinstance(low, int) else math.inf


def _result(seconds: float | None) -> Any:
    from opentuner.resultsdb.models import Result  # noqa: PLC0415  (loaded by now)

    if seconds is None:
        return Result(state="ERROR", time=math.inf, accuracy=0.0)
    return Result(state="OK", time=seconds, accuracy=1.0)


def _make_repeatable(seed: int) -> None:
    import numpy as np  # noqa: PLC0415  (OpenTuner draws from its global state)

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (likewise)


def _forget_identities() -> None:
    """Differential evolution goes through a set that is hashed by identity, and by the clock."""
    from opentuner.search.differentialevolution import PopulationMember  # noqa: PLC0415

    numbers = itertools.count()

    def begin(self: Any, config: Any, submitted: bool = True) -> None:
        self.config, self.submitted, self.candidate_replacement = config, submitted, None
        self.number = self.timestamp = next(numbers)

    def touch(self: Any) -> None:
        self.timestamp = next(numbers)

    PopulationMember.__init__ = begin
    PopulationMember.__hash__ = lambda self: self.number
    PopulationMember.touch = touch


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, whoever else holds the pipe."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(0)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what OpenTuner prints is no answer
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    tuner: Tuner | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: Any = {}
        if tuner is None:
            tuner = Tuner(**request)
        elif "ask" in request:
            answer = tuner.ask()
        elif "tell" in request:
            tuner.tell(request["tell"], request["time"])
        else:
            tuner.inject(request["inject"], request["time"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
