"""Names of the attributes that a trial carries, and of its constraint."""

from __future__ import annotations

__all__ = ["CONSTRAINT", "ELAPSED", "NORMAL_FORM", "RAW", "RAW_LENGTH", "STATUS"]

STATUS = "mappertune:status"  # status of the outcome, such as "ok" or "execution_error"
RAW = "mappertune:raw"  # the first RAW_LENGTH characters of what the runtime said
ELAPSED = "mappertune:elapsed"  # seconds of the timed part; absent unless the status is ok
NORMAL_FORM = "mappertune:normal_form"  # digest of the mapper's normal form, see MapperProblem.key

# An Optuna constraint: how many errors a mapper has, zero for a valid one.
CONSTRAINT = "valid mapper"

# Long enough for every message of the runtime, short enough for ten thousand trials in memory.
RAW_LENGTH = 500
