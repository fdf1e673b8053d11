"""The mapping language: grammar, checks, evaluation, templates, C output."""

from dsl.checks import check
from dsl.compiled_policy import CompiledPolicy
from dsl.decoder_grammar import grammar_for
from dsl.diagnostics import Diagnostic
from dsl.emit_c import emit_c
from dsl.errors import (
    MapperError,
    MapperEvaluationError,
    MapperLoadError,
    MapperSyntaxError,
    TemplateError,
)
from dsl.load import load
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS, MachineShape
from dsl.mapper import Mapper
from dsl.normal_form import normal_form
from dsl.parameter import Parameter
from dsl.parse import parse
from dsl.syntax import Program
from dsl.tables import LayoutDecision
from dsl.template import Template
from dsl.template_for import template_for
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
