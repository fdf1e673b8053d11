"""The errors of studies.

    StudyError                  anything wrong with a study, its files or its comparison
    ├── UsageError              the user asked for what cannot be: another request is needed
    ├── ModelMissingError       a study that must ask a model cannot
    ├── ClusterError            a cluster cannot be reached, or is gone
    └── StorageError            a study cannot be read or kept: the disk, the database, the file
        └── StudyBusyError      another process is running the study of a journal

It is no ``MappertuneError``, because the command line must answer before the language is loaded.
It ends with code 2 for the first and with code 1 for the others.
"""

from __future__ import annotations

__all__ = [
    "ClusterError",
    "ModelMissingError",
    "StorageError",
    "StudyBusyError",
    "StudyError",
    "UsageError",
]


class StudyError(Exception):
    """Something is wrong with a study; the message says what to do."""


class UsageError(StudyError):
    """What was asked for cannot be; the message says what can."""


class ModelMissingError(StudyError):
    """A study that must ask a model cannot; the message says why, and how to do without."""


class StorageError(StudyError):
    """A study cannot be read or kept; the message says why, and what is safe."""


class StudyBusyError(StorageError):
    """Another process is running the study of a journal."""


class ClusterError(StudyError):
    """A cluster cannot be reached, or is gone; the message says what is safe."""
