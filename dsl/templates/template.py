"""Templates: mapper text with holes, which is a search space.

The form of holes and optional groups is told in `dsl.templates.text.pieces`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from dsl.parsing.parse import parse
from dsl.syntax import Program
from dsl.templates.match.matcher import Matcher
from dsl.templates.match.split_units import split_units
from dsl.templates.match.unit import Unit
from dsl.templates.space.parameters import Parameter, ParameterSpace, Value
from dsl.templates.space.space_size import count_points
from dsl.templates.text.pieces import read_template
from dsl.templates.text.rendering import Rendering
from dsl.templates.text.source import TemplateSource
from dsl.templates.validate import check_template

__all__ = ["Template"]


class Template:
    """Mapper text with holes, and the same thing as parameters.

    Args:
        text: The template; `dsl.templates.text.pieces` tells its form.
        filename: The file that it came from, for messages.
        check: Whether to try each choice now, at about 0.2 ms each. Otherwise a choice that
            makes the text no mapper shows when its rendering is parsed.

    Raises:
        TemplateError: A hole is malformed, or some choice makes the text no mapper.

    >>> template = Template('''
    ...     Task stencil ${proc.stencil: GPU | CPU};
    ...     Region stencil 0 GPU ${mem.stencil.0: FBMEM | ZCMEM when proc.stencil == GPU};
    ...     $[InstanceLimit stencil ${limit.stencil: none | 1..8};]
    ... ''')
    >>> list(template.parameters)
    ['proc.stencil', 'mem.stencil.0', 'limit.stencil']
    >>> text = template.render({"proc.stencil": "CPU", "limit.stencil": "4"})
    >>> template.match(text)
    {'proc.stencil': 'CPU', 'limit.stencil': '4'}
    """

    def __init__(self, text: str, *, filename: str | None = None, check: bool = True) -> None:
        self._source = TemplateSource(text, filename)
        self._read = read_template(self._source)
        self._space = ParameterSpace(self._read.parameters, self._source)
        self._rendering = Rendering(self._read.pieces, self._read.parameters)
        if check:
            check_template(self._source, self._units, self._read.parameters)

    @cached_property
    def _units(self) -> list[Rendering]:
        return [Rendering(unit, self._read.parameters) for unit in split_units(self._read.pieces)]

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self._space, self._rendering, self._units)

    @property
    def text(self) -> str:
        """The template itself."""
        return self._source.text

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by name, each after those that its condition asks about."""
        return self._space.parameters

    @property
    def size(self) -> int:
        """How many points the space has.

        Points that differ only in parameters that do not count are one. The number is exact,
        unless conditions ask about very many combinations: then it is an upper bound
        (`dsl.templates.space.space_size.count_points`).
        """
        return count_points(self._space.parameters)

    @property
    def units(self) -> Sequence[Unit]:
        """The pieces that render as whole statements, in order."""
        return self._matcher.units

    def defaults(self) -> dict[str, Value]:
        """The default values: those of each parameter that counts where all others have theirs."""
        return self._space.active({})

    def is_active(self, name: str, values: Mapping[str, Value]) -> bool:
        """Whether a parameter counts where the others have these values.

        A parameter whose condition asks about one that has no value, or does not count, does
        not count.

        Raises:
            TemplateError: There is no such parameter.
        """
        return self._space.is_active(name, values)

    def render(self, values: Mapping[str, Value]) -> str:
        """The mapper with these values in the holes.

        Values of parameters that do not count may be missing, and are ignored.

        Raises:
            TemplateError: A name is unknown, or a value is missing or none of its parameter.
        """
        return self._rendering.text(self._space.texts(values))

    def match(self, program: Program | str) -> dict[str, Value] | None:
        """The values whose rendering is the given mapper: the inverse of `render`.

        A rendering that was reformatted or commented gives back its values. So does, in general,
        any mapper with the same decisions: statements in another order, lists written out,
        overridden statements, functions under other names. Where several points of the space
        are the same mapper, it is one of them.

        Returns:
            The values of the parameters that count, or None where the mapper is off-template.
            Of functions that have holes in their bodies, only what is written as in the template
            is recognised.

        Raises:
            MapperSyntaxError: The text is not a mapper.
        """
        return self._matcher.match(parse(program) if isinstance(program, str) else program)

    def __repr__(self) -> str:
        return f"<Template of {len(self.parameters)} parameters>"

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.text, self._source.filename)


def _restored(text: str, filename: str | None) -> Template:
    return Template(text, filename=filename, check=False)
