"""Where a search starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsl.templates.space.parameters import Value
from tuners import attributes

__all__ = ["Start"]


@dataclass(frozen=True, slots=True)
class Start:
    """The mapper that a study tries first, whatever its tuner.

    Attributes:
        name: ``"default"``, ``"expert"``, or what tells a file's mapper from others.
        values: Values of the parameters; the nearest ones where none make the mapper.
        text: The mapper where its values alone do not make it.
    """

    name: str
    values: Mapping[str, Value]
    text: str | None = None

    def attributes(self) -> dict[str, str]:
        """What its trial carries."""
        noted = {attributes.PROPOSER: attributes.START}
        return noted if self.text is None else {**noted, attributes.TEXT: self.text}
