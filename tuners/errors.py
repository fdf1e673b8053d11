"""The errors of tuners.

TunerError                  anything wrong with a tuner or with what it was asked for
├── UnknownTunerError       no tuner has that name
├── MissingPackageError     a tuner needs a package that is not installed
└── ModelRequiredError      a model that must be asked cannot be asked
"""

from __future__ import annotations

from dsl.errors import MappertuneError

__all__ = ["MissingPackageError", "ModelRequiredError", "TunerError", "UnknownTunerError"]


class TunerError(MappertuneError):
    """Something is wrong with a tuner; the message says what to do."""


class UnknownTunerError(TunerError):
    """No tuner has that name; the message names the known ones and the nearest."""


class MissingPackageError(TunerError):
    """A tuner needs a package that is not installed; the message says how to install it."""


class ModelRequiredError(TunerError):
    """A study that must ask a model cannot: the message says why."""
