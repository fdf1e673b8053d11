"""The grammar that a decoder may follow, with the program's names and the machine's kinds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from dsl import names
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.machine_shape import MEMORY_KINDS, PLACED_KINDS, PROCESSOR_KINDS

__all__ = ["RESERVED_WORDS", "grammar_for"]

RESERVED_WORDS = names.RESERVED_WORDS | {"Machine"}
"""What a decoder cannot use as a name: the constructor of machine spaces is no variable."""

_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_FURTHER = "0123456789" + _FIRST


def grammar_for(application: ApplicationFacts, machine: MachineFacts) -> str:
    """A Lark grammar of the mappers that name only what exists.

    It accepts the well-formed mappers whose tasks, regions and region indices are the program's
    and whose processor and memory kinds the machine has. It leaves out what can only fail (a star
    outside a list, ``has``) and, to need no look-around, spacing that nobody writes: blanks stand
    between words even where a ``*`` would do without, a comment inside a statement begins with
    ``#``. Whatever it accepts, `parse` accepts.

    Returns:
        The text of an LALR(1) grammar: ``lark.Lark(text, parser="lalr")`` takes it, and so does
        llguidance, hence the constrained decoding of vLLM, SGLang, llama.cpp and others.
    """
    tasks = [name for name in application.tasks if names.is_name(name)]
    requirements = [r for task in application.tasks.values() for r in task.requirements]
    regions = {name: None for r in requirements for name in r.names}
    kinds = [kind for kind in PROCESSOR_KINDS if machine.shape.count(kind)]
    memories = [kind for kind in MEMORY_KINDS if machine.memories_per_node(kind)]
    if any(task.inner for task in application.tasks.values()):
        memories.append("VIRTUAL")
    indices = {name for name in regions if name.isdecimal()}
    return "\n".join(
        (
            _skeleton(),
            f"// The names of {application.name} and the kinds of {machine.name}",
            _words("task", tasks),
            _words("region", [*filter(names.is_name, regions), *sorted(indices, key=int)]),
            _words("processor", kinds),
            _words("map_processor", [kind for kind in kinds if kind in PLACED_KINDS]),
            _words("memory", memories),
            "",
            _identifiers(),
            "",
        )
    )


def _skeleton() -> str:
    return files("dsl").joinpath("decoder.lark").read_text(encoding="utf-8")


def _words(rule: str, words: Iterable[str]) -> str:
    # A rule needs a right side; this one stands for "none", for no text holds a NUL.
    alternatives = " | ".join(f'"{word}"' for word in words) or r"/\x00/"
    return f"{rule}: {alternatives}"


# Identifiers without look-around. Taken as a tree of letters, the reserved words divide all other
# identifiers in two: those that leave the tree, which one regular expression describes, and those
# that end inside it ("Tas", "in_" does not). The latter are finitely many, and stand by length: so
# lark, which tries longer terminals first, never takes "Tas" from "Task".


@cache
def _identifiers() -> str:
    inside: dict[int, list[str]] = {}
    for prefix in sorted({word[:end] for word in RESERVED_WORDS for end in range(1, len(word))}):
        if prefix not in RESERVED_WORDS:
            inside.setdefault(len(prefix), []).append(prefix)
    rule = " | ".join(["NAME", *(f"NAME_{length}" for length in sorted(inside))])
    lines = [f"name: {rule}", f"NAME: /{_leaving('', RESERVED_WORDS)}[{_ranges(_FURTHER)}]*/"]
    lines += [f"NAME_{length}: /{'|'.join(inside[length])}/" for length in sorted(inside)]
    return "\n".join(lines)


def _leaving(prefix: str, words: Iterable[str]) -> str:
    """What leads, after the prefix, from inside the tree of words to just outside it."""
    children: dict[str, list[str]] = {}
    for word in words:
        if len(word) > len(prefix):
            children.setdefault(word[len(prefix)], []).append(word)
    alphabet = _FURTHER if prefix else _FIRST
    others = _ranges(c for c in alphabet if c not in children)
    choices = [f"[{others}]"]
    choices += [c + _leaving(prefix + c, children[c]) for c in sorted(children)]
    return f"({'|'.join(choices)})" if len(choices) > 1 else choices[0]


def _ranges(characters: Iterable[str]) -> str:
    """The characters, in ascending order, as the inside of a character class."""
    runs: list[str] = []
    for c in characters:
        if runs and ord(runs[-1][-1]) == ord(c) - 1:
            runs[-1] += c
        else:
            runs.append(c)
    return "".join(run if len(run) < 3 else f"{run[0]}-{run[-1]}" for run in runs)
