"""Mapping one application onto one machine, as an Optuna objective and as a problem of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

import dsl
import legion_bridge
from dsl.bounded_cache import BoundedCache
from dsl.collected_regions import collected_by_name, with_region_names
from dsl.parsing.statement_cache import StatementCache
from dsl.plain_text import plain
from dsl.templates.match.nearest_point import TemplateNeighbours, readable_rules
from dsl.units import quantity, seconds
from legion_bridge.outcome import Objective, Outcome
from legion_bridge.simulation.kernel_library import simulator_missing
from tuners import attributes
from tuners.problems.evaluators import Evaluator, TextEvaluator
from tuners.problems.problem import Evaluation, Finding, Form, Projection, Suggester, Value
from tuners.problems.references import Reference, best_reference
from tuners.problems.start import Start

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from tuners.guide.guidance import Guidance
    from tuners.problems.shorten import MapperShortener

__all__ = ["MapperProblem"]

# Outcomes without a profile are a few hundred bytes, parsed mappers some 50 KB.
OUTCOMES_KEPT = 100_000
PROGRAMS_KEPT = 256
PROFILES_KEPT = 64
LONGEST_SPACE = 2_000  # characters of a list of holes

SCORED: Mapping[Objective, str] = {
    "timed": "The score is that of the timed part alone: what the setup costs does not count.",
    "whole": "The score is over the whole run: what the setup costs counts as well.",
}

# Worse than any mapper that parses: nothing is known of it.
SYNTAX_VIOLATION = 1000.0


class MapperProblem:
    """A search for fast mappers of one application on one machine.

    It is an ordinary Optuna objective, to be maximised: calling it with a trial suggests a value
    for each hole of the template, runs the mapper and returns its throughput. An invalid mapper
    is a completed trial with throughput 0 and a constraint violation, so that samplers learn from
    it. Outcomes are cached by normal form.

    Holes that are active under a condition are suggested only where the condition holds, after
    the holes it speaks of; ``distributions`` lists them all.

    Attributes:
        application: The program.
        machine: What it runs on.
        evaluator: What runs a mapper.
        objective: What the throughput is over: the timed part, or the whole run.
        simulation: What simulates it: the evaluator itself where it does, else one beside it.
        start: What a study tries first; None where the tuner chooses.
    """

    start: Start | None = None

    def __init__(
        self,
        application: Application,
        machine: Machine,
        template: dsl.Template | None = None,
        evaluator: Evaluator | None = None,
        objective: Objective | None = None,
    ) -> None:
        """Takes the paper's parameter space and the simulator where nothing else is given.

        Args:
            application: The program.
            machine: What it runs on.
            template: The search space.
            evaluator: What runs a mapper; it says itself what its throughputs are over.
            objective: What the simulator's are over: the time that the program's clock shows, or
                that of the whole run; an evaluator that is given decides that itself.

        Raises:
            ValueError: The evaluator's throughputs are over something else.
        """
        judged: Objective = getattr(evaluator, "objective", "timed")
        if evaluator is not None and objective not in (None, judged):
            raise ValueError(
                f"the evaluator's throughputs are over the {judged} part of a run: make one with "
                f"objective={objective!r}"
            )
        self.objective: Objective = objective or judged
        self.application = application
        self.machine = machine
        self.simulation = (
            evaluator
            if isinstance(evaluator, legion_bridge.Evaluator)
            else legion_bridge.Evaluator(application, machine, self.objective)
        )
        self.evaluator: Evaluator = evaluator or self.simulation
        self._template = template
        self._outcomes = BoundedCache[str, Outcome](OUTCOMES_KEPT)
        self._programs = BoundedCache[str, dsl.Program](PROGRAMS_KEPT)
        self._read = BoundedCache[str, tuple[dsl.Program, str]](PROGRAMS_KEPT)
        self._statements = StatementCache()
        self._profiled = BoundedCache[str, Outcome](PROFILES_KEPT)

    @cached_property
    def template(self) -> dsl.Template:
        """The search space; written on first use where none was given.

        Raises:
            dsl.TemplateError: It cannot be made for this application and machine.
        """
        return self._template or dsl.template_for(self.application, self.machine)

    @cached_property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Every hole as an Optuna distribution, in the template's order."""
        return MappingProxyType(
            {
                name: CategoricalDistribution(hole.choices)
                if hole.low is None or hole.high is None
                else IntDistribution(hole.low, hole.high)
                for name, hole in self.template.parameters.items()
            }
        )

    def suggest(self, trial: Suggester) -> dict[str, Value]:
        """Asks a trial for the value of each hole that is active."""
        values: dict[str, Value] = {}
        for name, hole in self.template.parameters.items():
            if not self.template.is_active(name, values):
                continue
            if hole.low is None or hole.high is None:
                values[name] = trial.suggest_categorical(name, hole.choices)
            else:
                values[name] = trial.suggest_int(name, hole.low, hole.high)
        return values

    def render(self, values: Mapping[str, Value]) -> str:
        """The mapper with these values in the holes; holes that are inactive need none."""
        return self.template.render(values)

    def key(self, values: Mapping[str, Value]) -> str:
        """A short digest of the normal form of the mapper with these values."""
        return digest(self._skim(self.render(values))[1])

    def check(self, text: str) -> list[Finding]:
        """Diagnostics of a mapper that parses.

        Raises:
            dsl.MapperSyntaxError: It does not parse.
        """
        return self._checked(text)[1]

    form: Form = "mapper"

    @property
    def unit(self) -> str:
        """Unit of the throughput."""
        return self.application.unit

    @property
    def language(self) -> str:
        """The manual of the mapping language, as far as the program has a use for it."""
        from tuners.llm.prompts.manual import manual_for  # noqa: PLC0415  (only for prompts)

        return manual_for(self.application, self.machine)

    def passes(self, text: str) -> bool:
        """Whether a check finds no error; many times as fast as ``check``.

        A check promises an error exactly where a simulated run fails: where the evaluator is the
        simulator, it is asked.

        Raises:
            dsl.MapperSyntaxError: It does not parse.
        """
        if not self.is_simulated:
            return not self._errors(self._skim(text)[0])
        outcome = self._run(text)
        if outcome.status == "syntax_error":
            self._parse(text)
        return outcome.ok

    def describe(self) -> str:
        """The application with its sizes and data flow, and the machine, as text."""
        from tuners.llm.prompts.briefing import describe_program  # noqa: PLC0415  (only for prompts)
        from tuners.llm.prompts.machine import (  # noqa: PLC0415  (likewise)
            describe_machine,
            describe_runtime,
        )

        application, machine = self.application, self.machine
        parts = [
            describe_program(application, machine),
            describe_machine(machine, self._used_kinds, self._used_rates),
            describe_runtime(
                machine.for_ranks(application.ranks_per_node),
                traced=application.traced,
                simulated=self.is_simulated,
            ),
            self._goal(),
        ]
        return "\n\n".join(parts)

    @property
    def _used_kinds(self) -> set[str]:
        """The processor kinds that some task was compiled for."""
        kinds = self.application.task_kinds.values()
        return {variant for kind in kinds for variant in kind.variants}

    @property
    def _used_rates(self) -> list[str]:
        """The rates of arithmetic that the loop's tasks run at."""
        work = [launch.work for launch in self.application.loop]
        return sorted({each.rate for each in work if each.flops.any() and not each.seconds})

    def _goal(self) -> str:
        """What counts, what no mapper can beat, and what an expert has reached."""
        parts = [SCORED[self.objective]]
        if self.is_simulated:
            floor = self.simulation.simulator.floor
            if floor.seconds:
                parts.append(
                    f"No mapper takes less than {seconds(floor.seconds)} an iteration (the floor, "
                    f"by the {floor.bounds.bound})."
                )
            reference = self.reference
            if reference is not None:
                reached = quantity(reference.throughput or 0.0, self.unit, digits=6)
                parts.append(f"The reference ({reference.name}) reaches {reached}.")
        return " ".join(parts)

    def identity(self, text: str) -> str | None:
        """A short digest of a mapper's normal form; None where it does not parse."""
        try:
            return digest(self._skim(text)[1])
        except dsl.MapperError:
            return None

    @cached_property
    def _neighbours(self) -> TemplateNeighbours:
        return TemplateNeighbours(self.template, self.application, self.machine)

    def project(self, text: str) -> Projection:
        """The values of the holes that stand for a mapper, however it was written.

        They are those that render as the mapper where there are any, else the nearest ones; of a
        text that does not parse, the nearest to the rules that can be read in it.
        """
        differs: tuple[str, ...] = ()
        try:
            program = self._skim(text)[0]
        except dsl.MapperSyntaxError:
            program = readable_rules(text)
            differs = ("the text does not parse",)
        else:
            values = self.template.match(program)
            if values is not None:
                return Projection(values, exact=True)
        found = self._neighbours.nearest(program)
        return Projection(found.values, exact=False, differs=(*differs, *map(str, found.differs)))

    @cached_property
    def _shortener(self) -> MapperShortener:
        from tuners.problems.shorten import MapperShortener  # noqa: PLC0415  (only for prompts)

        return MapperShortener(self.application, self.machine)

    def shorten(self, text: str) -> str:
        """A mapper with the same decisions in fewer statements, where there is one."""
        return self._shortener.shorten(text)

    def mend(self, text: str) -> tuple[str, tuple[str, ...]]:
        """A mapper that collects regions by name where the text does it by index; what it says."""
        return collected_by_name(text, self.application)

    def explain(self, evaluation: Evaluation) -> Guidance:
        """What came of a mapper, what it means, and what to try."""
        from tuners.guide import explain  # noqa: PLC0415  (only where feedback is asked for)

        outcome = self.profiled(evaluation)
        return explain(self, replace(evaluation, outcome=outcome))

    def profiled(self, evaluation: Evaluation) -> Outcome:
        """The outcome with where the time went, where the mapper ran and was simulated."""
        program, key, outcome = evaluation.program, evaluation.normal_form, evaluation.outcome
        if program is None or key is None or not outcome.ok or not self.is_simulated:
            return outcome
        run = self.simulation.evaluate
        return self._profiled.get_or_make(key, lambda: run(program, profile=True))[0]

    @property
    def is_simulated(self) -> bool:
        """Whether what runs a mapper is the simulator: equal mappers take equally long then."""
        return self.evaluator is self.simulation

    @cached_property
    def reference(self) -> Reference | None:
        """What mappers are held against; None where none runs, where runs are measured, or where
        the simulator is missing.
        """
        return best_reference(self) if self.is_simulated and not simulator_missing() else None

    def space(self) -> str:
        """What may be decided: the holes of a template that was given, else a paragraph."""
        given = self._holes() if self._template is not None else ""
        if given and len(given) <= LONGEST_SPACE:
            return given
        from tuners.llm.prompts.space import describe_space  # noqa: PLC0415  (only for prompts)

        return describe_space(self.application, self.machine)

    def _holes(self) -> str:
        """The holes of the template, those with equal choices together."""
        alike: dict[str, list[str]] = {}
        for name, hole in self.template.parameters.items():
            choices = " | ".join(map(str, hole.choices)) or f"{hole.low}..{hole.high}"
            alike.setdefault(choices, []).append(name)
        return "\n".join(f"- {choices}: {', '.join(names)}" for choices, names in alike.items())

    @property
    def grammar(self) -> str:
        """A Lark grammar of the mappers, for decoders that take one."""
        return dsl.grammar_for(self.application, self.machine)

    def evaluate_text(self, text: str, *, check: bool = True) -> Evaluation:
        """Runs a mapper, or recalls what came of its like.

        Args:
            text: The mapper.
            check: Whether to look for diagnostics as well. Where there are none, the positions
                in the evaluation's program are not those in the text.
        """
        try:
            program, normal_form = self._skim(text)
        except dsl.MapperSyntaxError as error:
            said = str(with_region_names(error, self.application))
            outcome = Outcome("syntax_error", 0.0, self.application.unit, raw=said)
            return Evaluation(text, None, None, (), outcome, cached=False)
        found: Sequence[Finding] = ()
        if check:
            program, found = self._checked(text)
        outcome, cached = self._outcomes.get_or_make(normal_form, lambda: self._run(text))
        return Evaluation(text, program, normal_form, tuple(found), outcome, cached)

    def __call__(self, trial: optuna.Trial) -> float:
        """The throughput of the mapper that the trial proposes; 0.0 for an invalid one."""
        evaluation = self.evaluate_text(self.text_of(trial), check=False)
        record(trial, evaluation, self.violation(evaluation))
        return evaluation.outcome.throughput

    def text_of(self, trial: optuna.Trial) -> str:
        """The mapper that a trial proposes.

        It is the rendering of the trial's values, unless a model wrote one that the template
        cannot render: then the values are the nearest ones, and the mapper stands beside them.
        """
        rendered = self.render(self.suggest(trial))
        return str(trial.user_attrs.get(attributes.TEXT) or rendered)

    def violation(self, evaluation: Evaluation) -> float:
        """How far a mapper is from a valid one: 0 for a valid one, else its errors, at least 1.

        Where almost every mapper is invalid (of the stencil's, all but one in two thousand), a
        sampler that is told no more than that finds none; told the number of errors, it gets
        rid of one after the other.
        """
        if evaluation.outcome.ok:
            return 0.0
        if evaluation.program is None:
            return SYNTAX_VIOLATION
        return max(1.0, float(self._errors(evaluation.program)))

    def _checked(self, text: str) -> tuple[dsl.Program, list[Finding]]:
        """A mapper, and what a check finds in it: it is read in full where that has a place."""
        try:
            program = self._skim(text)[0]
        except dsl.MapperSyntaxError as error:
            raise with_region_names(error, self.application) from None
        found = self._check(program)
        if found:
            program = self._parse(text)
            found = self._check(program)
        return program, found

    def _errors(self, program: dsl.Program) -> int:
        return sum(finding.severity == "error" for finding in self._check(program))

    def _check(self, program: dsl.Program) -> list[Finding]:
        forecast = self.simulation.forecast
        return list(dsl.check(program, self.application, self.machine, forecast=forecast))

    def _run(self, text: str) -> Outcome:
        if isinstance(self.evaluator, TextEvaluator):
            return self.evaluator.evaluate_text(text)
        return self.evaluator.evaluate(self._parse(text))

    def _parse(self, text: str) -> dsl.Program:
        return self._programs.get_or_make(text, lambda: dsl.parse(text))[0]

    def _skim(self, text: str) -> tuple[dsl.Program, str]:
        """The program but for its positions, and its normal form: ten times as fast."""

        def skim() -> tuple[dsl.Program, str]:
            program = self._statements.parse(text)
            return program, dsl.normal_form(program)

        return self._read.get_or_make(text, skim)[0]


def digest(normal_form: str) -> str:
    """A short name of a normal form: 64 bits, so that ten million mappers do not collide."""
    return hashlib.blake2b(normal_form.encode(), digest_size=8).hexdigest()


def record(trial: optuna.Trial, evaluation: Evaluation, violation: float) -> None:
    """Writes what came of a mapper into the trial's attributes and its constraint."""
    outcome = evaluation.outcome
    trial.set_user_attr(attributes.STATUS, outcome.status)
    if outcome.raw:
        trial.set_user_attr(attributes.RAW, plain(outcome.raw)[: attributes.RAW_LENGTH])
    if outcome.elapsed is not None:
        trial.set_user_attr(attributes.ELAPSED, outcome.elapsed)
    if outcome.setup is not None:
        trial.set_user_attr(attributes.SETUP, outcome.setup)
    if outcome.whole is not None:
        trial.set_user_attr(attributes.WHOLE, outcome.whole)
    if outcome.measurement is not None:
        trial.set_user_attr(attributes.SPREAD, outcome.measurement.spread)
    if evaluation.normal_form is not None:
        trial.set_user_attr(attributes.NORMAL_FORM, digest(evaluation.normal_form))
    trial.set_constraint(attributes.CONSTRAINT, violation)
