"""The result of capturing a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from legion_bridge.programs.application import Application

__all__ = ["Captured"]


@dataclass(frozen=True)
class Captured:
    """An application, and what could not be put into it.

    Attributes:
        application: The application; its ``unknown`` says what the run did not show.
        skipped: What was observed and left out, in words, and how often.
        output: What the program printed; empty for one that was not run.
    """

    application: Application
    skipped: Mapping[str, int]
    output: str = ""
