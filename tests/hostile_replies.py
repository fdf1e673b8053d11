"""Replies that no model should give, each made from a seed, and what reading them takes.

``python tests/hostile_replies.py 10000`` reads that many, as mappers, as blocks of one and as
values, has a study run on some, and prints the seconds and the peak of the memory by kind.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

__all__ = ["KINDS", "hostile_reply"]

Kind = Callable[[random.Random], str]
_MAPPERS = (
    "Task * GPU;\nRegion * * GPU FBMEM;\n",
    "m = Machine(GPU);\ndef f(Task t) { return m[*(t.ipoint % m.size)]; }\nIndexTaskMap GPU f;\n",
    "InstanceLimit stencil 2;\nCollectMemory stencil 1;\nLayout * * * SOA C_order;\n",
)
_WORDS = [
    "Task",
    "Region",
    "GPU",
    "FBMEM",
    ";",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "=",
    "+",
    "def",
    "return",
    "m",
    "0",
    "1",
    ",",
    ".",
    "*",
    "#",
    "//",
    '"',
    "```",
    "~~~",
    "\\",
    "'",
]
_CONTROLS = [chr(n) for n in (*range(9), 11, 12, *range(14, 32), 0x7F, 0x9B, 0x202E, 0x2066)]


def _size(rng: random.Random, most: int) -> int:
    """A size of a random order of magnitude."""
    return int(2 ** rng.uniform(0, most.bit_length() - 1))


def _fenced(text: str, rng: random.Random) -> str:
    fence = rng.choice(["```", "~~~", "````", "```\n```"])
    return f"{fence}{rng.choice(['mapper', 'json', '', 'python', 'dsl'])}\n{text}\n{fence}\n"


def _number(rng: random.Random) -> str:
    sign = rng.choice(["", "-", "+"])
    return sign + rng.choice(
        ["9" * _size(rng, 20_000), f"1e{'9' * _size(rng, 400)}", "NaN", "Infinity",
         "0" * 400 + "1", f"0.{'1' * _size(rng, 5000)}", "1_000", "0x10", str(2**63), str(2**31)]
    )  # fmt: skip


def _huge(rng: random.Random) -> str:
    return rng.choice(_MAPPERS) * _size(rng, 60_000)


def _one_line(rng: random.Random) -> str:
    return "".join(rng.choice(_MAPPERS).replace("\n", " ") for _ in range(_size(rng, 4000)))


def _deep(rng: random.Random) -> str:
    depth = _size(rng, 200_000)
    opening, closing = rng.choice(["()", "[]", "{}", ("-", ""), ("*", ""), ("a ? ", " : b")])
    middle = rng.choice(["1", "m", "(1, 2)", ""])
    text = f"a = {opening * depth}{middle}{closing * rng.choice([depth, depth - 1, 0])};"
    return _fenced(text, rng) if rng.random() < 0.7 else text


def _deep_json(rng: random.Random) -> str:
    depth = _size(rng, 100_000)
    opening, closing = (
        rng.choice(["[", '{"a":', '{"candidates":[', '{"mapper":']),
        "]}"[rng.randrange(2)],
    )
    return opening * depth + rng.choice(["1", '"x"', "NaN", ""]) + closing * rng.choice([0, depth])


def _surrogates(rng: random.Random) -> str:
    text = list(rng.choice(_MAPPERS))
    for _ in range(_size(rng, 2000)):
        text.insert(rng.randrange(len(text) + 1), chr(rng.randint(0xD800, 0xDFFF)))
    return _fenced("".join(text), rng)


def _controls(rng: random.Random) -> str:
    text = rng.choice(_MAPPERS) + "".join(rng.choices(_CONTROLS, k=_size(rng, 20_000)))
    text += "\x1b]0;owned\x07\x1b[2J\x1b[31m" * _size(rng, 2000)
    return _fenced(text, rng)


def _unicode(rng: random.Random) -> str:
    return "".join(chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]))
                   for _ in range(_size(rng, 30_000)))  # fmt: skip


def _numbers(rng: random.Random) -> str:
    if rng.random() < 0.5:
        values = dict.fromkeys(("x", "n", "kind", "proc.stencil"), 0)
        return json.dumps(values).replace("0", _number(rng), rng.randint(1, 4))
    return _fenced(f"InstanceLimit stencil {_number(rng)};\na = {_number(rng)};\n", rng)


def _wrong_schema(rng: random.Random) -> str:
    def value(depth: int) -> object:
        scalars = [None, True, 1, -1.5, "", "GPU", "x" * _size(rng, 2000), rng.choice(_MAPPERS)]
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(scalars)
        names = [
            "mapper",
            "mappers",
            "candidates",
            "blocks",
            "text",
            "x",
            "n",
            "kind",
            "reasoning",
        ]
        count = _size(rng, 12)
        if rng.random() < 0.5:
            return [value(depth - 1) for _ in range(count)]
        return {rng.choice(names): value(depth - 1) for _ in range(count)}

    return json.dumps(value(rng.randint(1, 5)))


def _many_objects(rng: random.Random) -> str:
    one = rng.choice(
        ['{"x": 1}', '{"candidates": [{"x": 1, "n": 2}]}', '{"mapper": "Task * GPU;"}']
    )
    return (one + rng.choice(["", ",", "\n", " and "])) * _size(rng, 20_000)


def _half_json(rng: random.Random) -> str:
    whole = json.dumps(
        {"reasoning": "x" * 500, "candidates": [{"x": 1.0, "n": 3, "kind": "rbf"}] * 9}
    )
    return whole[: rng.randrange(len(whole))] * rng.choice([1, 1, 50])


def _fences(rng: random.Random) -> str:
    return "".join(
        rng.choice(["```\n", "```mapper\n", "~~~\n", "````json\n", "Task * GPU;\n", "text\n"])
        for _ in range(_size(rng, 40_000))
    )


def _blocks(rng: random.Random) -> str:
    return "".join(_fenced(rng.choice(_MAPPERS), rng) for _ in range(_size(rng, 3000)))


def _thoughts(rng: random.Random) -> str:
    return "<think>" * _size(rng, 20_000) + rng.choice(_MAPPERS) + "</think>" * _size(rng, 20_000)


def _soup(rng: random.Random) -> str:
    return " ".join(rng.choices([*_WORDS, "\n"], k=_size(rng, 30_000)))


def _functions(rng: random.Random) -> str:
    count = _size(rng, 2000)
    body = rng.choice(["return m[0, 0];", "return f0(t);", "x = 1;", 'print("{}", t); return 1;'])
    return _fenced("".join(f"def f{n}(Task t) {{ {body} }}\n" for n in range(count)), rng)


def _splits(rng: random.Random) -> str:
    size = rng.choice([2**31 - 1, 2**20, 17**4, 1_000_003])
    text = f"m = Machine(GPU).{rng.choice(['split', 'auto_split', 'balance_split'])}(0, {size});"
    body = rng.choice(
        ["m[*(t.ipoint % m.size)]", "m[0, 0, 0]", f"tuple(i for i in ({'1,' * 999}1))"]
    )
    return _fenced(f"{text}\ndef f(Task t) {{ return {body}; }}\nIndexTaskMap GPU f;", rng)


KINDS: Mapping[str, Kind] = {
    "huge": _huge,
    "one line": _one_line,
    "deep": _deep,
    "deep JSON": _deep_json,
    "surrogates": _surrogates,
    "controls": _controls,
    "unicode": _unicode,
    "numbers": _numbers,
    "wrong schema": _wrong_schema,
    "many objects": _many_objects,
    "half JSON": _half_json,
    "fences": _fences,
    "blocks": _blocks,
    "thoughts": _thoughts,
    "soup": _soup,
    "functions": _functions,
    "splits": _splits,
}


def hostile_reply(seed: int) -> tuple[str, str]:
    """A reply, and its kind: they take turns."""
    kind = list(KINDS)[seed % len(KINDS)]
    rng = random.Random(seed)
    text = KINDS[kind](rng)
    return kind, text if rng.random() < 0.8 else f"I think so:\n{text}\nas you see."


def main() -> None:
    """Reads so many replies, and prints what they took."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from legion_bridge import Application, Machine
    from tests.tuners.llm.scripted import Scripted
    from tuners import LLMSampler, MapperProblem
    from tuners.llm.candidates import candidates_in
    from tuners.llm.study_space import StudySpace

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    count = int(sys.argv[1])
    mappers = MapperProblem(Application.load("stencil", nx=100, ny=100), Machine.load("p100x4"))
    space = {
        "x": FloatDistribution(0, 1),
        "n": IntDistribution(1, 8),
        "kind": CategoricalDistribution(("linear", "rbf")),
    }
    begun = _mebibytes()
    taken = dict.fromkeys(KINDS, 0.0)
    longest = dict.fromkeys(KINDS, 0.0)
    for seed in range(count):
        kind, reply = hostile_reply(seed)
        start = time.process_time()
        base = _MAPPERS[0] if seed % 2 else None
        for each in candidates_in(reply, mappers, base=base, most=1 + seed % 3):
            json.dumps([each.text[:100], each.complaints])
        candidates_in(reply, StudySpace(space))
        seconds = time.process_time() - start
        taken[kind] += seconds
        longest[kind] = max(longest[kind], seconds)
    read = _mebibytes()
    asked = min(max(count // 20, 20), 300)
    replies = (hostile_reply(seed)[1] for seed in range(10**6, 10**6 + 4 * asked))
    model = Scripted(replies)
    sampler = LLMSampler(mappers, model=model, seed=0, repairs=2, fallback="random")
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(mappers, n_trials=asked)
    for kind, seconds in taken.items():
        sys.stdout.write(f"{kind:<14} {seconds:8.2f} s, the longest {longest[kind]:6.3f} s\n")
    total = sum(taken.values())
    sys.stdout.write(
        f"{count} replies: {total:.1f} s, {begun:.0f} MB before, {read:.0f} MB after; "
        f"{len(model.requests)} in a study: {_mebibytes():.0f} MB\n"
    )


def _mebibytes() -> float:
    """The peak of this process so far, without what it was before its program began."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
