"""The mapping language: grammar, checks, evaluation, templates, C output."""

from dsl.c_output.compiled_policy import CompiledPolicy
from dsl.c_output.emit_c import emit_c
from dsl.checks import check
from dsl.checks.diagnostics import Diagnostic
from dsl.decoder_grammar import grammar_for
from dsl.errors import (
    MapperError,
    MapperEvaluationError,
    MapperLoadError,
    MapperSyntaxError,
    MappertuneError,
    TemplateError,
)
from dsl.load import load
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS, MachineShape
from dsl.mapper import Mapper
from dsl.normal_forms.normal_form import normal_form
from dsl.parsing.parse import parse
from dsl.syntax import Program
from dsl.tables import LayoutDecision
from dsl.templates.space.parameters import Parameter
from dsl.templates.space.template_for import template_for
from dsl.templates.template import Template
from dsl.unparse import unparse

__all__ = [
    "MEMORY_KINDS",
    "PROCESSOR_KINDS",
    "CompiledPolicy",
    "Diagnostic",
    "LayoutDecision",
    "MachineShape",
    "Mapper",
    "MapperError",
    "MapperEvaluationError",
    "MapperLoadError",
    "MapperSyntaxError",
    "MappertuneError",
    "Parameter",
    "Program",
    "Template",
    "TemplateError",
    "check",
    "emit_c",
    "grammar_for",
    "load",
    "normal_form",
    "parse",
    "template_for",
    "unparse",
]
