"""A scripted stand-in for a language model: rules that read the prompt as a model would.

It is no model and learned nothing. It begins with a cautious mapper, and from then on applies what
the feedback in the prompt tells to try, one suggestion at a time; where a reply comes back it
follows the hint of the diagnostics; where nothing is left it varies layouts and index maps.
Applications, machines and figures are known to it from the prompt alone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from tests.model_server.answers import Answer, Say
from tests.model_server.wire import Call, Usage

NAME = "scripted (rules, not a model)"

BEGINNING = """\
Task * GPU,OMP,CPU;
Region * * GPU ZCMEM;
Region * * * SYSMEM;
"""
# What is tried where the feedback suggests nothing: a statement, and the function it needs.
CYCLIC = """\
machine = Machine(GPU);
def cyclic(Task t) {
  gpus = machine.merge(0, 1);
  return gpus[t.ipoint[0] % gpus.size[0]];
}
IndexTaskMap GPU cyclic;
"""
VARIATIONS = (
    ("all data in the other field order", "Layout * * * AOS;"),
    ("the order of C for all data", "Layout * * * C_order;"),
    ("points dealt out to the GPUs in turn", CYCLIC),
    ("data aligned to 64 bytes", "Layout * * * Align == 64;"),
    ("data aligned to 128 bytes", "Layout * * * Align == 128;"),
    ("OpenMP where there is no GPU variant", "Task * GPU,OMP,CPU;"),
)
TRIAL = re.compile(r"^Trial (\d+): (.*)$", re.MULTILINE)
BASE = re.compile(r"[mM]apper of trial (\d+)")
MAPPER = re.compile(r"```mapper\n(.*?)```", re.DOTALL)
FEEDBACK = re.compile(r"^Feedback on the [\w ]* block: ", re.MULTILINE)
ADVICE = re.compile(r"(.*?)\nPut these first:\n```mapper\n(.*?)```", re.DOTALL)
# What the diagnostics of a reply that came back say to do.
ABOVE = re.compile(r"^hint: write (\w.*;) above it$", re.MULTILINE)
INTO = re.compile(r"^hint: put it, or other regions, into (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """What the prompt tells of a trial."""

    result: str
    mapper: str
    advice: tuple[tuple[str, str], ...]


class ScriptedModel:
    """Answers calls by the rules above; never says the same twice."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._last = ""
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Answer:
        with self._lock:
            text = self.reply([m["content"] for m in call.messages if m["role"] == "user"])
        prompt = sum(len(m["content"]) for m in call.messages) // 4
        return Say(text, Usage(prompt, len(text) // 4))

    def reply(self, prompts: list[str]) -> str:
        """The answer to a conversation, of which these are the user's turns."""
        ideas = chain(mended(prompts[-1], self._last), self._ideas("\n".join(prompts)))
        for reason, mapper in ideas:
            if mapper not in self._said:
                self._said.add(mapper)
                self._last = mapper
                return f"[{NAME}] {reason}\n\n```mapper\n{mapper}```\n"
        return f"[{NAME}] Nothing is left that the rules know to try."

    def _ideas(self, prompt: str) -> Iterator[tuple[str, str]]:
        """Mappers to propose, the best first."""
        trials = trials_in(prompt)
        bases = BASE.findall(prompt)
        number = (
            int(bases[-1]) if bases else max(trials, key=lambda n: _figure(trials[n]), default=-1)
        )
        if number not in trials:
            yield "A cautious beginning: GPUs, and data where all processors see it.", BEGINNING
            return
        base = trials[number]
        for why, what in base.advice:
            yield f"Trial {number} reached {base.result}. {why}", combined(what, base.mapper)
        for what, statements in VARIATIONS:
            reason = (
                f"Trial {number} reached {base.result}. No advice is left; a variation: {what}."
            )
            yield reason, combined(statements, base.mapper)


def mended(prompt: str, mapper: str) -> Iterator[tuple[str, str]]:
    """A mapper that came back, with what the diagnostics hint at."""
    above = ABOVE.findall(prompt)
    if above:
        yield "The check says what is missing.", combined("\n".join(above), mapper)
    for memory in INTO.findall(prompt):
        yield f"The check finds room in {memory}.", mapper.replace("ZCMEM", memory)


def _figure(trial: Trial) -> float:
    try:
        return float(trial.result.split()[0])
    except ValueError:
        return 0.0


def trials_in(prompt: str) -> dict[int, Trial]:
    """The trials that a prompt tells of, by number; the last account of each."""
    found = {}
    starts = list(TRIAL.finditer(prompt))
    for start, following in zip(starts, [*starts[1:], None], strict=False):
        section = prompt[start.end() : following.start() if following else len(prompt)]
        account, *advice = FEEDBACK.split(section.split("\n# ", 1)[0])
        result = start[2].split(";")[0]
        found[int(start[1])] = Trial(
            result, "".join(MAPPER.findall(account)), tuple(advice_in(advice))
        )
    return found


def advice_in(feedback: list[str]) -> Iterator[tuple[str, str]]:
    """Why and what to try, for each item of feedback that names statements."""
    for item in feedback:
        found = ADVICE.match(item)
        if found is not None:
            yield " ".join(found[1].split()), found[2]


def combined(statements: str, mapper: str) -> str:
    """The statements before those of a mapper, where they count; without its repetitions."""
    new = statements.strip().splitlines()
    return "\n".join([*new, *(x for x in mapper.strip().splitlines() if x not in new)]) + "\n"
