"""The real Legion runtime: found, compiled for, and run with a mapper of ours."""

from legion_bridge.legion.build import build_mapper, build_program, kept_mapper
from legion_bridge.legion.cache import cache_folder
from legion_bridge.legion.installation import LegionInstallation, find_legion

__all__ = [
    "LegionInstallation",
    "build_mapper",
    "build_program",
    "cache_folder",
    "find_legion",
    "kept_mapper",
]
