"""`dsl.check`: milliseconds for the expert mappers, and agreement with the simulator.

Run as ``python tests/benchmarks/bench_check.py [MAPPERS]``, random mappers of each application's
template (100 by default). An error is right where the simulated run fails.
"""

# ruff: noqa: T201  a benchmark prints

from __future__ import annotations

import random
import sys
from time import perf_counter

import dsl
from legion_bridge import Application, Evaluator, Machine, application_names


def milliseconds(application: Application, machine: Machine, repeats: int = 10) -> float:
    """The fastest of some checks of the expert mapper, which is parsed already."""
    program = dsl.parse(application.mappers["expert"])
    forecast = Evaluator(application, machine).forecast
    times = []
    for _ in range(repeats):
        start = perf_counter()
        dsl.check(program, application, machine, forecast=forecast)
        times.append(perf_counter() - start)
    return 1e3 * min(times)


def agreement(evaluator: Evaluator, mappers: int) -> tuple[int, int, int]:
    """Mappers whose run fails, those of them that the check rejects, and false alarms."""
    template = dsl.template_for(evaluator.application, evaluator.machine)
    choose = random.Random(0)
    failed = found = false = 0
    for _ in range(mappers):
        values = {name: choose.choice(p.values) for name, p in template.parameters.items()}
        program = dsl.parse(template.render(values))
        application, machine = evaluator.application, evaluator.machine
        told = dsl.check(program, application, machine, forecast=evaluator.forecast)
        rejected = any(diagnostic.severity == "error" for diagnostic in told)
        fails = not evaluator.evaluate(program).ok
        failed += fails
        found += fails and rejected
        false += rejected and not fails
    return failed, found, false


def main(mappers: int) -> None:
    machine = Machine.load("p100x4")
    print(f"{'application':12} {'check':>9} {'fail':>6} {'found':>6} {'false alarms':>13}")
    for name in application_names():
        application = Application.load(name)
        time = milliseconds(application, machine)
        failed, found, false = agreement(Evaluator(application, machine), mappers)
        print(f"{name:12} {time:6.1f} ms {failed:6} {found:6} {false:13}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
