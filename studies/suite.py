"""Cases: one application on one machine with one search space."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from legion_bridge import Application, Machine
    from legion_bridge.outcome import Objective
    from tuners import MapperProblem

__all__ = ["Case", "Tunable"]


class Tunable(Protocol):
    """What studies are made of: a ``Case``, or a program that is tuned by runs of it."""

    @property
    def name(self) -> str:
        """Short, and fit for a file; equal for cases whose studies go on with each other."""

    @property
    def application(self) -> str:
        """Name of the application."""

    def problem(self) -> MapperProblem:
        """The problem of mapping it."""


@dataclass(frozen=True)
class Case:
    """What is tuned.

    Attributes:
        application: Name of the application.
        machine: Name of the machine, or the path of its file.
        parameters: Sizes of the application that differ from its own.
        nodes: Nodes of the machine, and of the application unless a parameter says otherwise;
            None for the machine's own number.
        space: Name of the search space that is written from the application's facts.
        template: Text of a template that takes the place of ``space``.
        objective: What throughputs are over: the time that the program's clock shows, or that of
            the whole run.
    """

    application: str
    machine: str = "p100x4"
    parameters: Mapping[str, int | float | str] = field(default_factory=dict)
    nodes: int | None = None
    space: str = "paper"
    template: str | None = None
    objective: Objective = "timed"

    @property
    def name(self) -> str:
        """Short, and fit for a file: ``"stencil-p100x4"``, ``"cannon-n=28284-lassen-2nodes"``."""
        parts = [self.application]
        parts += [f"{key}={self.parameters[key]}" for key in sorted(self.parameters)]
        parts.append(re.sub(r"\.toml$", "", self.machine.rsplit("/", 1)[-1]))
        if self.nodes is not None:
            parts.append(f"{self.nodes}nodes")
        if self.template is not None:
            parts.append("template")
        elif self.space != "paper":
            parts.append(self.space)
        if self.objective != "timed":
            parts.append(self.objective)
        return re.sub(r"[^A-Za-z0-9_.=-]", "_", "-".join(parts))

    def load(self) -> tuple[Application, Machine]:
        """The application and the machine, of sizes that fit each other.

        Raises:
            legion_bridge.BridgeError: The application, a parameter or the machine is unknown.
        """
        from legion_bridge import Application, Machine

        parameters = dict(self.parameters)
        if self.nodes is not None and not self.application.endswith(".json"):
            parameters.setdefault("nodes", self.nodes)  # the program fills the machine
        application = Application.load(self.application, **parameters)
        machine = (
            Machine.load(self.machine)
            if self.nodes is None
            else Machine.load(self.machine, nodes=self.nodes)
        )
        return application, machine

    def problem(self) -> MapperProblem:
        """The problem of mapping it.

        Raises:
            legion_bridge.BridgeError: The application, a parameter or the machine is unknown.
            dsl.TemplateError: The template is wrong, or the space unknown.
        """
        import dsl
        from tuners import MapperProblem

        application, machine = self.load()
        template = (
            dsl.template_for(application, machine, space=self.space)
            if self.template is None
            else dsl.Template(self.template)
        )
        return MapperProblem(application, machine, template, objective=self.objective)
