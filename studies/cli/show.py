"""``mappertune show``: what an application asks of its mapper, or what a machine is made of."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsl.launch_domain import LaunchDomain
from studies.cli.cases import case_of
from studies.cli.console import columns, print_json, quantity, say, table
from studies.cli.model_options import prompt_settings
from studies.cli.show_machine import show_machine
from studies.errors import UsageError
from studies.mapper_header import mapper_header

if TYPE_CHECKING:
    from studies.suite import Case
    from tuners import MapperProblem

__all__ = ["run"]


# What is printed alone, by the option that asks for it; the others are of applications.
_OF_MACHINES = {"toml": "--toml"}
_OF_APPLICATIONS = {
    "mapper": "--mapper",
    "print_template": "--template",
    "grammar": "--grammar",
    "prompt": "--prompt",
    "data_flow": "--data-flow",
    "dot": "--dot",
}


def run(arguments: argparse.Namespace) -> int:
    """Prints an application or a machine.

    Raises:
        UsageError: Two things are to be printed alone, or one that the other has.
    """
    from legion_bridge import Machine, application_names, machine_names

    name = arguments.name
    alone = _asked_alone(arguments)
    if name not in application_names() and (name in machine_names() or name.endswith(".toml")):
        _refuse(alone, _OF_APPLICATIONS, f"{name} is a machine: that is told of applications")
        return show_machine(Machine.load(name), arguments)
    _refuse(alone, _OF_MACHINES, f"{name} is no machine: that is the file of one")
    arguments.application = name
    case = case_of(arguments)
    if arguments.mapper is not None:
        text = _mapper(case, arguments.mapper)
        _print_alone(arguments, "mapper", mapper_header(arguments.name, arguments.mapper) + text)
    elif arguments.print_template:
        _print_alone(arguments, "template", case.problem().template.text)
    elif arguments.grammar:
        _print_alone(arguments, "grammar", _grammar(case))
    elif arguments.prompt:
        _show_prompt(case.problem(), arguments)
    elif arguments.data_flow or arguments.dot:
        text = _data_flow(case, dot=arguments.dot)
        _print_alone(arguments, "dot" if arguments.dot else "data_flow", text)
    elif arguments.json:
        print_json(_application_as_json(case.problem()))
    else:
        _show_application(case.problem())
    return 0


def _asked_alone(arguments: argparse.Namespace) -> list[str]:
    options = {**_OF_APPLICATIONS, **_OF_MACHINES}
    asked = [name for name in options if getattr(arguments, name) not in (None, False)]
    if len(asked) > 1:
        first, second = (options[name] for name in asked[:2])
        raise UsageError(f"{first} and {second} each print one thing alone: ask for one")
    return asked


def _refuse(asked: list[str], options: Mapping[str, str], why: str) -> None:
    for name in asked:
        if name in options:
            raise UsageError(f"{options[name]}: {why}")


def _print_alone(arguments: argparse.Namespace, what: str, text: str) -> None:
    if arguments.json:
        print_json({"name": arguments.name, what: text})
    else:
        sys.stdout.write(text)


def _mapper(case: Case, name: str) -> str:
    from dsl.nearest import did_you_mean

    application, _ = case.load()
    if name not in application.mappers:
        raise UsageError(
            f"{application.name} has no mapper {name!r}: {did_you_mean(name, application.mappers)}"
        )
    return application.mappers[name]


def _grammar(case: Case) -> str:
    import dsl

    return dsl.grammar_for(*case.load())


def _show_prompt(problem: MapperProblem, arguments: argparse.Namespace) -> None:
    from tuners import LLMSampler
    from tuners.llm.model import estimated_tokens

    sampler = LLMSampler(problem, prompt_settings(arguments), seed=0)
    messages = sampler.first_prompt()
    tokens = estimated_tokens(*(message.content for message in messages))
    if arguments.json:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        print_json({"messages": turns, "estimated_tokens": tokens})
        return
    for message in messages:
        sys.stdout.write(f"[{message.role}]\n{message.content}\n\n")
    say(f"[about {tokens} tokens]")


def _data_flow(case: Case, *, dot: bool) -> str:
    from legion_bridge.programs.describe import data_flow_dot, describe

    application, _ = case.load()
    return data_flow_dot(application) if dot else describe(application)


def _show_application(problem: MapperProblem) -> None:
    application = problem.application
    say(f"{application.name}: {application.summary}")
    columns(
        [
            ("parameters", ", ".join(f"{k}={v}" for k, v in application.parameters.items())),
            ("throughput", f"in {application.unit}"),
            ("mappers", ", ".join(application.mappers)),
            (
                "search space",
                f"{len(problem.distributions)} holes, {float(problem.template.size):.3g} points",
            ),
        ]
    )
    table(
        ["task", "runs on", "launched over", "region arguments"],
        [
            [
                task.name,
                ", ".join(task.variants),
                "\n".join(_domains(task.index_domains)) or "single task",
                "\n".join(_requirement(r) for r in task.requirements) or "none",
            ]
            for task in application.tasks.values()
        ],
        words=4,
    )
    if application.own_mapper:
        say(f"it brings a mapper of its own, {application.own_mapper}")
    if application.unknown:
        say("unknown, and assumed:")
        columns(list(application.unknown.items()))
    if "expert" in application.mappers:
        say(f"mappertune show {application.name} --mapper expert prints the expert mapper,")
    say(f"mappertune show {application.name} --template the search space")


def _domains(domains: Sequence[LaunchDomain]) -> Iterator[str]:
    """Launch domains, those that differ only in where they begin together."""
    alike: dict[tuple[object, ...], list[LaunchDomain]] = {}
    for domain in domains:
        key = (domain.extents, domain.points) if domain.points else (domain.extents,)
        alike.setdefault(key, []).append(domain)
    for first, *others in alike.values():
        box = first._replace(lower=(0,) * len(first.extents)) if others else first
        yield f"{_points(box)}, at {len(others) + 1} places" if others else _points(first)


def _points(domain: LaunchDomain) -> str:
    box = "x".join(map(str, domain.extents))
    if any(domain.lower):
        box += f" from {','.join(map(str, domain.lower))}"
    return f"{domain.volume} of {box}" if domain.points else box


def _requirement(requirement: Any) -> str:
    size = quantity(requirement.piece_bytes, "B")
    return f"{requirement.names[0]} {requirement.privilege} {requirement.dimension}-D {size}"


def _application_as_json(problem: MapperProblem) -> dict[str, Any]:
    application = problem.application
    return {
        "name": application.name,
        "summary": application.summary,
        "unit": application.unit,
        "parameters": dict(application.parameters),
        "mappers": dict(application.mappers),
        "own_mapper": application.own_mapper,
        "unknown": dict(application.unknown),
        "template": problem.template.text,
        "holes": {
            name: {
                "values": [hole.low, hole.high] if hole.is_range else list(hole.choices),
                "range": hole.is_range,
                "default": hole.default,
                "condition": str(hole.condition) if hole.condition else None,
            }
            for name, hole in problem.template.parameters.items()
        },
        "tasks": [
            {
                "name": task.name,
                "variants": list(task.variants),
                "launch_domains": [list(domain) for domain in task.launch_domains],
                "index_domains": [domain._asdict() for domain in task.index_domains],
                "parents": list(task.parents),
                "launched_singly": task.launched_singly,
                "requirements": [
                    {
                        "names": list(r.names),
                        "privilege": r.privilege,
                        "fields": list(r.fields),
                        "dimension": r.dimension,
                        "piece_bytes": r.piece_bytes,
                    }
                    for r in task.requirements
                ],
            }
            for task in application.tasks.values()
        ],
    }
