"""``mappertune ask``: what a model is asked next, in a study of whoever answers in its place."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.console import print_json, say, warn

if TYPE_CHECKING:
    from studies.agent.settings import AgentSettings
    from tuners.llm.model import Request

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Prints the open request of a study, which begins where it is new."""
    from studies.agent.study import AgentStudy
    from studies.cli.agent_steps import study_as_json, tell_summary

    folder, settings = _study_of(arguments)
    study = AgentStudy(folder, settings)
    settings.write(folder)
    step = study.advance()
    if arguments.json:
        print_json(study_as_json(study, step))
    elif step.request is None:
        tell_summary(study, step)
    else:
        _print(step.request, new=arguments.new)
        warn(f"answer by: mappertune tell {folder} REPLY.md")
    return 0


def _study_of(arguments: argparse.Namespace) -> tuple[Path, AgentSettings]:
    """The folder that is named, or that of the application, and what its study is about."""
    from studies.agent.settings import CASE_FILE, AgentSettings, refuse_others
    from studies.cli.agent_steps import folder_for
    from studies.cli.arguments import AGENT_TRIALS, parse_arguments

    folder = Path(arguments.case)
    if (folder / CASE_FILE).is_file():
        kept = AgentSettings.read(folder)
        arguments.case = kept.case.application
        asked = _settings(arguments)
    else:
        asked = _settings(arguments)
        folder = folder_for(arguments.output, asked)
        begun = (folder / CASE_FILE).is_file()
        kept = AgentSettings.read(folder) if begun else replace(asked, trials=AGENT_TRIALS)
    usual = _settings(parse_arguments(["ask", arguments.case]))
    refuse_others(asked, usual, kept, folder)
    return folder, replace(kept, trials=arguments.trials or kept.trials)


def _settings(arguments: argparse.Namespace) -> AgentSettings:
    """What the options say."""
    from studies.agent.settings import PROMPT, AgentSettings
    from studies.cli.cases import case_of
    from studies.cli.model_options import dialogue_settings, prompt_settings

    arguments.application = arguments.case
    prompt = prompt_settings(arguments)
    return AgentSettings(
        case_of(arguments),
        trials=arguments.trials or 1,
        seed=arguments.seed,
        start=arguments.start,
        prompt={name: getattr(prompt, name) for name in PROMPT} | dialogue_settings(arguments),
    )


def _print(request: Request, *, new: bool) -> None:
    """The messages as they stand in a request, each under the role of who says it."""
    for message in request.messages[-1:] if new else request.messages:
        say(f"===== {message.role} =====\n\n{message.content.rstrip()}\n")
    if request.schema is not None and not new:
        from json import dumps

        say(f"===== JSON schema of the reply =====\n\n{dumps(request.schema, indent=2)}\n")
    if request.grammar is not None and not new:
        say(f"===== grammar of the reply =====\n\n{request.grammar.rstrip()}\n")
