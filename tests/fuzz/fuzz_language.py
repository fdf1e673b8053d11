"""Coverage-guided fuzzing of the mapping language, for a bounded time.

    make dev
    python -m tests.fuzz.fuzz_language --seconds 60

An input is bytes of text, or one token per byte, or a piece put into a known program. Whatever it
is: nothing but a MapperError may come of parsing, loading and asking, and a whole launch must
agree with its points. atheris stops at the first input that breaks this, and writes it to a file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["dsl"]):
    import dsl

SHAPE = dsl.MachineShape(nodes=2, processors={"GPU": 4, "CPU": 1})
EXTENTS = (3, 2)
POINTS = [(i, j) for i in range(EXTENTS[0]) for j in range(EXTENTS[1])]
VECTORS = Path(__file__).parents[1] / "data" / "dsl_vectors.json"

WORDS = """
Task Region Layout InstanceLimit CollectMemory IndexTaskMap SingleTaskMap ControlReplicate def
return print tuple for in True False GPU CPU OMP FBMEM VIRTUAL SOA AOS C_order Compact Exact Align
int bool IPoint MSpace size volume len split merge swap slice reverse balance_split auto_split
greedy_split has ipoint ispace parent processor work f g t x m Machine 0 1 2 7 2147483647 + - * /
% = == != < <= > >= && || ? : ; , . ( ) [ ] { } ! "{}" #
"""
TOKENS = [*WORDS.split(), "\n", "m = Machine(GPU);", "def f(Task t) {", "IndexTaskMap work f;"]


def text_of(data: bytes, programs: list[str]) -> str:
    """The text that an input stands for."""
    mode, rest = data[0] % 3, data[1:]
    if mode == 0 or len(rest) < 3:
        return rest.decode("latin-1")
    tokens = " ".join(TOKENS[byte % len(TOKENS)] for byte in rest[3:])
    if mode == 1:
        return tokens
    program = programs[rest[0] % len(programs)]
    at = len(program) * rest[1] // 255
    return program[:at] + tokens + program[at + rest[2] % 16 :]


def outcome(ask: Callable[..., Any], *arguments: Any) -> Any:
    """An answer, or the report of an error."""
    try:
        return ask(*arguments)
    except dsl.MapperEvaluationError as error:
        return str(error)


def check(text: str) -> None:
    """Asks all there is to ask of a text."""
    try:
        mapper = dsl.load(dsl.parse(text), SHAPE)
    except dsl.MapperError as error:
        str(error)
        return
    dsl.parse(dsl.normal_form(mapper.program))
    mapper.memories("work", ["r", "0"], "GPU")
    mapper.layout("work", ["r", "0"], "FBMEM", "GPU")
    outcome(mapper.single_map, "work", "GPU", (1, 2), "GPU")
    alone = [outcome(mapper.index_point, "work", "GPU", EXTENTS, point) for point in POINTS]
    whole = outcome(mapper.index_map, "work", "GPU", EXTENTS)
    failures = [answer for answer in alone if isinstance(answer, str)]
    if failures:
        agree = whole == failures[0]
    else:
        agree = whole.reshape(-1, 2).tolist() == [list(point) for point in alone]
    if not agree:
        raise AssertionError(f"a launch and its points disagree: {whole} and {alone}\n{text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long to search")
    seconds = parser.parse_args().seconds
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    programs = [case["program"] for case in [*vectors["index_maps"], *vectors["policies"]]]
    dsl.parse("Task * GPU;")  # builds the parser before the clock runs

    def one_input(data: bytes) -> None:
        if data:
            check(text_of(data, programs))

    with tempfile.TemporaryDirectory() as corpus:
        for number, program in enumerate(programs):
            seed = b"\0" + program.encode("latin-1")
            (Path(corpus) / f"{number}").write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-timeout=20", "-max_len=2000", corpus]
        atheris.Setup([sys.argv[0], *options], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
