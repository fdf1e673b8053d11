"""How many mappers a second are simulated, beside a bare parse of the same texts.

Run as ``python -m tests.benchmarks.bench_simulator [APPLICATION ...]``. From values: rendered from
a template, statements seen before, every mapper new. From text: nothing seen before. The kernel
alone plans and executes. The peer is our own full parse of one text, which a tuner that starts
from text cannot avoid; a ratio above 1 says how much cheaper a whole evaluation is.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

from rich.console import Console
from rich.table import Table

import dsl
from dsl.parsing.statement_cache import StatementCache
from legion_bridge import Application, Evaluator, Machine, Outcome, _kernel, application_names

MAPPERS = 200


def values_of(template: dsl.Template, rng: random.Random) -> dict[str, Any]:
    """The defaults with some memories and index maps of others: most of them valid."""
    values: dict[str, Any] = template.defaults()
    for name, parameter in template.parameters.items():
        if name.startswith(("mem", "map", "align")) and rng.random() < 0.3:
            values[name] = rng.choice(parameter.choices)
    return values


def seconds(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    """CPU seconds an item."""
    start = process_time()
    for item in items:
        function(item)
    return (process_time() - start) / len(items)


def forgetful(evaluator: Evaluator) -> Evaluator:
    """The evaluator, which has never seen a statement."""
    evaluator._statements = StatementCache()
    return evaluator


def measure(name: str) -> list[str]:
    application, machine = Application.load(name), Machine.load("p100x4")
    template, rng = dsl.template_for(application, machine), random.Random(0)
    values = [values_of(template, rng) for _ in range(2 * MAPPERS)]
    texts = [template.render(chosen) for chosen in values]
    evaluator = Evaluator(application, machine)
    for text in texts[:MAPPERS]:
        evaluator.evaluate_text(text)
    new = values[MAPPERS:]
    warm = seconds(lambda chosen: evaluator.evaluate_text(template.render(chosen)), new)
    cold = seconds(lambda text: forgetful(evaluator).evaluate_text(text), texts[:MAPPERS])
    parse = seconds(dsl.parse, texts[:50])
    simulator = evaluator.simulator
    decided = [simulator.decide_program(dsl.parse(text)) for text in texts[:50]]
    valid = [d for d in decided if not isinstance(d, Outcome)]
    inputs = [simulator._decided(d, simulator._timer.times(d.launches)) for d in valid]
    prepared, window = simulator._prepared, simulator._windows[0]
    kernel = (
        seconds(lambda arrays: _kernel.simulate(prepared, arrays, window, False), inputs)
        if inputs
        else 0.0
    )
    statuses = [evaluator.evaluate_text(text).ok for text in texts]
    return [
        name,
        f"{1 / warm:.0f}",
        f"{1 / cold:.0f}",
        f"{parse * 1e6:.0f}",
        f"{parse / warm:.1f}",
        f"{kernel * 1e6:.0f}",
        f"{sum(statuses) / len(statuses):.0%}",
    ]


def main() -> None:
    table = Table("application")
    for heading in ("from values /s", "from text /s", "parse us", "parse / values", "kernel us",
                    "valid"):  # fmt: skip
        table.add_column(heading, justify="right")
    for name in sys.argv[1:] or application_names():
        table.add_row(*measure(name))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
