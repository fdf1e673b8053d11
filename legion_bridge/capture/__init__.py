"""Captures programs: from a run of their own, or from a log that a mapper wrote."""

from legion_bridge.capture.captured import Captured
from legion_bridge.capture.log_program import capture_log
from legion_bridge.capture.run import capture

__all__ = ["Captured", "capture", "capture_log"]
