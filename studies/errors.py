"""The errors of studies.

    StudyError                  anything wrong with a study, its files or its comparison
    ├── UsageError              the user asked for what cannot be: another request is needed
    └── StorageError            a study cannot be read or kept: the disk, the database, the file

It is no ``MappertuneError``, because the command line must answer before the language is loaded.
It ends with code 2 for the first and with code 1 for the second.
"""

from __future__ import annotations

__all__ = ["StorageError", "StudyError", "UsageError"]


class StudyError(Exception):
    """Something is wrong with a study; the message says what to do."""


class UsageError(StudyError):
    """What was asked for cannot be; the message says what can."""


class StorageError(StudyError):
    """A study cannot be read or kept; the message says why, and what is safe."""
