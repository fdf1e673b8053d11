"""A program's template, written from its facts: the decisions that there are to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsl.errors import TemplateError
from dsl.facts import ApplicationFacts, MachineFacts
from dsl.nearest import did_you_mean
from dsl.syntax import Program
from dsl.templates.match.nearest_point import TemplateNeighbours
from dsl.templates.space.additions import Additions, additions_from
from dsl.templates.space.paper_space import PaperSpace
from dsl.templates.space.parameters import Value
from dsl.templates.space.rich_space import RichSpace
from dsl.templates.space.tunable_task import TunableTask, tunable_tasks
from dsl.templates.template import Template
from dsl.templates.text.hole import with_defaults

__all__ = ["SPACES", "template_for"]

_WRITERS = {"paper": PaperSpace, "rich": RichSpace}

#: The spaces that a template can be written for.
SPACES = tuple(_WRITERS)


def template_for(
    application: ApplicationFacts,
    machine: MachineFacts,
    space: str = "paper",
    *,
    start: Program | None = None,
) -> Template:
    """Writes the template of a program on a machine.

    Its parameters are named ``proc.TASK``, ``mem.TASK.REGION``, ``layout.TASK.REGION``,
    ``order.TASK.REGION``, ``align.TASK``, ``limit.TASK``, ``map.TASK`` and ``single.TASK``; in
    the rich space alignment is per argument, and memory per processor kind where the task has
    several. A region goes by its name where that belongs to one requirement of the task, else by
    the index of the requirement. Tasks that the language cannot name are left alone.

    Args:
        application: The program.
        machine: The machine that it runs on.
        space: ``"paper"`` or ``"rich"``, as in `dsl.templates.space.paper_space` and
            `dsl.templates.space.rich_space`.
        start: A mapper whose decisions become the defaults. Its index maps, and instances as
            small as their arguments, are in the space even where they would not be otherwise.

    Raises:
        TemplateError: There is no such space, or nothing of the program can run on the machine.
    """
    if space not in _WRITERS:
        raise TemplateError(
            f"no parameter space is called {space}",
            code="unknown-space",
            filename="template",
            hint=did_you_mean(space, SPACES),
        )
    machine = machine.for_ranks(application.ranks_per_node)
    tasks = tunable_tasks(application, machine)
    if not tasks:
        raise TemplateError(
            f"{machine.name} has no processor that a task of {application.name} can run on",
            code="no-task",
            filename="template",
            hint="choose a machine with a processor kind that its tasks have variants for",
        )
    written = _Written(application, machine, space, tasks)
    if start is None:
        return written.template()
    apart = TemplateNeighbours(written.template(), application, machine).nearest(start).differs
    wider = written.template(additions := additions_from(start, apart, tasks))
    nearest = TemplateNeighbours(wider, application, machine).nearest(start)
    return written.template(additions, nearest.values)


@dataclass(frozen=True)
class _Written:
    """A template, as it is written with additions and defaults."""

    application: ApplicationFacts
    machine: MachineFacts
    space: str
    tasks: Mapping[str, TunableTask]

    def template(
        self, additions: Additions | None = None, defaults: Mapping[str, Value] | None = None
    ) -> Template:
        parts = [
            f"# {self.application.name} on {self.machine.name}: the {self.space} parameter space."
        ]
        writer = _WRITERS[self.space](
            self.tasks, self.machine, additions, captured=self.application.captured
        )
        blocks = writer.blocks()
        for title, lines in blocks.items():
            if block := "\n".join(lines):
                parts.append(f"# {title}\n{block}")
        text = with_defaults("\n\n".join(parts) + "\n", defaults or {})
        return Template(text, filename=f"{self.application.name}.template", check=False)
