"""mappertune: finds fast mappers for programs on the Legion parallel runtime.

The public names of the four packages under one roof: ``from mappertune import Case, MapperProblem,
parse``. The packages stay where they are: ``dsl`` (the mapping language), ``legion_bridge``
(programs, machines, simulation), ``tuners`` (problems and samplers) and ``studies`` (runs and
comparisons). ``Evaluator`` is the simulator's; what every evaluator must offer is
``tuners.Evaluator``. Each package is imported when one of its names is first asked for.

>>> import mappertune
>>> print(mappertune.unparse(mappertune.parse("Task *  GPU,CPU;")))
Task * GPU,CPU;
<BLANKLINE>
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsl import *
    from legion_bridge import *
    from studies import *
    from tuners import *  # type: ignore[assignment]  # its Evaluator is not meant

_PACKAGES = ("dsl", "legion_bridge", "tuners", "studies")

__all__ = [
    "MEMORY_KINDS",
    "PROCESSOR_KINDS",
    "Application",
    "ApplicationError",
    "BridgeError",
    "CaptureError",
    "Case",
    "CatCMASampler",
    "Comparison",
    "CompiledPolicy",
    "CoordinateDescentSampler",
    "CriticalShare",
    "Diagnostic",
    "DistinctSampler",
    "Evaluation",
    "Evaluator",
    "Finding",
    "GuidedDescentSampler",
    "Hidden",
    "LLMSampler",
    "LayoutDecision",
    "LegionError",
    "Machine",
    "MachineError",
    "MachineShape",
    "Mapper",
    "MapperError",
    "MapperEvaluationError",
    "MapperLoadError",
    "MapperProblem",
    "MapperSyntaxError",
    "MappertuneError",
    "MappingError",
    "Measurement",
    "MeasurementError",
    "MemoryPeak",
    "MissingPackageError",
    "ModelSettings",
    "OnePlusOneSampler",
    "OpenTunerSampler",
    "Outcome",
    "Parameter",
    "ParameterProblem",
    "Parts",
    "Problem",
    "Profile",
    "Program",
    "Projection",
    "RandomValidSampler",
    "RankTest",
    "Reference",
    "RepeatableSampler",
    "Simulator",
    "SimulatorMissingError",
    "StopRules",
    "StorageError",
    "StudyError",
    "StudyResult",
    "StudySpec",
    "StudyStore",
    "Suggester",
    "TaskUse",
    "Template",
    "TemplateError",
    "TextProblem",
    "Tracker",
    "TrialRecord",
    "Tuner",
    "TunerError",
    "TunerSummary",
    "UnknownTunerError",
    "Usage",
    "UsageError",
    "ValidatedRow",
    "Validation",
    "Value",
    "application_names",
    "best_reference",
    "check",
    "compare_studies",
    "emit_c",
    "grammar_for",
    "load",
    "machine_names",
    "make_sampler",
    "normal_form",
    "parse",
    "references",
    "register",
    "run_study",
    "simulate",
    "template_for",
    "tuner_named",
    "tuner_names",
    "unparse",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from studies.versions import version_of

        return version_of("mappertune")
    if name in __all__:
        for package in map(importlib.import_module, _PACKAGES):
            if name in package.__all__:
                return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
