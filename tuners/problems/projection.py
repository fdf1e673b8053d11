"""From a mapper's text to the parameters of a template, whatever the text is.

Classical tuners learn from values of parameters. A mapper that a model wrote freely is projected
on them: on the values that render as it where there are any, else on the nearest ones.
"""

from __future__ import annotations

import re

import dsl
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.templates.match.nearest_point import TemplateNeighbours
from tuners.problems.problem import Projection

__all__ = ["Projector"]

# A rule without functions: what can still be read of a mapper that does not parse.
_RULE = re.compile(
    r"^[ \t]*((?:Task|Region|Layout|InstanceLimit|CollectMemory)\b[^;{}\n]{1,400};)", re.MULTILINE
)
_RULES_READ = 1000


class Projector:
    """Projects mappers on the parameters of one template."""

    def __init__(
        self, template: dsl.Template, application: ApplicationFacts, machine: MachineFacts
    ) -> None:
        self._template = template
        self._neighbours = TemplateNeighbours(template, application, machine)

    def project(self, text: str) -> Projection:
        """The projection of a mapper; of one that does not parse, that of the rules in it."""
        try:
            program = dsl.parse(text)
        except dsl.MapperSyntaxError:
            return self._nearest(_readable(text), unread=True)
        values = self._template.match(program)
        if values is not None:
            return Projection(values, exact=True)
        return self._nearest(program, unread=False)

    def _nearest(self, program: dsl.Program, *, unread: bool) -> Projection:
        found = self._neighbours.nearest(program)
        differs = tuple(map(str, found.differs))
        if unread:
            differs = ("the text does not parse", *differs)
        return Projection(found.values, exact=False, differs=differs)


def _readable(text: str) -> dsl.Program:
    """The rules of a text that parse one by one."""
    statements: list[dsl.syntax.Statement] = []
    for found in _RULE.findall(text)[:_RULES_READ]:
        try:
            statements += dsl.parse(found).statements
        except dsl.MapperSyntaxError:
            continue
    return dsl.Program(tuple(statements))
