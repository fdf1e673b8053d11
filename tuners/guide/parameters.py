"""A change of statements as a change of a template's parameters, by the names of its holes.

`dsl.template_for` names its holes after what they decide: ``proc.TASK``, ``mem.TASK.REGION`` and
so on. A statement about one task or argument is then a value of one hole, whatever else the
template says; holes that begin to count take their defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dsl import syntax
from dsl.templates.space.parameters import NONE, Value

if TYPE_CHECKING:
    from dsl.templates.template import Template

__all__ = ["moved"]

_Choice = tuple[tuple[str, ...], str]
"""Names of the holes that may be meant, and the value."""


def moved(
    template: Template,
    values: Mapping[str, Value],
    new: Sequence[syntax.Statement],
    gone: Sequence[syntax.Statement],
) -> dict[str, Value] | None:
    """All values that count after a change, or None where some statement is no hole's value."""
    changed = _active(template, values)
    before = dict(changed)
    again = {key for each in new for key in _subjects(each)}
    dropped = [each for each in gone if not again.issuperset(_subjects(each))]
    choices = [*(c for each in new for c in _chosen(each)),
               *(c for each in dropped for c in _left(each))]  # fmt: skip
    for names, value in choices:
        name = next((name for name in names if name in template.parameters), None)
        if name is None or value not in template.parameters[name]:
            return None
        changed[name] = value
    found = _active(template, changed)
    return None if found == before else found


def _active(template: Template, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values that count; defaults where there are none."""
    found: dict[str, Value] = {}
    for name, parameter in template.parameters.items():
        if template.is_active(name, found):
            found[name] = values.get(name, parameter.default)
    return found


def _subjects(rule: syntax.Statement) -> list[tuple[str, ...]]:
    """What a rule is about."""
    kind = type(rule).__name__
    if isinstance(rule, syntax.Task):
        return [(kind, task) for task in rule.tasks]
    if isinstance(rule, syntax.Region | syntax.Layout):
        return [(kind, task, rule.region) for task in rule.tasks]
    if isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
        return [(kind, key) for key in rule.keys]
    if isinstance(rule, syntax.InstanceLimit | syntax.CollectMemory):
        return [(kind, rule.task)]
    return [(kind, getattr(rule, "name", ""))]


def _chosen(rule: syntax.Statement) -> Iterator[_Choice]:
    """The holes that a statement fills; none for definitions, which templates have anyway."""
    if isinstance(rule, syntax.Task):
        for task in rule.tasks:
            yield (f"proc.{task}",), rule.kinds[0]
    elif isinstance(rule, syntax.Region):
        for task in rule.tasks:
            name = f"mem.{task}.{rule.region}"
            yield (f"{name}.{rule.processor}", name), rule.memories[0]
    elif isinstance(rule, syntax.Layout):
        for task in rule.tasks:
            yield (f"layout.{task}.{rule.region}",), "SOA" if rule.soa else "AOS"
            yield (f"order.{task}.{rule.region}",), "C_order" if rule.c_order else "F_order"
    elif isinstance(rule, syntax.IndexTaskMap):
        for key in rule.keys:
            yield (f"map.{key}",), rule.function.rpartition("_")[0]
    elif isinstance(rule, syntax.SingleTaskMap):
        for key in rule.keys:
            function, _, kind = rule.function.rpartition("_")
            yield (f"single.{key}", f"single.{key}.{kind}"), function
    elif isinstance(rule, syntax.CollectMemory):
        yield (f"collect.{rule.task}",), rule.task


def _left(rule: syntax.Statement) -> Iterator[_Choice]:
    """The holes that are empty once a statement is gone."""
    for prefix, kind in (
        ("limit", syntax.InstanceLimit),
        ("map", syntax.IndexTaskMap),
        ("single", syntax.SingleTaskMap),
        ("collect", syntax.CollectMemory),
    ):
        if isinstance(rule, kind):
            for _, task in _subjects(rule):
                yield (f"{prefix}.{task}",), NONE
            return
    yield (), NONE
