"""What an agent may do with its studies: look, try out within limits, and submit."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from studies.agent.settings import CASE_FILE, AgentSettings
from studies.agent.study import AgentStudy
from studies.diagnostics import finding_as_json, syntax_error_as_json
from studies.errors import UsageError
from studies.files import write_text
from studies.suite import Case

if TYPE_CHECKING:
    from studies.agent.study import Step
    from tuners.guide import Guidance
    from tuners.problems.problem import Evaluation

__all__ = ["Desk", "DeskLimits"]

TRIED = "evaluations.json"
MOST_TEXT = 1_000_000
FENCE = "```"


@dataclass(frozen=True, slots=True)
class DeskLimits:
    """How far an agent may go.

    Attributes:
        trials: Mappers that a study tries at most.
        evaluations: Mappers of a study that may be tried out beside its trials.
        studies: Studies that may lie in the folder.
    """

    trials: int = 100
    evaluations: int = 200
    studies: int = 100


class Desk:
    """An agent's studies in one folder; nothing else is written, and no other file is read.

    Args:
        folder: Where the studies lie, each in a folder of its own.
        limits: How far it may go.
    """

    def __init__(self, folder: Path, limits: DeskLimits) -> None:
        self.folder = folder
        self.limits = limits
        self._open: dict[str, AgentStudy] = {}
        self._lock = threading.RLock()

    # What there is

    def cases(self) -> dict[str, Any]:
        """Applications, machines, and the studies that were begun."""
        from legion_bridge import Application, application_names, machine_names

        return {
            "applications": {name: Application.load(name).summary for name in application_names()},
            "machines": list(machine_names()),
            "begun": {
                each.parent.name: _begun(AgentSettings.read(each.parent))
                for each in sorted(self.folder.glob(f"*/{CASE_FILE}"))
            },
        }

    def manual(self) -> str:
        """The manual of the mapping language."""
        from importlib.resources import files

        return files("dsl").joinpath("manual.md").read_text(encoding="utf-8")

    def history(self, case: str) -> str:
        """What a study has tried, as a table of Markdown, and its best mapper."""
        with self._lock:
            study = self._study(case)
            result = study.advance().result
        lines = [f"# {case}", "", "| trial | result | by |", "|---:|---|---|"]
        for record in result.records:
            found = study.described(record).partition(": ")[2]
            lines.append(f"| {record.number} | {found} | {record.proposer or ''} |")
        if result.mapper is not None:
            lines += ["", "The best mapper:", "", f"{FENCE}mapper", result.mapper.rstrip(), FENCE]
        return "\n".join(lines) + "\n"

    # A study

    def describe(
        self,
        case: str,
        machine: str,
        nodes: int | None,
        parameters: Mapping[str, int | float | str],
        trials: int,
    ) -> dict[str, Any]:
        """The open request of a study, which begins where it is new.

        Args:
            case: A study that was begun, or an application.
            machine: Of a new study, as are those after it.
            nodes: Its nodes; None for the machine's own number.
            parameters: Sizes of the application.
            trials: Mappers that are tried in all.

        Raises:
            UsageError: It goes beyond the limits, or names what is not there.
            MappertuneError: There is no such application or machine, or it does not fit.
        """
        with self._lock:
            if not self._is_begun(case):
                case = self._begin(case, machine, nodes, parameters, trials)
            study = self._study(case)
            return _standing(study, study.advance())

    def submit(self, case: str, reply: str) -> dict[str, Any]:
        """Judges a reply to the open request: a whole one, or a mapper alone.

        Raises:
            UsageError: No study is so called, or it is done.
        """
        _refuse_long(reply)
        if FENCE not in reply:
            reply = f"{FENCE}mapper\n{reply}\n{FENCE}"
        with self._lock:
            study = self._study(case)
            return _standing(study, study.advance(reply))

    # Trying out

    def check(self, case: str, mapper: str) -> list[dict[str, Any]]:
        """What can be known to be wrong with a mapper before it is run."""
        import dsl

        _refuse_long(mapper)
        problem = self._study(case).problem
        try:
            found = problem.check(mapper)
        except dsl.MapperSyntaxError as error:
            return [syntax_error_as_json(each) for each in (error, *error.others)]
        return [finding_as_json(each) for each in found]

    def evaluate(self, case: str, mapper: str) -> dict[str, Any]:
        """Runs a mapper beside the study's trials; counted against the evaluations."""
        study, evaluation, left = self._try_out(case, mapper)
        outcome = evaluation.outcome
        reference = study.reference.throughput if study.reference else None
        return {
            "status": outcome.status,
            "throughput": outcome.throughput,
            "unit": outcome.unit,
            "elapsed": outcome.elapsed,
            "setup": outcome.setup,
            "over_reference": outcome.throughput / reference if reference else None,
            "reference": study.reference.name if study.reference else None,
            "raw": outcome.raw,
            "evaluations_left": left,
        }

    def explain(self, case: str, mapper: str) -> dict[str, Any]:
        """Why a mapper is slow or fails, and what to try; counted against the evaluations."""
        from tuners.guide import explain

        study, evaluation, left = self._try_out(case, mapper)
        problem = study.problem
        if evaluation.outcome.ok:
            profiled = problem.simulation.evaluate_text(mapper, profile=True)
            evaluation = replace(evaluation, outcome=profiled)
        guidance: Guidance = explain(problem, evaluation)
        return {"text": guidance.text(), "evaluations_left": left}

    def _try_out(self, case: str, mapper: str) -> tuple[AgentStudy, Evaluation, int]:
        _refuse_long(mapper)
        with self._lock:
            study = self._study(case)
            left = self._count_evaluation(study)
            return study, study.problem.evaluate_text(mapper), left

    def _count_evaluation(self, study: AgentStudy) -> int:
        """Counts one before it is made, for all processes; returns how many are left then.

        Raises:
            UsageError: None was left.
        """
        path = study.folder / TRIED
        with filelock.FileLock(path.with_name(f"{TRIED}.lock")):
            try:
                used = int(json.loads(path.read_text())["used"])
            except FileNotFoundError:
                used = 0
            except (ValueError, TypeError, KeyError):
                used = self.limits.evaluations  # damaged: the limit is kept
            if used >= self.limits.evaluations:
                raise UsageError(
                    f"the {self.limits.evaluations} evaluations of {study.folder.name} are used "
                    "up: submit mappers"
                )
            write_text(path, json.dumps({"used": used + 1}))
        return self.limits.evaluations - used - 1

    # Studies by name

    def _is_begun(self, case: str) -> bool:
        """Whether a study is so called; names are those of folders right here, never paths."""
        return Path(case).name == case and (self.folder / case / CASE_FILE).is_file()

    def _study(self, case: str) -> AgentStudy:
        if not self._is_begun(case):
            raise UsageError(f"no study is called {case!r:.60}: describe_problem begins one")
        settings = AgentSettings.read(self.folder / case)
        with self._lock:
            study = self._open.get(case)
            if study is None or study.settings != settings:
                study = self._open[case] = AgentStudy(self.folder / case, settings)
            return study

    def _begin(
        self,
        application: str,
        machine: str,
        nodes: int | None,
        parameters: Mapping[str, int | float | str],
        trials: int,
    ) -> str:
        from legion_bridge import application_names, machine_names

        known: list[tuple[str, str, Callable[[], Any]]] = [
            ("application", application, application_names),
            ("machine", machine, machine_names),
        ]
        for what, name, names in known:  # a path would be read
            if name not in names():
                raise UsageError(
                    f"no {what} is called {name!r:.60}; there are {', '.join(names())}"
                )
        if not 1 <= trials <= self.limits.trials:
            raise UsageError(f"a study has from 1 to {self.limits.trials} trials here")
        if len(list(self.folder.glob(f"*/{CASE_FILE}"))) >= self.limits.studies:
            raise UsageError(
                f"{self.folder} holds {self.limits.studies} studies: go on with those"
            )
        case = Case(application, machine, dict(parameters), nodes)
        name = f"{case.name}-seed0"
        if not self._is_begun(name):
            settings = AgentSettings(case, trials=trials)
            AgentStudy(self.folder / name, settings)  # it can be
            settings.write(self.folder / name)
        return name


def _begun(settings: AgentSettings) -> dict[str, Any]:
    """What a study is about, as JSON values."""
    case = settings.case
    return {
        "application": case.application,
        "machine": case.machine,
        "nodes": case.nodes,
        "parameters": dict(case.parameters),
        "trials": settings.trials,
    }


def _standing(study: AgentStudy, step: Step) -> dict[str, Any]:
    """How a study stands, as JSON values."""
    best, asked = step.result.best, step.request.messages if step.request else ()
    return {
        "case": study.folder.name,
        "tried": [study.described(each) for each in step.news],
        "done": step.request is None,
        "trials_left": study.settings.trials - len(step.result.records),
        "best": None if best is None else study.described(best),
        "request": [{"role": each.role, "content": each.content} for each in asked],
    }


def _refuse_long(text: str) -> None:
    if len(text) > MOST_TEXT:
        raise UsageError(f"a text of {len(text):,} characters is too long: {MOST_TEXT:,} at most")
