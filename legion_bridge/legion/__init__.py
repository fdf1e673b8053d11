"""The real Legion runtime: found, compiled for, and run with a mapper of ours."""

from legion_bridge.legion.build import build_mapper, build_program, kept_mapper
from legion_bridge.legion.cache import cache_folder
from legion_bridge.legion.installation import LegionInstallation, find_legion
from legion_bridge.legion.metric import Metric
from legion_bridge.legion.run import LegionRun

__all__ = [
    "LegionInstallation",
    "LegionRun",
    "Metric",
    "build_mapper",
    "build_program",
    "cache_folder",
    "find_legion",
    "kept_mapper",
]
