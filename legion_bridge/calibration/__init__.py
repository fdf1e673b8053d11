"""This machine measured: a machine file with a source for every number."""

from legion_bridge.calibration.calibrate import Calibration, calibrate
from legion_bridge.calibration.figure import Figure

__all__ = ["Calibration", "Figure", "calibrate"]
