"""Simulated runs beside measured ones: how well a machine file tells which mapper is faster."""

from legion_bridge.validation.agreement import Agreement, agreement
from legion_bridge.validation.comparison import Validation, validate
from legion_bridge.validation.measurements import Measurement, read_measurements
from legion_bridge.validation.validated_row import ValidatedRow

__all__ = [
    "Agreement",
    "Measurement",
    "ValidatedRow",
    "Validation",
    "agreement",
    "read_measurements",
    "validate",
]
