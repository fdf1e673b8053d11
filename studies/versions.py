"""Versions of installed distributions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["version_of"]


def version_of(distribution: str) -> str:
    """The version of an installed distribution, or a word where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
