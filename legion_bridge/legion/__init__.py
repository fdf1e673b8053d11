"""The real Legion runtime: found, compiled for, and run with a mapper of ours."""

from legion_bridge.cache import cache_folder
from legion_bridge.legion.build import build_mapper, build_program, kept_mapper
from legion_bridge.legion.installation import LegionInstallation, find_legion
from legion_bridge.legion.metric import Metric
from legion_bridge.legion.replay import (
    REPLAY_PATTERN,
    ReplayResult,
    build_replay,
    machine_flags,
    read_replay,
    replay_command,
    write_plan,
)
from legion_bridge.legion.replay_plan import PLAN_VERSION, plan_text
from legion_bridge.legion.run import LegionRun
from legion_bridge.legion.scaled import fitted, on_cpus, scaled, seconds_of_iteration

__all__ = [
    "PLAN_VERSION",
    "REPLAY_PATTERN",
    "LegionInstallation",
    "LegionRun",
    "Metric",
    "ReplayResult",
    "build_mapper",
    "build_program",
    "build_replay",
    "cache_folder",
    "find_legion",
    "fitted",
    "kept_mapper",
    "machine_flags",
    "on_cpus",
    "plan_text",
    "read_replay",
    "replay_command",
    "scaled",
    "seconds_of_iteration",
    "write_plan",
]
