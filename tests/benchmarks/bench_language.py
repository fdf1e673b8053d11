"""Speed of the mapping language, beside a bare parse of the same text as the floor.

    python -m tests.benchmarks.bench_language

For the expert mapper of each application on one node of the paper: milliseconds, warm, to parse,
to load, and to answer all questions that a run asks. The floor is lark with our grammar and no
actions. Then index maps of a launch of 10^5 points.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files

from lark import Lark
from rich.console import Console
from rich.table import Table

import dsl
from legion_bridge import Application, Machine, application_names

_INDEX_MAPS = {
    "block": "return m[*(t.ipoint * m.size / t.ispace)];",
    "cyclic": "return m[*(t.ipoint % m.size)];",
    "linearised": "k = t.ipoint[0] * t.ispace[1] + t.ipoint[1]; q = m.merge(0, 1);"
    " return q[k % q.size[0]];",
    "hierarchical": "a = m.auto_split(0, t.ispace); b = a.auto_split(2, t.ispace / a[:-1]);"
    " u = t.ipoint * b[:2] / t.ispace; l = t.ipoint % b[2:]; return b[*u, *l];",
    "conditional": "i = t.ipoint[0]; j = i > 99 ? i - 99 : (i < 9 ? i + 1 : i * 2);"
    " return m[j % m.size[0], t.ipoint[1] < 100 ? 1 : 0];",
}
_LAUNCH = (316, 316)


def best_ms(run: Callable[[], object], repeats: int = 50) -> float:
    """The least time of several runs, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def ask_all(mapper: dsl.Mapper, application: Application) -> None:
    """Every decision that a run of the application takes."""
    for task in application.tasks.values():
        kind = next(k for k in (*mapper.task_kinds(task.name), "CPU") if k in task.variants)
        mapper.instance_limit(task.name)
        for requirement in task.requirements:
            for memory in mapper.memories(task.name, requirement.names, kind):
                mapper.layout(task.name, requirement.names, memory, kind)
            mapper.collects(task.name, requirement.names)
        if mapper.has_index_map(task.name, kind):
            for domain in task.launch_domains:
                mapper.index_map(task.name, kind, domain)


def language_table() -> Table:
    """Parse, load and decisions of each expert mapper."""
    grammar = files("dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    bare = Lark(grammar, parser="lalr", lexer="basic")
    shape = Machine.load("p100x4").shape
    table = Table(
        "expert mapper",
        "lines",
        "bare parse",
        "parse",
        "ratio",
        "load",
        "decisions",
        "in all",
        title="milliseconds, warm",
    )
    for name in application_names():
        application = Application.load(name, nodes=1)
        text = application.mappers["expert"]
        program = dsl.parse(text)
        floor = best_ms(lambda text=text: bare.parse(text))
        parse = best_ms(lambda text=text: dsl.parse(text))
        load = best_ms(lambda program=program: dsl.load(program, shape))
        loaded_and_asked = best_ms(
            lambda program=program, application=application: ask_all(
                dsl.load(program, shape), application
            )
        )
        numbers = (floor, parse, parse / floor, load, loaded_and_asked - load)
        table.add_row(
            name,
            str(len(text.splitlines())),
            *[f"{number:.2f}" for number in numbers],
            f"{parse + loaded_and_asked:.2f}",
        )
    return table


def index_map_table() -> Table:
    """Index maps of a large launch."""
    shape = dsl.MachineShape(nodes=4, processors={"GPU": 4})
    points = _LAUNCH[0] * _LAUNCH[1]
    table = Table("index map", "ms", "ns a point", title=f"a launch of {points:,} points")
    for name, body in _INDEX_MAPS.items():
        text = f"m = Machine(GPU); def f(Task t) {{ {body} }} IndexTaskMap work f;"
        program = dsl.parse(text)
        took = best_ms(
            lambda program=program: dsl.load(program, shape).index_map("work", "GPU", _LAUNCH), 10
        )
        table.add_row(name, f"{took:.1f}", f"{took * 1e6 / points:.0f}")
    return table


def main() -> None:
    console = Console()
    console.print(language_table())
    console.print(index_map_table())


if __name__ == "__main__":
    main()
