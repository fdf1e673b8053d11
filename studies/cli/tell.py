"""``mappertune tell``: a reply to what ``mappertune ask`` printed, and what comes of it."""

from __future__ import annotations

import argparse

from studies.cli.console import print_json, say, warn

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Judges a reply as one of a model, and prints what the model would be told."""
    from studies.agent.settings import AgentSettings
    from studies.agent.study import AgentStudy
    from studies.cli.agent_steps import begun_folder, study_as_json, tell_news, tell_summary
    from studies.files import read_text

    folder = begun_folder(arguments.case, arguments.output)
    reply = read_text(arguments.reply, "reply")
    study = AgentStudy(folder, AgentSettings.read(folder))
    step = study.advance(reply)
    if arguments.json:
        print_json(study_as_json(study, step))
        return 0
    tell_news(study, step)
    if step.request is None:
        tell_summary(study, step)
    else:
        say(f"\n{step.request.messages[-1].content.rstrip()}")
        warn(f"answer by: mappertune tell {folder} REPLY.md")
    return 0
