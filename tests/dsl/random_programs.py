"""Random mappers: mostly well typed, now and then not, with many mapping functions each.

A program is made from a seed alone, so that a failing one can be made again.
"""

from __future__ import annotations

import random

__all__ = ["random_program"]

_HELPERS = """\
g = Machine(GPU);
c = Machine(CPU);
big = g.merge(0, 1);
n = g.size[0] * 3 - 1;
yes = n > 2;
pair = (4, 2);
def clamp(int v, int hi) { return v < 0 ? 0 : (v >= hi ? hi - 1 : v); }
def gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
def lin(IPoint p, ISpace s) { return p.len == 1 ? p[0] : p[0] * s[1] + p[1]; }
def both(int a, int b) { return (a, b); }
def flip(bool b) { return b != True; }
def grid(MSpace m, ISpace s, int d) { return m.size[d] * s[0] / (d + 1); }
"""


class _Writer:
    """Writes expressions of a wanted type in a function of a Task named t."""

    def __init__(self, rng: random.Random, noise: float) -> None:
        self.rng = rng
        self.noise = noise
        self.locals: dict[str, list[str]] = {}
        self.bound: list[str] = []

    def expression(self, kind: str, depth: int) -> str:
        if self.rng.random() < self.noise:
            kind = self.rng.choice(["int", "bool", "ints", "tuple", "space", "point"])
        names = self.locals.get(kind, [])
        if names and self.rng.random() < 0.25:
            return self.rng.choice(names)
        return str(getattr(self, f"_{kind}")(depth - 1))

    def _pick(self, depth: int, leaves: list[str], deeper: list[str]) -> str:
        return self.rng.choice(leaves if depth <= 0 else leaves + 3 * deeper)

    def _fill(self, form: str, depth: int) -> str:
        """A form with types in braces, each replaced by an expression of the type."""
        parts = form.split("{")
        text = parts[0]
        for part in parts[1:]:
            kind, _, rest = part.partition("}")
            text += self.expression(kind, depth) + rest
        return text

    def _int(self, depth: int) -> str:
        leaves = ["0", "1", "1", "2", "3", "n", *self.bound, *self.bound]
        leaves += ["t.ipoint[0]", "t.ipoint[-1]", "t.ispace[0]", "t.ilower[0]"]
        leaves += ["g.size[0]", "pair[1]"]
        deeper = ["{int} + {int}", "{int} * {int}", "{int} % 4", "{int} / 2", "({int} - {int})"]
        deeper += ["({bool} ? {int} : {int})", "clamp({int}, {int})", "gcd({int}, {int})"]
        deeper += ["lin(t.ipoint, t.ispace)", "{ints}[0]", "{ints}[-{index}]", "{ints}.len"]
        deeper += ["{tuple}[{index}]", "{space}.size[0]", "{ints}.volume", "clamp(*{ints})"]
        deeper += ["grid({space}, {ints}, 0)", "({int} + {int}) % 3", "t.ipoint[{index}]"]
        deeper += ["-{int}", "{int} % {int}", "{int} / {int}", "{ints}[{int}]", "2147483647"]
        return self._fill(self._pick(depth, leaves, deeper), depth)

    def _index(self, depth: int) -> str:
        return self._fill(
            self._pick(depth, ["0", "1", "1"], ["{int} % 2", "clamp({int}, 2)"]), depth
        )

    def _bool(self, depth: int) -> str:
        deeper = [f"({{int}} {op} {{int}})" for op in ("<", ">", "<=", ">=", "==", "!=")]
        deeper += [
            "({bool} && {bool})",
            "({bool} || {bool})",
            "({bool} == {bool})",
            "flip({bool})",
        ]
        return self._fill(self._pick(depth, ["True", "False", "yes"], deeper), depth)

    def _ints(self, depth: int) -> str:
        leaves = ["t.ipoint", "t.ispace", "g.size", "(1, 2)", "pair", "(3, 1)", "-(1, 2)"]
        leaves.append("(t.ipoint - t.ilower)")
        deeper = ["({ints} + {ints})", "({ints} * {tuple})", "({ints} % (3, 3))"]
        deeper += ["({tuple} / (2, 2))", "{ints}[{index}:]", "{ints}[:-1]", "{space}.size"]
        deeper += ["({bool} ? {ints} : {ints})", "({tuple} + (0, 0))", "{ints}[{int}:{int}]"]
        deeper += ["{space}[:]", "{point}"]
        return self._fill(self._pick(depth, leaves, deeper), depth)

    def _tuple(self, depth: int) -> str:
        leaves = ["(n, 1)", "both(1, n)", "(2, n)", "(pair[0], pair[1])"]
        deeper = ["({int}, {int})", "({index}, *{ints})", "both({int}, {int})", "both({int}, 2)"]
        deeper += ["({bool} ? {tuple} : {tuple})", "({int}, {tuple}, {bool})", "{tuple}[:-1]"]
        form = self._pick(depth, leaves, [*deeper, "comprehension", "comprehension"])
        return self._comprehension(depth) if form == "comprehension" else self._fill(form, depth)

    def _comprehension(self, depth: int) -> str:
        variable = self.rng.choice(["i", "j", "k"])
        forms = ["(0, 1)", "(1, 0)", "(0, 1)", "(1, -1)", "({int}, {index})", "({bool}, {int})"]
        elements = self._fill(self.rng.choice(forms), depth)
        self.bound.append(variable)
        element = self.expression(self.rng.choice(["int", "int", "int", "tuple", "bool"]), depth)
        self.bound.pop()
        return f"tuple({element} for {variable} in {elements})"

    def _space(self, depth: int) -> str:
        deeper = ["{space}.merge(0, 1)", "{space}.swap({index}, 1)", "{space}.reverse({index})"]
        deeper += ["{space}.swap(0, 1)", "{space}.split(0, 2)", "{space}.split({index}, {int})"]
        deeper += ["{space}.auto_split({index}, {ints})", "{space}.greedy_split({index}, {ints})"]
        deeper += ["{space}.balance_split(1, 2)", "{space}.slice({index}, 0, {int})"]
        deeper += ["{space}.merge({int}, {int})", "({bool} ? {space} : {space})"]
        return self._fill(self._pick(depth, ["g", "g", "g", "c", "big"], deeper), depth)

    def _point(self, depth: int) -> str:
        leaves = ["g[0, 1]", "big[n % 3]", "g[*((t.ipoint + t.ipoint) % (4, 6))]", "g[0, *]"]
        leaves += ["g[t.ipoint[0] % g.size[0], 0]", "t.processor(g)", "c[t.ipoint[0], 0]"]
        deeper = [
            "g.split(1, 3)[{index}, {index}, 0]",
            "g.merge(1, 0)[{int} % 24]",
            "g[{index}, *]",
        ]
        deeper += ["g.swap(0, 1)[{index}, {index}]", "g.auto_split(0, (3, {int}))[{index}, 0, 1]"]
        deeper += [
            "g[{int} % 2, {int} % 3]",
            "g[*{tuple}]",
            "g[(1, *)[1], 0]",
            "g[0, *{ints}[1:]]",
        ]
        deeper += [
            "({bool} ? {point} : {point})",
            "g[*({ints} % (2, 2))]",
            "g.reverse(1)[0, {int}]",
        ]
        deeper += ["{space}[*tuple({index} for i in (0, 1))]", "{space}[{index}, {index}]"]
        deeper += ["{space}[{int}]", "{space}[*{ints}]", "t.parent.processor(g)"]
        return self._fill(self._pick(depth, leaves, deeper), depth)

    def function(self, name: str) -> str:
        """A mapping function with some locals."""
        self.locals = {}
        lines = [f"def {name}(Task t) {{"]
        for k in range(self.rng.randrange(4)):
            kind = self.rng.choice(["int", "int", "ints", "tuple", "space", "bool", "point"])
            lines.append(f"  v{k} = {self.expression(kind, 3)};")
            self.locals.setdefault(kind, []).append(f"v{k}")
        if self.rng.random() < 0.1:
            lines.append(
                f'  print("{{}} is {{}}.", {self._int(2)}, {self.expression("ints", 1)});'
            )
        lines.append(f"  return {self.expression('point', 4)};")
        return "\n".join([*lines, "}"])


def random_program(seed: int, functions: int = 12, noise: float = 0.02) -> str:
    """A mapper whose tasks task_0, task_1, ... each have an index map and a single-task map."""
    rng = random.Random(seed)
    writer = _Writer(rng, noise)
    lines = [_HELPERS]
    for k in range(functions):
        lines.append(writer.function(f"f{k}"))
        lines.append(f"IndexTaskMap task_{k} f{k};\nSingleTaskMap task_{k} f{k};")
    return "\n".join(lines) + "\n"
