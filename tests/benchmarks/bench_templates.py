"""Speed of templates and normal forms, for the search space of each application.

    python -m tests.benchmarks.bench_templates

Render and match times are of random points; a match is by tokens where the mapper is a
rendering, and by decisions where it was rewritten.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from math import log2

from rich.console import Console
from rich.table import Table

import dsl
from legion_bridge import Application, Machine, application_names

_COLUMNS = ("holes", "log2 points", "write ms", "render us", "by tokens ms", "by decisions ms")
_FORMS = ("lines", "normal form ms")


def best_ms(run: Callable[[], object], repeats: int = 20) -> float:
    """The least time of several runs, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def random_point(template: dsl.Template, rng: random.Random) -> Mapping[str, str | int]:
    """Values of all parameters that count."""
    values: dict[str, str | int] = {}
    for name, parameter in template.parameters.items():
        if template.is_active(name, values):
            values[name] = rng.choice(list(parameter.values))
    return values


def row(application: Application, machine: Machine, space: str) -> list[str]:
    """The figures of one search space."""
    template = dsl.template_for(application, machine, space)
    written = best_ms(lambda: dsl.template_for(application, machine, space), 3)
    values = random_point(template, random.Random(0))
    program = dsl.parse(template.render(values))
    normal = dsl.parse(dsl.normal_form(program))
    if template.match(program) != values or template.match(normal) != values:
        raise SystemExit(f"{application.name}: matching is not the inverse of rendering")
    figures = [
        f"{written:.1f}",
        f"{best_ms(lambda: template.render(values), 200) * 1e3:.0f}",
        f"{best_ms(lambda: template.match(program)):.2f}",
        f"{best_ms(lambda: template.match(normal)):.2f}",
        str(program.source.count("\n")),
        f"{best_ms(lambda: dsl.normal_form(program)):.2f}",
    ]
    return [str(len(template.parameters)), f"{log2(template.size):.0f}", *figures]


def main() -> None:
    """Prints the table."""
    table = Table("application", "space", *_COLUMNS, *_FORMS)
    machine = Machine.load("p100x4")
    for name in application_names():
        for space in ("paper", "rich"):
            table.add_row(name, space, *row(Application.load(name), machine, space))
    Console().print(table)


if __name__ == "__main__":
    main()
