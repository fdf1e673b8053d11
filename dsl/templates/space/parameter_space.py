"""All parameters of a template: which of them count, and what they render as."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dsl.errors import TemplateError
from dsl.nearest import did_you_mean, nearest
from dsl.templates.space.parameter import NONE, Parameter, Value
from dsl.templates.text.source import TemplateSource

__all__ = ["ParameterSpace"]


class ParameterSpace:
    """Parameters by name, each after those that its condition asks about."""

    def __init__(self, parameters: Mapping[str, Parameter], source: TemplateSource) -> None:
        self.parameters: Mapping[str, Parameter] = MappingProxyType(dict(parameters))
        self._source = source
        self._known = frozenset(parameters)
        self._plan = [
            (name, parameter.condition, _texts(parameter))
            for name, parameter in parameters.items()
        ]

    def texts(self, values: Mapping[str, Value]) -> dict[str, str | None]:
        """What each hole renders as; None where it does not count.

        Raises:
            TemplateError: A name is unknown, a value is missing or is none of the parameter.
        """
        if not self._known.issuperset(values):
            raise self._unknown(next(name for name in values if name not in self._known))
        texts: dict[str, str | None] = {}
        counting: dict[str, Value] = {}
        for name, condition, text_of in self._plan:
            if condition is not None and not condition.holds(counting):
                texts[name] = None
                continue
            try:
                value = values[name]
                text = text_of[value] if text_of is not None else self._integer(name, value)
            except (KeyError, TypeError):
                value = self._coerced(name, values)
                text = str(value) if value != NONE else ""
            counting[name] = value
            texts[name] = text
        return texts

    def _integer(self, name: str, value: Value) -> str:
        if value not in self.parameters[name]:
            raise KeyError(name)
        return str(value)

    def _coerced(self, name: str, values: Mapping[str, Value]) -> Value:
        """The value where a number stands for its digits, or digits for their number."""
        parameter, value = self.parameters[name], values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and str(value) in parameter:
            return str(value)
        if isinstance(value, str) and value.isdecimal() and int(value) in parameter:
            return int(value)
        raise self._unfit(name, values)

    def is_active(self, name: str, values: Mapping[str, Value]) -> bool:
        """Whether a parameter counts where the others have these values.

        A parameter whose condition asks about one that has no value, or does not count, does
        not count.

        Raises:
            TemplateError: There is no such parameter.
        """
        if name not in self._known:
            raise self._unknown(name)
        condition = self.parameters[name].condition
        if condition is None:
            return True
        return condition.holds(values) and all(
            self.is_active(other, values) for other in condition.names
        )

    def active(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values of the parameters that count, in order; a missing one gets its default."""
        chosen: dict[str, Value] = {}
        for name, parameter in self.parameters.items():
            if parameter.condition is None or parameter.condition.holds(chosen):
                chosen[name] = values.get(name, parameter.default)
        return chosen

    # Errors

    def _unknown(self, name: str) -> TemplateError:
        return self._source.error_at(
            f"the template has no parameter {name}",
            "unknown-parameter",
            None,
            did_you_mean(str(name), self.parameters) or "it has no parameters",
        )

    def _unfit(self, name: str, values: Mapping[str, Value]) -> TemplateError:
        parameter = self.parameters[name]
        known = ", ".join(parameter.choices) or f"the integers {parameter.low} to {parameter.high}"
        if name not in values:
            return self._source.error_at(
                f"the parameter {name} has no value",
                "missing-value",
                parameter.position,
                f"its values are {known}",
            )
        value = values[name]
        near = nearest(str(value), parameter.choices)
        return self._source.error_at(
            f"{value!r} is no value of {name}",
            "parameter-value",
            parameter.position,
            (f"did you mean {near}? " if near else "") + f"its values are {known}",
        )


def _texts(parameter: Parameter) -> dict[Value, str] | None:
    """What each choice renders as; None for an integer range."""
    if parameter.is_range:
        return None
    return {choice: "" if choice == NONE else choice for choice in parameter.choices}
