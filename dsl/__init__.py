"""The mapping language: grammar, checks, evaluation, templates, C output."""

from dsl.errors import (
    MapperError,
    MapperEvaluationError,
    MapperLoadError,
    MapperSyntaxError,
    TemplateError,
)
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS, MachineShape
from dsl.parse import parse
from dsl.syntax import Program

__all__ = [
    "MEMORY_KINDS",
    "PROCESSOR_KINDS",
    "MachineShape",
    "MapperError",
    "MapperEvaluationError",
    "MapperLoadError",
    "MapperSyntaxError",
    "Program",
    "TemplateError",
    "parse",
]
