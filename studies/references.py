"""The mappers that others are held against: those of `tuners.problems.references`."""

from __future__ import annotations

from tuners.problems.references import (
    Reference,
    best_reference,
    reference_mappers,
    reference_text,
    references,
)

__all__ = ["Reference", "best_reference", "reference_mappers", "reference_text", "references"]
