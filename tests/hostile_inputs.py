"""Inputs that are too large, too deep or no numbers, each with the command that reads it.

``python tests/hostile_inputs.py`` runs each in a process of its own and prints what it took:
seconds of the processor, the peak of its memory, the exit code and what it said first. The seconds
that a command takes to load are told by the row ``nothing``.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEEP = 100_000
LONG = "9" * 400
LONGER = "9" * 5000  # Python refuses to read more than 4,300 digits
BRACKETS = "[" * DEEP + "]" * DEEP
INFINITE, NONE = float("inf"), float("nan")
GPU = "Task * GPU; Region * * GPU FBMEM;"


@dataclass(frozen=True)
class HostileInput:
    """One input.

    Attributes:
        name: What it is.
        command: The command line; files are named by their names alone.
        files: Their texts by name, or what makes these.
        code: The exit code.
        says: Part of the sentence.
    """

    name: str
    command: tuple[str, ...]
    files: Mapping[str, str | Callable[[], str]] = field(default_factory=dict)
    code: int = 2
    says: str = ""

    def write(self, folder: Path) -> list[str]:
        """Writes its files into a folder, and returns the command line."""
        for name, text in self.files.items():
            (folder / name).write_text(text if isinstance(text, str) else text(), "utf-8")
        return [
            str(folder / word) if word in self.files or word == "runs" else word
            for word in self.command
        ]


def _machine(old: str, new: str) -> Callable[[], str]:
    def text() -> str:
        source = Path(__file__).parents[1] / "legion_bridge" / "machines" / "cpu2.toml"
        found = source.read_text("utf-8")
        assert old in found, old
        return found.replace(old, new, 1)

    return text


def _application(change: Callable[[dict[str, Any]], object]) -> Callable[[], str]:
    def text() -> str:
        from legion_bridge import Application
        from legion_bridge.programs.application_json import to_json

        document = json.loads(to_json(Application.load("stencil", nx=100, ny=100)))
        change(document)
        return json.dumps(document).replace(f'"{LONG}"', LONG).replace(f'"{LONGER}"', LONGER)

    return text


def _set(value: Any, *keys: Any) -> Callable[[dict[str, Any]], object]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def _measured(value: Any) -> str:
    row = {"application": "cannon", "nodes": 1, "n": 1000, "elapsed_s": value}
    return json.dumps({"schema": 1, "rows": [row]}).replace(f'"{LONG}"', LONG)


def _filled(line: Callable[[int], str]) -> str:
    """Lines up to 40 kB."""
    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) < 39_500:
        lines.append(line(len(lines)))
    return "\n".join(lines)


_LACKING = ("Region task_{0} arg_{0} GPU FBMEM", "Task t_{0} GPU CPU;", "Layout a b * SOA Foo;")
_RANDOM = random.Random(0)
BROKEN_MAPPERS: Mapping[str, str] = {
    "statements that lack something": _filled(lambda n: _LACKING[n % 3].format(n)),
    "no semicolon": _filled(lambda n: f"Region task_{n} arg_{n} GPU FBMEM"),
    "a semicolon missing at the end": _filled(lambda n: f"Task task_{n} GPU;") + "\nTask a GPU",
    "some semicolons missing": "Task a GPU\n" * 15 + _filled(lambda n: f"Task task_{n} GPU;"),
    "braces not closed": _filled(lambda n: f"def f{n}(Task t) {{\n  return m[0, 0];"),
    "a brace not closed at the end": "m = Machine(GPU);\n"
    + _filled(lambda n: f"def f{n}(Task t) {{ return m[0, 0]; }}")
    + "\ndef f(Task t) { return m[0, 0];",
    "one long line": _filled(lambda n: f"Task task_{n} GPU").replace("\n", " "),
    "one long line without its last semicolon": _filled(lambda n: f"Task task_{n} GPU;").replace(
        "\n", " "
    )
    + " Task a GPU",
    "1,000 functions with a colon": "\n".join(
        f"def f{n}(Task t): {{ return m[{n}, 0]; }}" for n in range(1000)
    ),
    "functions with and": _filled(
        lambda n: (
            f"def f{n}(Task t) {{ return t.ipoint[0] == 1 and {n} > 0 ? m[0, 0] : m[0, 1]; }}"
        )
    ),
    "fences": _filled(lambda _: "```mapper\nTask a GPU;\n```"),
    "prose": _filled(lambda _: "I would place the tasks on the GPU, or not"),
    "garbage": "".join(_RANDOM.choices('abc ;{}()[]=+-*/<>\n"#$@!?:.,019_ABC\\`~', k=40_000)),
    "blanks": " " * 20_000 + "x" + " " * 19_000 + "y",
}
"""Mappers of 40 kB that do not parse."""


def _tune(*options: str) -> tuple[str, ...]:
    return ("tune", "stencil", "--trials", "1", "--no-mlflow", "--output", "runs", *options)


def _eval(text: str | Callable[[], str], **more: Any) -> dict[str, Any]:
    command = ("eval", "x.mapper", "--app", "stencil")
    return {"command": command, "files": {"x.mapper": text}, **more}


def _explain(text: str, **more: Any) -> dict[str, Any]:
    command = ("explain", "x.mapper", "--app", "stencil")
    return {"command": command, "files": {"x.mapper": text}, **more}


def _on(text: str | Callable[[], str]) -> dict[str, Any]:
    return {"command": ("show", "m.toml"), "files": {"m.toml": text}}


def _of(text: str | Callable[[], str]) -> dict[str, Any]:
    return {"command": ("show", "a.json"), "files": {"a.json": text}}


def _validate(text: str | Callable[[], str]) -> dict[str, Any]:
    return {"command": ("validate", "v.json"), "files": {"v.json": text}}


INPUTS = [
    HostileInput("nothing", ("show", "stencil"), code=0),
    # Mappers
    HostileInput(
        "limit of 10^8, explained", **_explain(f"{GPU} InstanceLimit stencil 100000000;", code=0)
    ),
    HostileInput(
        "limit of 2^31 - 1, explained",
        **_explain(f"{GPU} InstanceLimit stencil 2147483647;", code=0),
    ),
    HostileInput(
        "limit of 2^63, explained",
        **_explain(f"{GPU} InstanceLimit stencil 9223372036854775808;", code=0),
    ),
    HostileInput(
        "alignment of 2^31 - 1, explained",
        **_explain(f"{GPU} Layout * * * Align == 2147483647;", code=1),
    ),
    HostileInput(
        "split by 2^31 - 1",
        **_eval(
            f"{GPU} m = Machine(GPU).split(0, 2147483647); "
            "def f(Task t) { return m[0, 0, 0]; } IndexTaskMap stencil f;",
            code=0,
        ),
    ),
    HostileInput("limit of 400 digits", **_eval(f"{GPU} InstanceLimit stencil {LONG};", code=0)),
    HostileInput(
        "limit of 5,000 digits", **_eval(f"{GPU} InstanceLimit stencil {LONGER};", code=0)
    ),
    *(
        HostileInput(f"broken mapper of 40 kB: {name}", **_explain(text, code=1))
        for name, text in BROKEN_MAPPERS.items()
    ),
    HostileInput(
        "parentheses 100,000 deep", **_eval(lambda: f"a = {'(' * DEEP}1{')' * DEEP};"), code=1
    ),
    HostileInput("minus signs 100,000 deep", **_eval(lambda: f"a = {'-' * DEEP}1;"), code=1),
    HostileInput("sums 100,000 long", **_eval(lambda: f"a = 1{' + 1' * DEEP};"), code=1),
    HostileInput(
        "calls 100,000 long", **_eval(lambda: f"a = Machine(GPU){'.merge(0, 1)' * DEEP};")
    ),
    # Machine files
    HostileInput("machine: 400 digits", **_on(_machine("capacity = ", f"capacity = {LONG} #"))),
    HostileInput(
        "machine: 5,000 digits", **_on(_machine("capacity = ", f"capacity = {LONGER} #"))
    ),
    HostileInput("machine: NaN", **_on(_machine("capacity = ", "capacity = nan #"))),
    HostileInput("machine: infinity", **_on(_machine("capacity = ", "capacity = inf #"))),
    HostileInput("machine: 400 digits of nodes", **_on(_machine("nodes = ", f"nodes = {LONG} #"))),
    HostileInput("machine: infinite nodes", **_on(_machine("nodes = ", "nodes = inf #"))),
    HostileInput("machine: 1,000,000 nodes", **_on(_machine("nodes = ", "nodes = 1000000 #"))),
    HostileInput("machine: 1,000,000 cores", **_on(_machine("count = ", "count = 1000000 #"))),
    HostileInput("machine: brackets", **_on(lambda: f"a = {BRACKETS}\n")),
    HostileInput("machine: dotted keys", **_on(lambda: f"{'a.' * (DEEP // 2)}a = 1\n")),
    HostileInput(
        "machine: tables in tables", **_on(lambda: f"a = {'{a = ' * DEEP}1{'}' * DEEP}\n")
    ),
    HostileInput(
        "machine: 50,000 tables", **_on(lambda: "".join(f"[a.b{n}.c.d]\n" for n in range(50_000)))
    ),
    HostileInput("machine: 10 MB", **_on(lambda: "# nothing\n" * 1_000_000)),
    # Applications
    HostileInput("application: 400 digits", **_of(_application(_set(LONG, "timed")))),
    HostileInput(
        "application: 400 digits of flops",
        **_of(_application(_set(LONG, "loop", 0, "work", "flops"))),
    ),
    HostileInput(
        "application: 400 digits of a parameter",
        **_of(_application(_set(LONG, "parameters", "nx"))),
    ),
    HostileInput("application: 5,000 digits", **_of(_application(_set(LONGER, "timed")))),
    HostileInput("application: 400 digits of schema", **_of(_application(_set(LONG, "schema")))),
    HostileInput(
        "application: infinite flops",
        **_of(_application(_set(float("inf"), "loop", 0, "work", "flops"))),
    ),
    HostileInput("application: NaN work", **_of(_application(_set(float("nan"), "work")))),
    HostileInput(
        "application: 10^9 x 10^9 points",
        **_of(_application(_set([10**9, 10**9], "loop", 0, "domain"))),
    ),
    HostileInput(
        "application: 10^9 nodes of ranks", **_of(_application(_set(10**9, "ranks_per_node")))
    ),
    HostileInput(
        "application: 2^53 iterations",
        **{
            **_of(_application(_set(2**53, "timed"))),
            "command": ("eval", "x.mapper", "--app", "a.json"),
            "files": {"x.mapper": GPU, "a.json": _application(_set(2**53, "timed"))},
            "code": 0,
        },
    ),
    HostileInput(
        "application: region of 2^53 points",
        **_of(
            _application(
                lambda d: [
                    r.update(upper=[2**53] * len(r["upper"])) for r in d["regions"].values()
                ]
            )
        ),
    ),
    HostileInput("application: depth", **_of(BRACKETS)),
    HostileInput(
        "application: objects in objects", **_of(lambda: '{"a":' * DEEP + "1" + "}" * DEEP)
    ),
    # Options
    HostileInput("--nodes 100000", _tune("--nodes", "100000")),
    HostileInput("--nodes 10000000", _tune("--nodes", "10000000")),
    HostileInput("--nodes 1000000000", _tune("--nodes", "1000000000")),
    HostileInput("--nodes of 400 digits", _tune("--nodes", LONG)),
    HostileInput("--nodes of 5,000 digits", _tune("--nodes", LONGER)),
    HostileInput("-p nx of 24 digits", _tune("-p", "nx=999999999999999999999999")),
    HostileInput("-p nx of 400 digits", _tune("-p", f"nx={LONG}")),
    HostileInput("-p nx of 5,000 digits", _tune("-p", f"nx={LONGER}")),
    HostileInput("-p nx=inf", _tune("-p", "nx=inf")),
    HostileInput("-p nx=nan", _tune("-p", "nx=nan")),
    HostileInput("-p ntx=1000000", _tune("-p", "ntx=1000000", "-p", "nty=1000000")),
    HostileInput("--trials of 400 digits", ("tune", "stencil", "--trials", LONG)),
    HostileInput("--seed of 400 digits", _tune("--seed", LONG)),
    HostileInput(
        "--seeds 1000000000", ("compare", "stencil", "--seeds", "1000000000", "--output", "runs")
    ),
    HostileInput("--repairs of 400 digits", _tune("--repairs", LONG)),
    HostileInput("--model-timeout nan", _tune("--model-timeout", "nan")),
    HostileInput("--model-timeout inf", _tune("--model-timeout", "inf")),
    HostileInput("--temperature nan", _tune("--temperature", "nan")),
    HostileInput("--temperature inf", _tune("--temperature", "inf")),
    HostileInput("--budget-usd nan", _tune("--budget-usd", "nan")),
    HostileInput("--budget-calls of 5,000 digits", _tune("--budget-calls", LONGER)),
    HostileInput(
        "--most of 400 digits", ("explain", "x.mapper", "--most", LONG), {"x.mapper": GPU}
    ),
    # Measured runs
    HostileInput("measured: NaN", **_validate(_measured(NONE))),
    HostileInput("measured: infinity", **_validate(_measured(INFINITE))),
    HostileInput("measured: 400 digits", **_validate(_measured(LONG))),
    HostileInput("measured: depth", **_validate(BRACKETS)),
    # Templates
    HostileInput(
        "template: range to 400 digits",
        _tune("--template", "t.mapper"),
        {"t.mapper": f"{GPU} InstanceLimit stencil ${{n: 1..{LONG}}};"},
    ),
    HostileInput(
        "template: range to 5,000 digits",
        _tune("--template", "t.mapper"),
        {"t.mapper": f"{GPU} InstanceLimit stencil ${{n: 1..{LONGER}}};"},
    ),
    HostileInput(
        "template: range to 2^31 - 1",
        _tune("--template", "t.mapper"),
        {"t.mapper": f"{GPU} InstanceLimit stencil ${{n: 1..2147483647}};"},
        code=0,
    ),
    HostileInput(
        "template: holes 100,000 deep",
        _tune("--template", "t.mapper"),
        {"t.mapper": lambda: "${a: " * DEEP + "}" * DEEP},
    ),
]


@dataclass(frozen=True)
class Taken:
    """What a command took."""

    seconds: float
    megabytes: float
    code: int
    said: str
    printed: str


def run(hostile: HostileInput, folder: Path, root: Path, limit: float = 20.0) -> Taken:
    """Runs one in a process of its own."""
    command = [sys.executable, "-m", "studies.cli", *hostile.write(folder)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=err,
            preexec_fn=_bound(limit),  # noqa: PLW1509  (there are no threads)
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Taken(
            used.ru_utime + used.ru_stime,
            used.ru_maxrss / 1024,
            child.returncode,
            err.read(),
            out.read(),
        )


def _bound(seconds: float) -> Callable[[], None]:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

    return bound


def main() -> None:
    """Prints the table, of the packages in a folder."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()
    sys.path.insert(0, str(root))
    wanted = sys.argv[2:]
    for hostile in INPUTS:
        if wanted and not any(word in hostile.name for word in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            taken = run(hostile, Path(folder), root)
        said = taken.said.strip().splitlines() or [""]
        last = said[-1] if len(said) == 1 else f"({len(said)} lines) {said[-1]}"
        sys.stdout.write(
            f"{hostile.name:<42} {taken.seconds:7.2f} s {taken.megabytes:7.0f} MB "
            f"{taken.code:4d} {last[:150]}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
