"""OpenTuner in a process of its own; run as a script by ``tuners.samplers.opentuner.process``.

OpenTuner 0.8.8 replaces ``logging.Formatter`` when it is imported, installs root log handlers,
writes a database and a log where it stands, and draws from the global random state. Here it may:
nothing of the tuned program lives in this process, its books are in memory, and its random state
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
from typing import Any

Values = list[float]

# Seconds between looks at whether the process that started this one still lives.
LOOK_EVERY = 2.0

# Some generations bring nothing, or only configurations that were asked for before.
GENERATIONS = 100


class Tuner:
    """One tuning run.

    Args:
        space: For each parameter the number of its choices, or its bounds.
        seed: Equal seeds and equal results give equal configurations.
        technique: Name of an OpenTuner technique; empty for OpenTuner's own default.
    """

    def __init__(self, space: list[Any], seed: int, technique: str) -> None:
        _make_repeatable(seed)
        import opentuner  # after what must be set before it
        from opentuner import tuningrunmain
        from opentuner.api import TuningRunManager
        from opentuner.measurement.interface import DefaultMeasurementInterface

        tuningrunmain.init_logging = lambda: None
        logging.disable(logging.CRITICAL)
        _forget_identities()
        arguments = opentuner.default_argparser().parse_args([])
        arguments.database = "sqlite://"  # in memory, and hardly anything in it
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
        manager = TuningRunManager(interface, arguments, search_driver=_driver_in_memory())
        self._driver = manager.search_driver
        self._asked: dict[int, Any] = {}
        self._numbers = itertools.count(1)
        self._known: set[str] = set()  # what was asked for, or told
        self._size = math.prod(map(_values_of, space))

    def ask(self) -> dict[str, Any] | None:
        """The next configuration; None where OpenTuner has none."""
        driver = self._driver
        if len(self._known) >= self._size:
            return None  # OpenTuner would look for minutes
        for _ in range(GENERATIONS):
            driver.process_new_results()
            desired = driver.root_technique.desired_result()
            if not desired:
                continue
            if driver.recall(desired):
                continue  # it asks again for what it knows
            number = next(self._numbers)
            self._asked[number] = desired
            self._known.add(desired.configuration.hash)
            data = desired.configuration.data
            return {"id": number, "values": [data[name] for name in self._names]}
        return None

    def tell(self, number: int, seconds: float | None) -> None:
        """The result of a configuration that was asked for."""
        self._driver.take(self._asked.pop(number), seconds)

    def inject(self, values: Values, seconds: float | None) -> None:
        """A result that was not asked for; nothing where OpenTuner has one of that already."""
        from opentuner.resultsdb.models import DesiredResult  # loaded by now

        driver = self._driver
        configuration = driver.get_configuration(dict(zip(self._names, values, strict=True)))
        asked = {each.configuration.hash for each in self._asked.values()}
        self._known.add(configuration.hash)
        if configuration.hash not in asked and not driver.has_results(configuration):
            driver.take(DesiredResult(configuration=configuration), seconds)


def _driver_in_memory() -> Any:  # noqa: C901  (one class, whose base is imported late)
    """OpenTuner's driver with its books in dictionaries.

    The database that it keeps them in takes most of its time. It asks there whether it has had a
    configuration, which of two was better, and what is new; nothing else of it is used.
    """
    from opentuner.resultsdb.models import Configuration, Result  # loaded late
    from opentuner.search.driver import SearchDriver

    class Driver(SearchDriver):  # type: ignore[misc]  # it ships no types
        def __init__(self, **settings: Any) -> None:
            self.configurations: dict[str, Any] = {}
            self.results: dict[str, Any] = {}  # by the hash of the configuration
            self.fresh: list[Any] = []
            self.best_result: Any = None
            super().__init__(**settings)
            self.objective.config_compare = self.compare
            self.objective.limit_from_config = lambda _config: None

        def get_configuration(self, values: dict[str, Any]) -> Any:
            self.manipulator.normalize(values)
            key = self.manipulator.hash_config(values)
            if key not in self.configurations:
                self.configurations[key] = Configuration(hash=key, data=values)
            return self.configurations[key]

        def has_results(self, configuration: Any) -> bool:
            return configuration.hash in self.results

        def compare(self, one: Any, other: Any) -> int:
            first, second = self.time(one), self.time(other)
            return (first > second) - (first < second)

        def time(self, configuration: Any) -> float:
            return float(getattr(self.results.get(configuration.hash), "time", math.inf))

        def take(self, desired: Any, seconds: float | None) -> None:
            """The result of a configuration."""
            if not self.recall(desired):
                result = Result(
                    configuration=desired.configuration,
                    state="ERROR" if seconds is None else "OK",
                    time=math.inf if seconds is None else seconds,
                )
                self.results[desired.configuration.hash] = desired.result = result
                self.fresh.append(result)

        def recall(self, desired: Any) -> bool:
            """Whether the result is known; if so, it is given."""
            desired.result = self.results.get(desired.configuration.hash)
            return desired.result is not None

        def process_new_results(self) -> None:
            self.new_results, self.fresh = self.fresh, []
            for result in self.new_results:
                self.plugin_proxy.on_result(result)
                best = self.best_result
                result.was_new_best = best is None or self.objective.lt(result, best)
                if result.was_new_best:
                    self.best_result = result
                    self.plugin_proxy.on_new_best_result(result)
            self.result_callbacks()

    return Driver


def _parameter(name: str, values: Any) -> Any:
    import opentuner  # loaded by now

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


def _make_repeatable(seed: int) -> None:
    import numpy as np  # OpenTuner draws from its global state

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (likewise)


def _forget_identities() -> None:
    """Differential evolution goes through a set that is hashed by identity, and by the clock."""
    from opentuner.search.differentialevolution import PopulationMember

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
